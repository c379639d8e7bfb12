"""A database with people, devices, bills and returns in it, and questions about what became of them."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from sqlalchemy import text

from tests.support.scans import INDORE, LUCKNOW, ORIGIN, Maker, origins_of
from tracetrack_common import accounts
from tracetrack_common.commands import CommandExecutor
from tracetrack_common.contracts import Command, encode_command
from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.domain.scans import Result, Scan
from tracetrack_common.ids import uuid7
from tracetrack_common.ledger import Entry
from tracetrack_common.passwords import hash_password
from tracetrack_scan_worker.apply import Applier
from tracetrack_scan_worker.handlers import command_handlers

PASSWORD = "correct horse battery staple"
_AREA_CODES = {LUCKNOW: "lucknow", INDORE: "indore"}
_numbers = itertools.count(1)

_TABLES = text(
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
    " AND relnamespace = 'public'::regnamespace ORDER BY relname"
)

_DIGEST = "SELECT '{table}', count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} AS t"


@dataclass(frozen=True)
class Person:
    """A user who can log in, and has.

    Parameters
    ----------
    user_id, username, role
        As in the database; the password is `PASSWORD`.
    token
        Of a session that was started.
    """

    user_id: int
    username: str
    role: str
    token: str

    @property
    def actor(self) -> str:
        """How they stand in the audit log."""
        return f"user:{self.user_id}"


@dataclass(frozen=True)
class Device(Maker):
    """An enrolled device.

    Parameters
    ----------
    token
        Its bearer token.
    """

    token: str = ""


@cache
def _password_hash() -> str:
    """Hash the password once: that it takes long is its purpose."""
    return hash_password(PASSWORD)


class Warehouse:
    """A database, seen as a warehouse.

    Parameters
    ----------
    database
        Migrated.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._applier = Applier(database)

    @cached_property
    def biller(self) -> Person:
        """Somebody who does what nobody in particular does."""
        return self.person()

    def device(self, area_id: int = LUCKNOW) -> Device:
        """Enrol a device."""
        token = accounts.make_token()
        with self.database.transaction() as connection:
            device = accounts.insert_device(
                connection,
                name=f"gun-{next(_numbers)}",
                area=_AREA_CODES[area_id],
                token_sha256=accounts.hash_token(token),
            )
        assert device is not None
        return Device(device_id=device.device_id, area_id=area_id, token=token)

    def person(self, role: str = "biller", area_id: int | None = None) -> Person:
        """Add a user with a session that ends in an hour."""
        username, token = f"{role}_{next(_numbers)}", accounts.make_token()
        with self.database.transaction() as connection:
            user_id = connection.execute(
                text(
                    "INSERT INTO app_user (username, role, area_id, password_hash)"
                    " VALUES (:username, :role, :area_id, :password_hash) RETURNING user_id"
                ),
                {"username": username, "role": role, "area_id": area_id, "password_hash": _password_hash()},
            ).scalar_one()
            connection.execute(
                text(
                    "INSERT INTO user_session (session_id, user_id, token_sha256, created_at, expires_at)"
                    " VALUES (:session_id, :user_id, :token_sha256, now(), now() + interval '1 hour')"
                ),
                {"session_id": uuid7(), "user_id": user_id, "token_sha256": accounts.hash_token(token)},
            )
        return Person(user_id, username, role, token)

    def command(self, name: str, arguments: Mapping[str, Any], *, by: Person, **fields: Any) -> Command:
        """Give a command as the gateway sends it, to be changed as the test needs it."""
        command = Command(
            command_id=str(uuid7()), name=name, actor=by.actor, area_id=None, arguments=arguments, origin=ORIGIN
        )
        return replace(command, **fields)

    def execute(self, *commands: Command) -> None:
        """Execute commands as the worker does."""
        executor(self.database).handle([Entry(b"0-1", encode_command(command)) for command in commands])

    def insist(self, command: Command) -> None:
        """Execute a command as a worker of its own would: again while what fails is transient."""
        while True:
            try:
                self.execute(command)
            except Exception as error:
                if not is_transient(error):
                    raise
            else:
                return

    def outcome(self, command: Command) -> tuple[str, dict[str, Any]]:
        """Give a command's status and outcome."""
        row = self.row("SELECT status, outcome FROM command WHERE command_id = :id", id=command.command_id)
        return row["status"], row["outcome"]

    def bill(self, bill_no: str, *, capacity: int = 5, area_id: int = LUCKNOW, by: Person | None = None) -> None:
        """Create a bill."""
        self._do(
            "bill.create",
            {
                "bill_no": bill_no,
                "area": _AREA_CODES[area_id],
                "capacity": capacity,
                "destination": "Kanpur",
                "vehicle": None,
                "description": None,
            },
            by,
        )

    def complete(self, bill_no: str, *, reason: str | None = "the lorry leaves", by: Person | None = None) -> None:
        """Complete a bill, short if need be."""
        self._do("bill.complete", {"bill_no": bill_no, "reason": reason}, by)

    def goods_return(self, *, area_id: int = LUCKNOW, by: Person | None = None) -> str:
        """Open a return and give its number."""
        return str(self._do("return.create", {"area": _AREA_CODES[area_id], "notes": None}, by)["return_no"])

    def commit_return(self, return_no: str) -> None:
        """Close a return, empty or not."""
        self.change("UPDATE goods_return SET state = 'committed' WHERE return_no = :no", no=return_no)

    def do(self, name: str, *, by: Person | None = None, **arguments: Any) -> dict[str, Any]:
        """Have a command done, and give its outcome."""
        return self._do(name, arguments, by)

    def apply(self, scans: Sequence[Scan]) -> list[Result]:
        """Apply scans as a worker does: again while what fails is transient."""
        while True:
            try:
                return self._applier.apply(scans, origins_of(list(scans))).results
            except Exception as error:
                if not is_transient(error):
                    raise

    def row(self, statement: str, **values: Any) -> dict[str, Any]:
        """Give the one row a statement finds."""
        (row,) = self.rows(statement, **values)
        return row

    def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Give the rows a statement finds."""
        with self.database.snapshot() as connection:
            return [row._asdict() for row in connection.execute(text(statement), values)]

    def value(self, statement: str, **values: Any) -> Any:
        """Give the one value a statement finds."""
        (value,) = self.row(statement, **values).values()
        return value

    def change(self, statement: str, **values: Any) -> None:
        """Change rows past the rules."""
        with self.database.transaction() as connection:
            connection.execute(text(statement), values)

    def everything(self) -> dict[str, tuple[int, str]]:
        """Give every table's number of rows and a digest of them, to be compared with what is there later."""
        with self.database.snapshot() as connection:
            digests = [_DIGEST.format(table=table) for table in connection.scalars(_TABLES)]
            return {row[0]: (row[1], row[2]) for row in connection.execute(text(" UNION ALL ".join(digests)))}

    def _do(self, name: str, arguments: Mapping[str, Any], by: Person | None) -> dict[str, Any]:
        command = self.command(name, arguments, by=by or self.biller)
        self.execute(command)
        status, outcome = self.outcome(command)
        assert status == "done", outcome
        return outcome


def executor(database: Database) -> CommandExecutor:
    """Give what executes the commands of these tests, as the command-worker has it."""
    return CommandExecutor(database, queue="commands", handlers=command_handlers(database))
