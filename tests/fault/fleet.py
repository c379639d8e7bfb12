"""The devices of a fault: the reference client, each with its own journal and one more of every 2xx it was given.

Trusting devices never send again what was accepted. Whatever the server loses after its 2xx then stays lost, and shows.
"""

import json
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.fault.waves import Wanted
from tests.support.system import RunningSystem
from tests.support.waiting import eventually
from tracetrack_common.ids import uuid7
from tracetrack_device import Backoff, DeviceClient, Habits

BATCH = 20
NEVER_S = 1e9
ACCEPT_S = 120.0
_WRITERS = 8


def _enrol(admin: httpx.Client, name: str) -> str:
    enrolled = admin.post("/api/v1/devices", json={"name": name, "area": "lucknow"})
    assert enrolled.status_code == httpx.codes.CREATED, enrolled.text
    return str(enrolled.json()["token"])


class Sent(NamedTuple):
    """A scan as a device sent it, and the device's `Authorization`."""

    by: str
    body: Mapping[str, Any]


class Receipts:
    """A journal on disk of every scan that was accepted.

    Parameters
    ----------
    path
        The file: a line for each 2xx, with the identities it was for.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._accepted: dict[str, Sent] = {}

    def note(self, scans: Sequence["Sent"]) -> None:
        """Write down that these were accepted."""
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([scan.body["scan_id"] for scan in scans]) + "\n")
            self._accepted.update((scan.body["scan_id"], scan) for scan in scans)

    def hear(self, answer: httpx.Response) -> None:
        """Note what an answer to a batch accepted; a hook of a client."""
        if answer.request.method != "POST" or not answer.is_success:
            return
        answer.read()
        refused = {error["index"] for error in answer.json()["errors"]}
        sent = json.loads(answer.request.content)["scans"]
        by = answer.request.headers["Authorization"]
        self.note([Sent(by, scan) for index, scan in enumerate(sent) if index not in refused])

    @property
    def accepted(self) -> Mapping[str, Sent]:
        """All scans that were accepted, by their identities, in the order of their receipts."""
        with self._lock:
            return dict(self._accepted)


class Fleet:
    """Devices that deliver from threads of their own until the block that opened them ends.

    Parameters
    ----------
    system
        Where they send to.
    folder
        Where their journals go.
    size
        How many.
    resends
        Whether they send again what was accepted and not applied, as devices in service do.
    address
        Where they find the gateway, when it is not where the system says.
    """

    def __init__(
        self, system: RunningSystem, folder: Path, *, size: int, resends: bool, address: str | None = None
    ) -> None:
        self._system = system
        self._address = address or system.address
        self._folder = folder
        self._resends = resends
        self._size = size
        self._clients: list[DeviceClient] = []
        self.receipts = Receipts(folder / "accepted.jsonl")
        self.wanted: dict[str, Wanted] = {}
        name = f"{folder.name}-{uuid7().hex[-8:]}"
        self.probe_token = ""
        self.names = [f"{name}-{number}" for number in range(size)]
        self.probe_name = f"{name}-probe"

    @contextmanager
    def at_work(self, admin: httpx.Client) -> Iterator["Fleet"]:
        """Enrol the devices and have them deliver."""
        with self._system.client() as anyone:
            eventually(lambda: anyone.get("/ready").is_success, within_s=ACCEPT_S)
        with ExitStack() as stack:
            self.probe_token = _enrol(admin, self.probe_name)
            for name in self.names:
                client = stack.enter_context(self._client(stack, name, _enrol(admin, name)))
                stack.enter_context(client.delivering())
                self._clients.append(client)
            yield self

    def _client(self, stack: ExitStack, name: str, token: str) -> DeviceClient:
        http = stack.enter_context(httpx.Client(event_hooks={"response": [self.receipts.hear]}, trust_env=False))
        retry = Backoff(first_s=0.1, most_s=0.5, rng=random.Random(name))  # noqa: S311 - jitter
        resend_s = 2.0 if self._resends else NEVER_S
        habits = Habits(batch=BATCH, wait_s=0, resend_after_s=resend_s, resend_most_s=max(10.0, resend_s), retry=retry)
        return DeviceClient(self._address, token, self._folder / f"{name}.journal", habits=habits, http=http)

    def record(self, wave: Sequence[Sequence[Wanted]]) -> None:
        """Have each device scan its part of a wave; returns when all of it is in the devices' journals."""

        def scan(part: Sequence[Wanted], client: DeviceClient) -> list[tuple[str, Wanted]]:
            return [(client.record(each.kind, each.code, parent_code=each.sack), each) for each in part]  # type: ignore[arg-type]

        with ThreadPoolExecutor(_WRITERS) as pool:
            for recorded in pool.map(scan, wave, self._clients):
                self.wanted.update(recorded)

    def await_accepted(self, *, within_s: float = ACCEPT_S) -> None:
        """Wait until every scan that was recorded has its 2xx."""
        eventually(lambda: len(self.receipts.accepted) >= len(self.wanted), within_s=within_s)

    @property
    def waiting(self) -> int:
        """How many scans the devices do not know to be applied."""
        return sum(client.waiting for client in self._clients)

    @property
    def size(self) -> int:
        """How many devices there are."""
        return self._size
