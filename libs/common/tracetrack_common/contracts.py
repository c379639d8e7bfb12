"""What travels from the gateway to the workers: versioned, JSON, compact where it is hot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, cast

import orjson

from tracetrack_common.domain.scans import Kind, Result, Scan, describe

VERSION = 1
"""Of the messages in the ledger; a worker refuses a version it does not know into failed work."""


class ImportKind(StrEnum):
    """What an imported table holds (domain.md, Bulk)."""

    BAGS = "bags"
    BILLS = "bills"
    CHILD_TO_PARENT = "child_to_parent"
    PARENT_TO_BILL = "parent_to_bill"


class UnreadableEntryError(Exception):
    """A ledger entry is not a message that this release understands; no repetition will cure that."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from.

    Parameters
    ----------
    request_id
        Names the request in every log and audit row.
    address
        The caller's network address.
    received_at
        The gateway's clock at receipt, UTC.
    """

    request_id: str
    address: str | None
    received_at: datetime


class ReplyAddress(NamedTuple):
    """Where an outcome is waited for. One identity can be waited for by several requests, so each has an address.

    Parameters
    ----------
    channel
        The reply channel of the gateway that waits.
    ticket
        The request that waits, unique within that gateway.
    place
        Which of the request's scans, from 0; 0 for a command.
    """

    channel: str
    ticket: str
    place: int = 0

    def write(self) -> str:
        """Write the address as it travels."""
        return f"{self.channel}|{self.ticket}|{self.place}"

    @classmethod
    def read(cls, text: str) -> "ReplyAddress":
        """Read an address that `write` wrote.

        Raises
        ------
        ValueError
            It is not one.
        """
        channel, ticket, place = text.rsplit("|", 2)
        return cls(channel, ticket, int(place))


class Replies:
    """Outcomes on their way to those who wait, gathered by channel."""

    def __init__(self) -> None:
        self._documents: dict[str, list[tuple[str, int, Mapping[str, Any]]]] = {}

    def add(self, reply_to: str, document: Mapping[str, Any], *, offset: int = 0) -> None:
        """Add an outcome; at an address that no gateway of this release gave, nobody waits.

        Parameters
        ----------
        reply_to
            The address the request gave.
        document
            The outcome.
        offset
            How far behind the address' first scan this one stands.
        """
        try:
            address = ReplyAddress.read(reply_to)
        except ValueError:
            return
        self._documents.setdefault(address.channel, []).append((address.ticket, address.place + offset, document))

    def messages(self) -> dict[str, bytes]:
        """Give the message for each channel: a list of (ticket, place, document)."""
        return {channel: orjson.dumps(documents) for channel, documents in self._documents.items()}


@dataclass(frozen=True, slots=True)
class ScanSubmission:
    """The scans of one request.

    Parameters
    ----------
    origin
        The request.
    scans
        Its scans, with corrected times.
    reply_to
        The address at which the outcomes are waited for, that of the first scan; None when nobody waits.
    """

    origin: Origin
    scans: Sequence[Scan]
    reply_to: str | None


def encode_submissions(submissions: Sequence[ScanSubmission]) -> bytes:
    """Write the submissions of one ledger entry; the entry is one group commit of the gateway."""
    return orjson.dumps(
        {
            "v": VERSION,
            "r": [
                [
                    submission.origin.request_id,
                    submission.origin.address,
                    submission.origin.received_at,
                    submission.reply_to,
                    [tuple(scan) for scan in submission.scans],
                ]
                for submission in submissions
            ],
        }
    )


def decode_submissions(body: bytes) -> list[ScanSubmission]:
    """Read the submissions of one ledger entry.

    Raises
    ------
    UnreadableEntryError
        Not such a message, or of another version.
    """
    message = _read_message(body)
    try:
        return [
            ScanSubmission(
                origin=Origin(request_id, address, datetime.fromisoformat(received_at)),
                scans=[_decode_scan(*fields) for fields in scans],
                reply_to=reply_to,
            )
            for request_id, address, received_at, reply_to, scans in message["r"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableEntryError(f"not a scan message: {error!r}") from error


def _decode_scan(  # noqa: PLR0913, PLR0917 - the wire format is positional
    scan_id: str,
    kind: str,
    code: str,
    target: str | None,
    scanned_at: str,
    device_time: str,
    area_id: int | None,
    device_id: int | None,
    user_id: int | None,
    epoch: int | None,
    seq: int | None,
) -> Scan:
    return Scan(
        scan_id,
        Kind(kind),
        code,
        target,
        datetime.fromisoformat(scanned_at),
        datetime.fromisoformat(device_time),
        area_id,
        device_id,
        user_id,
        epoch,
        seq,
    )


def outcome_document(scan: Scan, result: Result) -> dict[str, Any]:
    """Give an outcome as the API shows it.

    Returns
    -------
    dict
        ``scan_id``, ``status``, ``outcome``, ``feedback``, ``message``, ``parent`` (or None), ``refers_to``.
    """
    parent_code = scan.target if scan.kind is Kind.CHILD else scan.code
    return {
        "scan_id": scan.scan_id,
        "status": "done",
        "outcome": result.outcome,
        "feedback": result.outcome.feedback,
        "message": describe(scan.kind, scan.code, scan.target, result),
        "parent": None
        if result.children is None
        else {
            "code": parent_code,
            "children": result.children,
            "capacity": result.capacity,
            "weight_g": result.weight_g,
        },
        "refers_to": result.refers_to,
    }


@dataclass(frozen=True, slots=True)
class Command:
    """A change that a person asks for.

    Parameters
    ----------
    command_id
        UUIDv7 as text: its identity for ever.
    name
        What to do, for instance ``bill.complete``.
    actor
        Who: ``user:3``.
    area_id
        The area the actor is bound to; None for all.
    arguments
        JSON; no secrets.
    origin
        The request.
    reply_to
        The address at which the outcome is waited for.
    idempotency_key
        As the client gave it.
    """

    command_id: str
    name: str
    actor: str
    area_id: int | None
    arguments: Mapping[str, Any]
    origin: Origin
    reply_to: str | None = None
    idempotency_key: str | None = None


def encode_command(command: Command) -> bytes:
    """Write a command as a ledger entry."""
    return orjson.dumps({"v": VERSION, "c": command})


def decode_command(body: bytes) -> Command:
    """Read a command from a ledger entry.

    Raises
    ------
    UnreadableEntryError
        Not such a message, or of another version.
    """
    message = _read_message(body)
    try:
        fields = message["c"]
        origin = fields.pop("origin")
        return Command(
            **fields,
            origin=Origin(origin["request_id"], origin["address"], datetime.fromisoformat(origin["received_at"])),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableEntryError(f"not a command: {error!r}") from error


def _read_message(body: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnreadableEntryError(f"not JSON: {error}") from error
    version = message.get("v") if isinstance(message, dict) else None
    if version != VERSION:
        raise UnreadableEntryError(f"message version {version!r}, this release reads {VERSION}")
    return cast("dict[str, Any]", message)
