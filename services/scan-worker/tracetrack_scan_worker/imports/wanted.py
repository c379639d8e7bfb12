"""An import as a person asked for it, and what it makes of its rows: scans and commands of their own."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from tracetrack_common.contracts import Command, ImportKind, Origin
from tracetrack_common.domain.scans import Scan
from tracetrack_common.ids import uuid7_of
from tracetrack_scan_worker.imports.steps import BillStep, ScanStep


class Place(NamedTuple):
    """The area that an import is for."""

    area_id: int
    code: str


@dataclass(frozen=True)
class Wanted:
    """An import that is wanted.

    Parameters
    ----------
    import_id
        Its identity, from which those of its scans follow.
    kind
        What the file holds; None when its heads tell.
    place
        The area that what it creates belongs to; None when it creates nothing.
    dry_run
        Whether it only says what would happen.
    sha256
        Names the file.
    actor
        Who wants it: ``user:3``.
    origin
        The request; its time is that of every scan.
    """

    import_id: str
    kind: ImportKind | None
    place: Place | None
    dry_run: bool
    sha256: str
    actor: str
    origin: Origin

    def identity_of(self, number: int) -> str:
        """Give the identity of what a row does: the same whenever the import is run again."""
        return str(uuid7_of(self._time_ms, number, self.import_id))

    def scan_of(self, step: ScanStep) -> Scan:
        """Give the scan that a row is; its maker is the person, as for a sack put on a bill by hand."""
        return Scan(
            scan_id=self.identity_of(step.number),
            kind=step.kind,
            code=step.code,
            target=step.target,
            scanned_at=self.origin.received_at,
            device_time=self.origin.received_at,
            area_id=None if self.place is None else self.place.area_id,
            device_id=None,
            user_id=self._user_id,
        )

    def command_of(self, step: BillStep) -> Command:
        """Give the command that a row of a new bill is.

        Raises
        ------
        ValueError
            The import is for no area.
        """
        if self.place is None:
            raise ValueError("a bill needs an area")
        return Command(
            command_id=self.identity_of(step.number),
            name="bill.create",
            actor=self.actor,
            area_id=None,
            arguments={**step.arguments, "area": self.place.code},
            origin=self.origin,
        )

    @cached_property
    def _time_ms(self) -> int:
        return int(self.origin.received_at.timestamp() * 1_000)

    @cached_property
    def _user_id(self) -> int:
        return int(self.actor.removeprefix("user:"))
