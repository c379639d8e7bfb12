"""``make fault-mutants``: take each of the promise's supports away, in turn, and see the fault suite fail.

A suite that passes says little as long as nobody knows what it would notice. Each mutant is a copy of the packages with
one piece of code changed; the case that must notice it is run against that copy, and once against the code as it is.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("libs/common", "services/gateway", "services/scan-worker", "services/report-worker", "deploy/local")
WIDTH = 170
FAILED = 1  # pytest's exit code when a test failed


class Mutant(NamedTuple):
    """A support that is taken away.

    Parameters
    ----------
    name
        What is gone.
    file
        Where it stood.
    before, after
        The text that is replaced, which must stand there once, and what stands there instead.
    case
        The case that must fail.
    """

    name: str
    file: str
    before: str
    after: str
    case: str


MUTANTS = (
    Mutant(
        "the ON CONFLICT guard",
        "services/scan-worker/tracetrack_scan_worker/apply.py",
        """        if storage.insert_scans(connection, batch_id, applied, origins) != len(run):
            raise StateChangedError("another transaction applied one of these scans")
""",
        """        storage.insert_scans(connection, batch_id, applied, origins)
""",
        "test_duplicates.py::test_two_workers_with_the_same_scan",
    ),
    Mutant(
        "the sweeper",
        "libs/common/tracetrack_common/sweeper.py",
        "                summon()\n",
        "",
        "test_redis.py::test_summons_lost",
    ),
    Mutant(
        "the ledger write before the 2xx",
        "services/gateway/tracetrack_gateway/accept.py",
        """        known = await asyncio.shield(group.accepted)
        return known.get(submission.scans[0].device_id or 0)
""",
        """        return None
""",
        "test_redis.py::test_redis_restart",
    ),
    Mutant(
        "the lease",
        "libs/common/tracetrack_common/drain.py",
        "                    self._ledger.renew(entries)\n",
        "                    pass\n",
        "test_leases.py::test_work_that_takes_longer_than_its_lease",
    ),
    Mutant(
        "the locked read",
        "services/scan-worker/tracetrack_scan_worker/storage.py",
        " FROM bag WHERE code = ANY(CAST(:codes AS text[])) ORDER BY code FOR UPDATE",
        " FROM bag WHERE code = ANY(CAST(:codes AS text[])) ORDER BY code",
        "test_duplicates.py::test_two_workers_with_the_last_place_in_a_sack",
    ),
)


class Verdict(NamedTuple):
    """What became of a run."""

    passed: bool
    took_s: float
    said: str


def main() -> int:
    """Run every mutant; 0 when the code as it is passes and every mutant is noticed."""
    console = Console(width=WIDTH)
    with tempfile.TemporaryDirectory(prefix="tracetrack-mutants-") as folder:
        copy = Path(folder)
        for package in PACKAGES:
            shutil.copytree(REPOSITORY / package, copy / package, ignore=shutil.ignore_patterns("*.egg-info", "build"))
        console.print("the code as it is: every case must pass")
        as_it_is = run_cases(copy, [mutant.case for mutant in MUTANTS])
        table = Table("taken away", "case", "verdict", "s", "what the case said")
        table.add_row(
            "nothing", "all of these", "passes" if as_it_is.passed else "FAILS", f"{as_it_is.took_s:.0f}", as_it_is.said
        )
        noticed = as_it_is.passed
        for mutant in MUTANTS:
            console.print(f"without {mutant.name}: {mutant.case} must fail")
            verdict = try_mutant(copy, mutant)
            noticed &= not verdict.passed
            word = "NOT NOTICED" if verdict.passed else "noticed"
            table.add_row(mutant.name, mutant.case, word, f"{verdict.took_s:.0f}", verdict.said)
    console.print(table)
    return 0 if noticed else 1


def try_mutant(copy: Path, mutant: Mutant) -> Verdict:
    """Change the copy, run the case, and change it back."""
    file = copy / mutant.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.before) != 1:
        raise SystemExit(
            f"{mutant.file} no longer holds, once, what the mutant «{mutant.name}» replaces: correct it here."
        )
    file.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")
    try:
        return run_cases(copy, [mutant.case])
    finally:
        file.write_text(text, encoding="utf-8")


def run_cases(copy: Path, cases: Sequence[str]) -> Verdict:
    """Run cases against the copied packages.

    Raises
    ------
    SystemExit
        They could not be run at all.
    """
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603 - this project's own tests
        [sys.executable, "-m", "pytest", "-q", "--tb=line", *(f"tests/fault/{case}" for case in cases)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(copy / package) for package in PACKAGES)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, FAILED}:
        raise SystemExit(done.stdout + done.stderr)
    lines = done.stdout.splitlines()
    said = next((line for line in lines if line.startswith(("E ", str(REPOSITORY)))), lines[-1])
    return Verdict(done.returncode == 0, time.monotonic() - began, said.removeprefix(str(REPOSITORY) + os.sep))


if __name__ == "__main__":
    sys.exit(main())
