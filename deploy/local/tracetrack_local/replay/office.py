"""The admin's side of the gateway: logging in, enrolling devices, bills and returns, summaries."""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

import httpx

from tracetrack_local.credentials import Credentials
from tracetrack_local.errors import LauncherError, RefusedError
from tracetrack_local.replay.devices import describe_refusal
from tracetrack_local.replay.patience import Patience

NOT_RUNNING: Final = "TraceTrack is not running; start it with `make run`."
COMMAND_DEADLINE_S: Final = 120.0
MOST_CONNECTIONS: Final = 8

_COMMAND_WAIT_S = 10
_POLL_S = 0.25
_PAGE = 200


class Stats(NamedTuple):
    """
    Counts of the whole system.

    Attributes
    ----------
    waiting
        Ledger entries that are accepted and not applied.
    scans
        Scans ever applied or refused.
    failed
        Failed work.
    """

    waiting: int
    scans: int
    failed: int


class Office:
    """
    A session of the admin.

    Parameters
    ----------
    credentials
        The running system's.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._patience = Patience()
        self._http = httpx.AsyncClient(
            base_url=credentials.gateway_url,
            limits=httpx.Limits(max_connections=MOST_CONNECTIONS),
            timeout=httpx.Timeout(60, connect=5),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        """
        Log in.

        Raises
        ------
        LauncherError
            When the gateway does not answer, or does not know the admin.
        """
        try:
            await self._log_in()
        except BaseException:
            await self._http.aclose()
            raise
        return self

    async def _log_in(self) -> None:
        try:
            ready = await self._http.get("/ready")
        except httpx.TransportError:
            raise LauncherError(NOT_RUNNING) from None
        if not ready.is_success:
            raise LauncherError(f"The gateway runs and is not ready: {describe_refusal(ready)}.")
        admin = self._credentials.admin
        session = await self._ask("POST", "/api/v1/sessions", {"username": admin.username, "password": admin.password})
        self._http.headers["Authorization"] = f"Bearer {session['token']}"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def list_devices(self) -> set[str]:
        """Name every device that is enrolled."""
        names: set[str] = set()
        cursor: str | None = None
        while True:
            page = await self._ask("GET", "/api/v1/devices", params={"cursor": cursor} if cursor else {})
            items = page["items"] if isinstance(page, dict) else page
            names.update(item["name"] for item in items)
            cursor = page.get("next_cursor") if isinstance(page, dict) else None
            if cursor is None:
                return names

    async def enrol(self, name: str, area: str) -> str:
        """Enrol a device and give its token."""
        device = await self._ask("POST", "/api/v1/devices", {"name": name, "area": area})
        return str(device["token"])

    async def create_bill(self, **fields: str | int) -> None:
        """Create a bill."""
        await self._ask("POST", "/api/v1/bills", fields)

    async def complete_bill(self, bill_no: str, reason: str | None) -> None:
        """Complete a bill, short when there is a reason."""
        body = {} if reason is None else {"reason": reason}
        await self._ask("POST", f"/api/v1/bills/{quote(bill_no, safe='')}/complete", body)

    async def bill(self, bill_no: str) -> dict[str, Any]:
        """Give a bill as it stands."""
        document: dict[str, Any] = await self._ask("GET", f"/api/v1/bills/{quote(bill_no, safe='')}")
        return document

    async def create_return(self, area: str, notes: str) -> str:
        """Open a return and give its number."""
        document = await self._ask("POST", "/api/v1/returns", {"area": area, "notes": notes})
        return str(document["return_no"])

    async def scan(self, scan_id: str) -> dict[str, Any]:
        """Give a scan with its outcome."""
        document: dict[str, Any] = await self._ask("GET", f"/api/v1/scans/{scan_id}")
        return document

    async def knows_bag(self, code: str) -> bool:
        """Tell whether a bag is registered."""
        answer = await self._patience.send(lambda: self._http.get(f"/api/v1/bags/{quote(code, safe='')}"))
        return answer.status_code != httpx.codes.NOT_FOUND

    async def stats(self) -> Stats:
        """Give the counts of the whole system."""
        document = await self._ask("GET", "/api/stats")
        return Stats(
            waiting=int(document["ledger"]["scans"]["entries"]),
            scans=int(document["scans"]["total"]),
            failed=int(document["failed_work"]),
        )

    async def run_eod(self, day: date) -> None:
        """Make the summaries of a day, of every area and of all."""
        await self._ask("POST", f"/api/v1/eod/{day}")

    async def summary(self, day: date, area: str) -> dict[str, Any]:
        """Give the newest summary of a day and an area, or `all`."""
        document: dict[str, Any] = await self._ask("GET", f"/api/v1/eod/{day}", params={"area": area})
        return document

    async def list_failed(
        self, filters: Mapping[str, str], *, limit: int | None = None
    ) -> tuple[list[dict[str, Any]], bool]:
        """Give failed work, newest first, and whether there is more of it than the limit."""
        pieces: list[dict[str, Any]] = []
        params = {**filters, "limit": str(min(limit or _PAGE, _PAGE))}
        while True:
            page = await self._ask("GET", "/api/v1/failed-work", params=params)
            pieces += page["items"]
            if page["next_cursor"] is None or (limit is not None and len(pieces) >= limit):
                return pieces[:limit], page["next_cursor"] is not None or len(pieces) > (limit or len(pieces))
            params["cursor"] = page["next_cursor"]

    async def list_nights(self, days: int) -> list[dict[str, Any]]:
        """Give how the end-of-day summaries of the last days stand, newest first."""
        page = await self._ask("GET", "/api/v1/eod/status", params={"days": str(days)})
        nights: list[dict[str, Any]] = page["items"]
        return nights

    async def failed_piece(self, failed_id: str) -> dict[str, Any]:
        """Give a piece of failed work with what is in it."""
        document: dict[str, Any] = await self._ask("GET", f"/api/v1/failed-work/{failed_id}")
        return document

    async def resolve_failed(self, failed_id: str, because: str | None) -> dict[str, Any]:
        """Discard a piece of failed work for a reason, or replay it without one; give what became of it."""
        path = f"/api/v1/failed-work/{failed_id}"
        if because is None:
            document: dict[str, Any] = await self._ask("POST", f"{path}/replay")
        else:
            document = await self._ask("POST", f"{path}/discard", {"reason": because})
        return document

    async def upload(self, path: str, file: Path, params: Mapping[str, str]) -> str:
        """Upload a file and give where the job it makes is; the same key in every attempt makes one job."""
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        content = await asyncio.to_thread(file.read_bytes)
        answer = await self._patience.send(
            lambda: self._http.post(path, params=params, content=content, headers=headers)
        )
        if not answer.is_success:
            raise RefusedError(f"POST {path}", describe_refusal(answer))
        return str(answer.headers["Location"])

    async def look(self, place: str) -> dict[str, Any]:
        """Give a job as it stands."""
        document: dict[str, Any] = await self._ask("GET", place)
        return document

    async def fetch(self, path: str, file: Path) -> None:
        """Download a file."""
        answer = await self._patience.send(lambda: self._http.get(path))
        if not answer.is_success:
            raise RefusedError(f"GET {path}", describe_refusal(answer))
        await asyncio.to_thread(file.write_bytes, answer.content)

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, params: Mapping[str, str] | None = None
    ) -> Any:
        """
        Ask, wait for the outcome of a command that takes longer, and give the document.

        Raises
        ------
        LauncherError
            When the gateway stays away or refuses.
        """
        # The same key in every attempt: a repeated command is carried out once.
        headers = {"Idempotency-Key": secrets.token_hex(16), "Prefer": f"wait={_COMMAND_WAIT_S}"}
        answer = await self._patience.send(
            lambda: self._http.request(
                method, path, json=body, params=params, headers=headers if method == "POST" else {}
            )
        )
        if answer.status_code == httpx.codes.ACCEPTED:
            return await self._outcome_of(answer.headers["Location"], f"{method} {path}")
        if not answer.is_success:
            raise RefusedError(f"{method} {path}", describe_refusal(answer))
        return answer.json()

    async def _outcome_of(self, location: str, what: str) -> Any:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + COMMAND_DEADLINE_S
        while loop.time() < give_up_at:
            command = await self._ask("GET", location)
            if command["status"] == "done":
                return command["outcome"]
            if command["status"] != "queued":
                raise RefusedError(what, command["outcome"]["detail"])
            await asyncio.sleep(_POLL_S)
        raise LauncherError(
            f"{what} was accepted and is not done after {COMMAND_DEADLINE_S:.0f} s; see `tracetrack logs`."
        )
