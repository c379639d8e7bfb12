"""The server, as a device sees it: two requests, and the meaning of every answer to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from tracetrack_device.backoff import read_retry_after
from tracetrack_device.delivery import Delivery
from tracetrack_device.errors import AwayError, BatchTooLargeError, ProtocolError, TokenRefusedError
from tracetrack_device.record import Record

_BATCH_PATH: Final = "/api/v1/scans/batch"
_DELIVERY_PATH: Final = "/api/v1/devices/me/delivery"
_COME_AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
"""With every 5xx: nothing was accepted, or nobody knows; a repeated scan_id does no harm."""
_CONNECT_S: Final = 5.0
_ANSWER_S: Final = 15.0
"""How long an answer is waited for, beyond what the server was asked to hold the request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to a batch.

    Parameters
    ----------
    outcomes
        The outcomes that are known, by identity.
    refused
        What is wrong with the scans that were not accepted, by identity.
    delivery
        What has arrived of the newest epoch.
    """

    outcomes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a device stands with the server.

    Parameters
    ----------
    next_epoch
        An epoch it has never used.
    epochs
        What has arrived, newest epoch first.
    """

    next_epoch: int
    epochs: Sequence[Delivery]


class Server:
    """Speaks HTTP for a device.

    Parameters
    ----------
    url
        The gateway's address, for instance ``https://tracetrack.example``.
    token
        The device's token.
    http
        A client of the caller's own, for its TLS settings or proxies; one is made when left out.
    """

    def __init__(self, url: str, token: str, *, http: httpx.Client | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = http or httpx.Client()
        self._is_own = http is None

    def close(self) -> None:
        """Close its connections, but not a client of the caller's."""
        if self._is_own:
            self._http.close()

    def submit(self, records: Sequence[Record], *, wait_s: float) -> Answer:
        """Send scans.

        Parameters
        ----------
        records
            Numbered.
        wait_s
            How long the server may hold the request for their outcomes; 0 for not at all.

        Raises
        ------
        AwayError, TokenRefusedError, ProtocolError, BatchTooLargeError
            None of them is known to be accepted.
        """
        document = {
            "sent_at": datetime.now(UTC).isoformat(),
            "scans": [{**record.body, "epoch": record.epoch, "seq": record.seq} for record in records],
        }
        headers = {"Prefer": f"wait={wait_s:.0f}"} if wait_s else {}
        answer = self._request("POST", _BATCH_PATH, json=document, headers=headers, wait_s=wait_s)
        if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise BatchTooLargeError(answer.text)
        content = _json_of(answer)
        refused = _refusals_of(content, records)
        if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY and len(refused) == len(records):
            return Answer(refused=refused)
        if not answer.is_success:
            raise ProtocolError(f"{answer.status_code}: {content.get('detail', answer.text)}")
        try:
            int(content["accepted"])
            delivery = content.get("delivery")
            results = content.get("results") or []
            return Answer(
                {each["scan_id"]: each for each in results if each["status"] == "done" and each["feedback"]},
                refused,
                None if delivery is None else Delivery.read(delivery),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AwayError(f"something else than TraceTrack answers: {error!r}") from error

    def standing(self) -> Standing:
        """Ask what has arrived.

        Raises
        ------
        AwayError, TokenRefusedError, ProtocolError
            It is not known.
        """
        answer = self._request("GET", _DELIVERY_PATH)
        content = _json_of(answer)
        if not answer.is_success:
            raise ProtocolError(f"{answer.status_code}: {content.get('detail', answer.text)}")
        try:
            return Standing(int(content["next_epoch"]), [Delivery.read(each) for each in content["epochs"]])
        except (KeyError, TypeError, ValueError) as error:
            raise AwayError(f"something else than TraceTrack answers: {error!r}") from error

    def _request(
        self, method: str, path: str, *, wait_s: float = 0.0, headers: Mapping[str, str] | None = None, json: Any = None
    ) -> httpx.Response:
        timeout = httpx.Timeout(_ANSWER_S + wait_s, connect=_CONNECT_S)
        try:
            answer = self._http.request(
                method, self._url + path, headers={**self._headers, **(headers or {})}, json=json, timeout=timeout
            )
        except httpx.TransportError as error:
            raise AwayError(f"the server does not answer ({type(error).__name__}: {error})") from error
        if answer.status_code in _COME_AGAIN or answer.is_server_error:
            wait = read_retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
            raise AwayError(f"the server answers {answer.status_code} {answer.reason_phrase}", wait)
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise TokenRefusedError(f"{answer.status_code}: the token is not valid, or not a device's")
        return answer


def _json_of(answer: httpx.Response) -> dict[str, Any]:
    """Read a JSON object; a page of a captive portal is not one, and may be gone later."""
    try:
        content = answer.json()
    except ValueError as error:
        raise AwayError(f"something else than TraceTrack answers ({answer.status_code})") from error
    if not isinstance(content, dict):
        raise AwayError(f"something else than TraceTrack answers ({answer.status_code})")
    return content


def _refusals_of(content: Mapping[str, Any], records: Sequence[Record]) -> dict[str, str]:
    """Give what is wrong with scans, by identity; several sentences about one are joined."""
    found: dict[str, list[str]] = {}
    for error in content.get("errors") or []:
        index = error.get("index")
        if isinstance(index, int) and 0 <= index < len(records):
            found.setdefault(records[index].scan_id, []).append(f"{error.get('field')}: {error.get('detail')}")
    return {scan_id: "; ".join(sentences) for scan_id, sentences in found.items()}
