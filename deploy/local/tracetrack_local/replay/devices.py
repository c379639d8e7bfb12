"""The devices of a replay: each sends its own requests, one after the other, over a connection of its own."""

import asyncio
import json
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import httpx

from tracetrack_local.errors import LauncherError
from tracetrack_local.replay.journal import Journal, Known, Refused
from tracetrack_local.replay.patience import Patience
from tracetrack_local.replay.scanlog import Request, ScanLine

SCANS_PATH: Final = "/api/v1/scans"
WAIT_S: Final = 10
"""How long the gateway may hold a request for its outcome."""

OUTCOME_DEADLINE_S: Final = 120.0
NDJSON_FROM: Final = 32
"""Batches this large go as NDJSON, smaller ones as JSON, so that both ways are used."""

_POLL_S = 0.2
_TIMEOUT = httpx.Timeout(connect=5, read=WAIT_S + 20, write=10, pool=10)


class DeviceLink:
    """
    One device and its connection.

    Parameters
    ----------
    base_url
        The gateway's address.
    token
        The device's token.
    journal
        Where answers are noted.
    context
        TLS settings, shared: making them takes longer than a hundred scans.
    """

    def __init__(self, base_url: str, token: str, journal: Journal, context: ssl.SSLContext) -> None:
        self._journal = journal
        self._patience = Patience()
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}"},
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            timeout=_TIMEOUT,
            verify=context,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    @property
    def retries(self) -> int:
        """How often a request had to be repeated."""
        return self._patience.retries

    async def send(self, request: Request, *, listen: bool) -> None:
        """
        Send one request and note what comes back.

        Parameters
        ----------
        request
            One scan or a batch.
        listen
            Go on only when every outcome is known.

        Raises
        ------
        LauncherError
            When the gateway stays away, or an outcome does.
        """
        headers = {"Prefer": f"wait={WAIT_S}"} if listen else {}
        send = self._post_batch if request.is_batch else self._post_scan
        answer = await self._patience.send(lambda: send(request, headers))
        self._journal.requests += 1
        if not answer.is_success:
            detail = describe_refusal(answer)
            self._journal.refused += [Refused(line, detail) for line in request.lines]
            return
        document = answer.json()
        accepted = self._note_batch(request, document) if request.is_batch else list(request.lines)
        for line in accepted:
            self._journal.accept(line)
        if listen:
            told = document.get("results") or [] if request.is_batch else [document]
            await self._hear_out({line.identity for line in accepted}, told)

    async def _post_scan(self, request: Request, headers: dict[str, str]) -> httpx.Response:
        (line,) = request.lines
        return await self._http.post(SCANS_PATH, json={**line.as_request(), "sent_at": sent_at(line)}, headers=headers)

    async def _post_batch(self, request: Request, headers: dict[str, str]) -> httpx.Response:
        path = f"{SCANS_PATH}/batch"
        scans = [line.as_request() for line in request.lines]
        sent = sent_at(request.lines[0])
        if len(scans) < NDJSON_FROM:
            return await self._http.post(path, json={"sent_at": sent, "scans": scans}, headers=headers)
        headers = {**headers, "Content-Type": "application/x-ndjson", "Sent-At": sent}
        return await self._http.post(path, content="\n".join(map(json.dumps, scans)), headers=headers)

    def _note_batch(self, request: Request, document: dict[str, Any]) -> list[ScanLine]:
        """Note the scans of a batch that were not accepted; give the others."""
        errors = {error["index"]: f"{error['field']}: {error['detail']}" for error in document["errors"]}
        self._journal.refused += [Refused(request.lines[index], detail) for index, detail in errors.items()]
        return [line for index, line in enumerate(request.lines) if index not in errors]

    async def _hear_out(self, waited_for: set[UUID], told: Iterable[dict[str, Any]]) -> None:
        """Note outcomes, and ask for those that were not told in time."""
        for document in told:
            self._learn(document, waited_for)
        give_up_at = asyncio.get_running_loop().time() + OUTCOME_DEADLINE_S
        while waited_for:
            scan_id = next(iter(waited_for))
            answer = await self._patience.send(partial(self._http.get, f"{SCANS_PATH}/{scan_id}"))
            if answer.is_success and self._learn(answer.json(), waited_for):
                continue
            if asyncio.get_running_loop().time() > give_up_at:
                raise LauncherError(
                    f"Scan {scan_id} was accepted and has no outcome after {OUTCOME_DEADLINE_S:.0f} s;"
                    " see `tracetrack status` and `tracetrack logs scan-worker`."
                )
            await asyncio.sleep(_POLL_S)

    def _learn(self, document: dict[str, Any], waited_for: set[UUID]) -> bool:
        known = Known.read(document)
        if known is None:
            return False
        scan_id = UUID(document["scan_id"])
        self._journal.learn(scan_id, known)
        waited_for.discard(scan_id)
        return True


def sent_at(line: ScanLine) -> str:
    """Read the device's clock now: the true time and its offset."""
    return (datetime.now(UTC) + line.clock_offset).isoformat()


def describe_refusal(answer: httpx.Response) -> str:
    """Say why the gateway refused, from its problem document where there is one."""
    try:
        problem = answer.json()
        fields = "; ".join(f"{error['field']}: {error['detail']}" for error in problem.get("errors", []))
        # The detail of a single mistake repeats it.
        return f"{answer.status_code} {problem['detail'] if not fields or '; ' in fields else fields}"
    except (ValueError, KeyError, AttributeError, TypeError):
        return f"{answer.status_code} {answer.reason_phrase}"
