"""The journal: what was scanned, on the device's own disk, until the server has applied it.

SQLite, from the standard library, rather than a file of our own: a scan is on the disk when `record` returns
(`synchronous=FULL`), a file is whole whatever instant the power goes, what was settled is marked in place instead of by
rewriting a log, and what waits is found without reading everything.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from tracetrack_device.delivery import Delivery
from tracetrack_device.errors import JournalError, JournalInUseError
from tracetrack_device.record import Record, State

_VERSION: Final = 1
_BUSY_S: Final = 1.0
"""How long a process that is just ending is waited for."""

_SCHEMA = f"""
CREATE TABLE scan (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    scan_id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    epoch INTEGER,
    seq INTEGER,
    state TEXT NOT NULL DEFAULT 'waiting',
    answer TEXT,
    UNIQUE (epoch, seq)
);
CREATE INDEX scan_by_state ON scan (state, position);
CREATE INDEX scan_not_numbered ON scan (position) WHERE epoch IS NULL;
CREATE TABLE counter (epoch INTEGER NOT NULL, last_seq INTEGER NOT NULL);
PRAGMA user_version = {_VERSION};
"""

_HAD_OUTCOME: Final = "(state = 'done' OR (state = 'refused' AND json_extract(answer, '$.status') = 'done'))"
"""What a server that has it would count as arrived; a scan that was refused for a wrong field never was."""


class Journal:
    """A journal on disk, of one device, open in one process at a time; any thread may use it.

    Parameters
    ----------
    path
        The file; made where it is missing. On the device's own disk: a network share does not keep SQLite's locks.
    keep_done
        How many applied scans are kept, to be looked up, or sent again to a server that was restored from a backup.

    Raises
    ------
    JournalInUseError
        Another process has it.
    JournalError
        It cannot be opened, or a later release wrote it.
    """

    def __init__(self, path: Path | str, *, keep_done: int = 1_000) -> None:
        self._keep_done = keep_done
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise JournalError(f"The journal {path} cannot be opened: {error}") from error
        try:
            self._open(path)
        except BaseException:
            self._connection.close()
            raise

    def _open(self, path: Path | str) -> None:
        try:
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            with self._transaction():
                (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise JournalInUseError(f"Another process has the journal {path}.") from error
            raise JournalError(f"The journal {path} cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            raise JournalError(f"{path} is not a journal, or is damaged: {error}") from error
        if version > _VERSION:
            raise JournalError(f"A later release wrote the journal {path} (version {version}).")

    def close(self) -> None:
        """Give the file free."""
        with self._lock:
            self._connection.close()

    def record(self, scan_id: str, body: Mapping[str, Any]) -> None:
        """Write a scan down; when this returns it is on the disk.

        Raises
        ------
        JournalError
            It is not.
        """
        with self._transaction():
            self._connection.execute(
                "INSERT INTO scan (scan_id, body) VALUES (?, ?)", (scan_id, json.dumps(body, ensure_ascii=False))
            )

    @property
    def epoch(self) -> int | None:
        """The epoch in which new scans are counted; None before the first."""
        return self._counter()[0]

    @property
    def last_seq(self) -> int:
        """The last counter given out in it; 0 when none was."""
        return self._counter()[1]

    def begin_epoch(self, epoch: int) -> None:
        """Count what has no number yet in a new epoch, from 1."""
        with self._transaction():
            self._connection.execute("DELETE FROM counter")
            self._connection.execute("INSERT INTO counter (epoch, last_seq) VALUES (?, 0)", (epoch,))

    def number(self) -> None:
        """Give a number to what has none yet, in order; a number that was given stays.

        It happens just before sending and not when a scan is recorded, since a device that lost its memory learns from
        the server which epoch is new.
        """
        if not self._select("epoch IS NULL LIMIT 1", ()):
            return
        with self._transaction():
            epoch, last_seq = self._counter()
            self._connection.execute(
                "UPDATE scan SET epoch = ?, seq = ? + place FROM"
                " (SELECT position, row_number() OVER (ORDER BY position) AS place FROM scan WHERE epoch IS NULL)"
                " AS new WHERE scan.position = new.position",
                (epoch, last_seq),
            )
            self._connection.execute(
                "UPDATE counter SET last_seq = max(last_seq, (SELECT coalesce(max(seq), 0) FROM scan WHERE epoch = ?))",
                (epoch,),
            )

    def list_in(self, *states: State) -> list[Record]:
        """Give every scan in these states, in order."""
        return self._select(f"state IN ({', '.join('?' * len(states))}) ORDER BY position", states)

    def list_numbered(self, state: State, *, after: int = 0, limit: int) -> list[Record]:
        """Give scans in a state that may be sent, in order.

        Parameters
        ----------
        state
            Which.
        after
            Only those behind this place.
        limit
            At most so many.
        """
        condition = "state = ? AND position > ? AND epoch IS NOT NULL ORDER BY position LIMIT ?"
        return self._select(condition, (state, after, limit))

    def look(self, scan_id: str) -> Record | None:
        """Give a scan; None when it is not here, or is no longer kept."""
        found = self._select("scan_id = ?", (scan_id,))
        return found[0] if found else None

    def has(self, *states: State) -> bool:
        """Tell whether any scan is in one of these states, without counting them."""
        return any(self._select("state = ? LIMIT 1", (state,)) for state in states)

    def count(self, *states: State) -> int:
        """Count scans in these states."""
        marks = ", ".join("?" * len(states))
        with self._lock, self._errors_told():
            (count,) = self._connection.execute(
                f"SELECT count(*) FROM scan WHERE state IN ({marks})",  # noqa: S608 - question marks
                states,
            ).fetchone()
            return int(count)

    def settle(self, answers: Iterable[tuple[str, State, Mapping[str, Any] | None]]) -> list[Record]:
        """Note what became of scans: identity, state, answer.

        Returns
        -------
        list of Record
            Those that this settled.
        """
        settled: list[str] = []
        with self._transaction():
            for scan_id, state, answer in answers:
                changed = self._connection.execute(
                    "UPDATE scan SET state = ?, answer = ?"
                    " WHERE scan_id = ? AND state IN ('waiting', 'arrived', 'failed')",
                    (state, None if answer is None else json.dumps(answer, ensure_ascii=False), scan_id),
                )
                if changed.rowcount:
                    settled.append(scan_id)
            records = [record for scan_id in settled if (record := self.look(scan_id)) is not None]
            self._forget_done()
        return records

    def note_delivery(self, delivery: Delivery, arrived: State) -> None:
        """Note what has arrived of an epoch.

        Parameters
        ----------
        delivery
            As the server says.
        arrived
            What a scan that has arrived becomes, its outcome not being known: ``ARRIVED`` to ask for it, or ``DONE``.
        """
        with self._transaction():
            self._connection.executemany(
                "UPDATE scan SET state = ? WHERE epoch = ? AND seq BETWEEN ? AND ? AND state = 'waiting'",
                [(arrived, delivery.epoch, first, last) for first, last in delivery.arrived()],
            )
            failed = self._select("epoch = ? AND state = 'failed'", (delivery.epoch,))
            cured = [
                (arrived, record.position)
                for record in failed
                if record.seq is not None
                and record.seq <= delivery.listed_through
                and not any(first <= record.seq <= last for first, last in delivery.failed)
            ]
            self._connection.executemany("UPDATE scan SET state = ? WHERE position = ?", cured)
            self._connection.executemany(
                "UPDATE scan SET state = 'failed' WHERE epoch = ? AND seq BETWEEN ? AND ?"
                " AND (state IN ('waiting', 'arrived') OR (state = 'done' AND answer IS NULL))",
                [(delivery.epoch, first, last) for first, last in delivery.failed],
            )
            self._forget_done()

    def list_forgotten(self, delivery: Delivery) -> list[Record]:
        """Give the scans that had their outcome and, as the server says, have not arrived: it has lost them."""
        condition = f"epoch = ? AND seq BETWEEN ? AND ? AND {_HAD_OUTCOME}"
        return [
            record
            for first, last in delivery.absent()
            for record in self._select(condition, (delivery.epoch, first, last))
        ]

    def reopen(self, records: Iterable[Record]) -> None:
        """Have scans wait again, their outcomes forgotten."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE scan SET state = 'waiting', answer = NULL WHERE position = ?",
                [(record.position,) for record in records],
            )

    def dismiss(self, scan_id: str) -> bool:
        """Forget a refused or failed scan that somebody has seen to; tell whether there was one."""
        with self._transaction():
            return bool(
                self._connection.execute(
                    "DELETE FROM scan WHERE scan_id = ? AND state IN ('refused', 'failed')", (scan_id,)
                ).rowcount
            )

    def _forget_done(self) -> None:
        self._connection.execute(
            "DELETE FROM scan WHERE state = 'done' AND position <="
            " (SELECT position FROM scan WHERE state = 'done' ORDER BY position DESC LIMIT 1 OFFSET ?)",
            (self._keep_done,),
        )

    def _counter(self) -> tuple[int | None, int]:
        with self._lock, self._errors_told():
            row = self._connection.execute("SELECT epoch, last_seq FROM counter").fetchone()
            return (None, 0) if row is None else (int(row[0]), int(row[1]))

    def _select(self, condition: str, values: Sequence[object]) -> list[Record]:
        with self._lock, self._errors_told():
            rows = self._connection.execute(
                f"SELECT position, scan_id, body, epoch, seq, state, answer FROM scan WHERE {condition}",  # noqa: S608 - conditions of this module
                values,
            )
            with closing(rows):
                return [_record_of(*row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._errors_told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        """Tell SQLite's errors as this package's own, once the journal is open."""
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(f"The journal cannot be read or written: {error}") from error


def _record_of(
    position: int, scan_id: str, body: str, epoch: int | None, seq: int | None, state: str, answer: str | None
) -> Record:
    return Record(
        position, scan_id, json.loads(body), epoch, seq, State(state), None if answer is None else json.loads(answer)
    )
