"""The scan log: one JSON object per line, one line per scan that a device sends (docs/scan-log.md)."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tracetrack_local.replay.ids import uuid7_of

TARGET_FIELDS: Final[Mapping[str, str]] = {"child": "parent_code", "bill": "bill_no", "return": "return_no"}
"""The field that says what a bag of each kind of scan belongs to; a `parent` scan has none."""

MAX_BATCH_SCANS: Final = 1000
"""As many scans as the gateway takes in one request."""

_UUID_VERSION = 7
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Name = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0)]


class ScanLine(BaseModel):
    """
    One line of a scan log.

    Attributes
    ----------
    device, area
        The device that scanned, and the dispatch area it belongs to.
    kind, code, parent_code, bill_no, return_no
        What was scanned; the last three only with the kind that needs them.
    scanned_at
        The device's clock at the scan.
    scan_id
        The scan's identity; made from the rest of the line when left out, so that a second replay repeats it.
    epoch, seq
        The device's counter and the run it belongs to: both or neither.
    phase
        Nothing of a phase is sent before everything of the earlier phases is applied.
    group
        Lines of one device, phase and group are sent as one batch, in the order of the file.
    clock_offset_s
        How far the device's clock is ahead of the true time, in seconds.
    wait
        The device sends nothing more until it knows this scan's outcome.
    expect
        The outcome that must come out; any other is reported.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    device: Name
    area: Name
    kind: Literal["parent", "child", "bill", "return"]
    code: Name
    parent_code: Name | None = None
    bill_no: Name | None = None
    return_no: Name | None = None
    scanned_at: AwareDatetime
    scan_id: UUID | None = None
    epoch: Count | None = None
    seq: Count | None = None
    phase: Count = 0
    group: Name | None = None
    clock_offset_s: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    wait: bool = False
    expect: Name | None = None

    @model_validator(mode="after")
    def _fields_belong_together(self) -> Self:
        needed = TARGET_FIELDS.get(self.kind)
        for name in TARGET_FIELDS.values():
            if name == needed and getattr(self, name) is None:
                raise ValueError(f"a {self.kind} scan needs {name}")
            if name != needed and getattr(self, name) is not None:
                raise ValueError(f"a {self.kind} scan has no {name}")
        if (self.epoch is None) != (self.seq is None):
            raise ValueError("epoch and seq come together or not at all")
        if self.scan_id is not None and self.scan_id.version != _UUID_VERSION:
            raise ValueError("scan_id must be a UUID of version 7")
        return self

    @property
    def target(self) -> str | None:
        """What the bag belongs to: a parent's code, a bill's or a return's number."""
        field = TARGET_FIELDS.get(self.kind)
        value: str | None = None if field is None else getattr(self, field)
        return value

    @property
    def clock_offset(self) -> timedelta:
        """How far the device's clock is ahead of the true time."""
        return timedelta(seconds=self.clock_offset_s)

    @cached_property
    def identity(self) -> UUID:
        """The scan's id: the one given, or one made from what the line says."""
        if self.scan_id is not None:
            return self.scan_id
        said = (self.device, self.kind, self.code, self.target, self.scanned_at.isoformat(), self.epoch, self.seq)
        digest = hashlib.sha256(repr(said).encode()).digest()
        return uuid7_of(int(self.scanned_at.timestamp() * 1000), int.from_bytes(digest))

    def as_request(self) -> dict[str, object]:
        """Give the scan as the gateway's API takes it, without `sent_at`."""
        fields = {"kind", "code", "parent_code", "bill_no", "return_no", "scanned_at", "epoch", "seq"}
        scan = self.model_dump(mode="json", include=fields, exclude_none=True)
        return {"scan_id": str(self.identity), **scan}


class Problem(NamedTuple):
    """A line that cannot be replayed, and why."""

    line: int
    detail: str


class Request(NamedTuple):
    """What a device sends at once: one scan, or the scans of a group."""

    lines: tuple[ScanLine, ...]
    is_batch: bool

    @property
    def wait(self) -> bool:
        """Whether the device waits for the outcomes before it sends anything else."""
        return any(line.wait for line in self.lines)


def read_log(path: Path) -> tuple[list[ScanLine], list[Problem]]:
    """
    Read a scan log.

    Returns
    -------
    tuple[list[ScanLine], list[Problem]]
        The good lines in the order of the file, and the bad ones.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    lines: list[ScanLine] = []
    problems: list[Problem] = []
    areas: dict[str, tuple[str, int]] = {}
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            text = raw.removeprefix(_BYTE_ORDER_MARK).strip() if number == 1 else raw.strip()
            if not text:
                continue
            try:
                line = ScanLine.model_validate_json(text)
            except ValidationError as error:
                problems.append(Problem(number, describe_error(error)))
                continue
            area, first_line = areas.setdefault(line.device, (line.area, number))
            if line.area != area:
                problems.append(Problem(number, f"area: {line.device} is in area {area} on line {first_line}"))
                continue
            lines.append(line)
    return lines, problems


def write_log(path: Path, lines: Iterable[ScanLine]) -> None:
    """
    Write a scan log; what a line leaves out, or leaves at its default, is not written.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line.model_dump_json(exclude_defaults=True) + "\n" for line in lines)


def describe_error(error: ValidationError) -> str:
    """Say what is wrong with a line in one sentence that names its fields."""
    said = []
    for each in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in each["loc"])
        what = each["msg"].removeprefix("Value error, ")
        said.append(f"{where}: {what}" if where else what)
    return "; ".join(said)


def requests_of(lines: Iterable[ScanLine]) -> dict[int, dict[str, list[Request]]]:
    """
    Sort lines into the requests that carry them.

    Parameters
    ----------
    lines
        Lines in the order of the file.

    Returns
    -------
    dict[int, dict[str, list[Request]]]
        By phase in order, then by device: its requests in the order of sending. A group is sent where its first line
        stands, in pieces of at most 1,000.
    """
    bundles: dict[tuple[object, ...], list[ScanLine]] = {}
    for number, line in enumerate(lines):
        # Lines with different offsets cannot share a request: it has one `sent_at`.
        within = (number,) if line.group is None else (line.group, line.clock_offset_s)
        bundles.setdefault((line.phase, line.device, *within), []).append(line)
    phases: dict[int, dict[str, list[Request]]] = {}
    for bundle in bundles.values():
        first = bundle[0]
        requests = phases.setdefault(first.phase, {}).setdefault(first.device, [])
        for start in range(0, len(bundle), MAX_BATCH_SCANS):
            requests.append(Request(tuple(bundle[start : start + MAX_BATCH_SCANS]), first.group is not None))
    return dict(sorted(phases.items()))
