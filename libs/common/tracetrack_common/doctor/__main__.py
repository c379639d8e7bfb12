"""The doctor without the launcher, for containers: `python -m tracetrack_common.doctor`."""

import argparse
import sys

import orjson

from tracetrack_common.doctor import STATEMENT_TIMEOUT_S
from tracetrack_common.doctor.examination import CHECKS, examine
from tracetrack_common.doctor.report import render_catalogue, render_text
from tracetrack_common.log import configure_logging
from tracetrack_common.settings import Settings


def main() -> int:
    """Examine the system that the environment names; 0 when nothing was found, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tracetrack_common.doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="write the report as JSON")
    parser.add_argument("--only", action="append", choices=[check.name for check in CHECKS], help="only this check")
    parser.add_argument(
        "--timeout", type=int, default=STATEMENT_TIMEOUT_S, metavar="S", help="seconds a statement may take"
    )
    parser.add_argument("--catalogue", action="store_true", help="write the table of every finding there is")
    arguments = parser.parse_args()
    if arguments.catalogue:
        sys.stdout.write(render_catalogue() + "\n")
        return 0
    configure_logging("error", process="doctor")
    report = examine(Settings(), only=arguments.only or (), statement_timeout_s=arguments.timeout)
    if arguments.json:
        sys.stdout.buffer.write(orjson.dumps(report.document(), option=orjson.OPT_INDENT_2) + b"\n")
    else:
        sys.stdout.write(render_text(report) + "\n")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
