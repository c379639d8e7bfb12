"""Schemathesis against a running gateway: every route of its OpenAPI document, with all checks, as one of the roles.

`make schemathesis` runs it for five minutes a role.
"""

import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path

from tests.support.databases import Databases
from tests.support.gateway import Api, GatewayThread, WorkerThread
from tests.support.scans import LUCKNOW
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings, make_settings
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database
from tracetrack_common.migrate import migrate

ROLES = ("admin", "biller", "dispatcher", "device")
UNLIMITED = {
    "caller_requests_per_s": 1e6,
    "caller_requests_burst": 10**6,
    "address_requests_per_s": 1e6,
    "address_requests_burst": 10**6,
    "reply_timeout_s": 2.0,
}
"""Settings of a gateway that is asked as often as Schemathesis can, which waits 10 s for an answer."""
_LEFT_OUT = {
    "/api/v1/events": "has no end",
    "/api/v1/sessions/current": "ends the session that everything else needs",
}
_CONFIG = Path(__file__).with_name("schemathesis.toml")
_HOOKS = Path(__file__).with_name("schemathesis_hooks.py")


def fuzz(api: Api, role: str, *, seconds: int, seed: int) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis as a role; its output says what it found."""
    person = (
        api.warehouse.device(LUCKNOW)
        if role == "device"
        else api.warehouse.person(role, LUCKNOW if role == "dispatcher" else None)
    )
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(  # noqa: S603 - this environment's own program
            [
                Path(sys.executable).with_name("schemathesis"),
                f"--config-file={_CONFIG}",
                "run",
                f"{api.gateway.address}/openapi.json",
                f"--header=Authorization: Bearer {person.token}",
                *[f"--exclude-path={path}" for path in _LEFT_OUT],
                f"--seed={seed}",
                f"--max-time={seconds}",
                "--continue-on-failure",
                "--no-color",
            ],
            cwd=folder,
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(_HOOKS)},
            capture_output=True,
            text=True,
            check=False,
        )


def main() -> int:
    """Run it for all roles; gives how many found something."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--roles", nargs="*", default=ROLES)
    asked = parser.parse_args()
    found = 0
    with EmbeddedServers() as servers:
        template = Database(
            make_settings(servers.create_database("template"), servers.redis_url()), application_name="fuzzing"
        )
        migrate(template)
        template.close()
        with fresh_settings(servers, Databases(servers, "template"), **UNLIMITED) as settings:
            database = Database(settings, application_name="fuzzing")
            with WorkerThread(settings), GatewayThread(settings) as gateway:
                for role in asked.roles:
                    result = fuzz(
                        Api(gateway, Warehouse(database), settings), role, seconds=asked.seconds, seed=asked.seed
                    )
                    print(f"== {role}\n{result.stdout}{result.stderr}")  # noqa: T201 - a program that prints
                    found += result.returncode != 0
            database.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
