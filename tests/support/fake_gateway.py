"""A server that takes scans as TraceTrack does and misbehaves when told to, inside the test's own process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from tracetrack_common.domain.delivery import describe_delivery, gather

ADDRESS = "http://tracetrack.test"
TOKEN = "token-of-a-test"
NEXT_EPOCH = 100

Fault = Callable[["FakeGateway", httpx.Request], httpx.Response | None]
"""Answers instead of the server, or raises; None lets the request through."""


@dataclass
class FakeGateway:
    """A server with a ledger that can be lost, and a database that keeps.

    Attributes
    ----------
    applied
        The scans in the database, by identity, in the order they were applied.
    effects
        How often each was applied.
    faults
        What happens to the next requests, one each.
    lazy
        Whether accepted scans stay in the ledger until `apply_ledger`.
    stopped, failing
        Codes with an outcome that says stop; codes whose scans become failed work.
    most_scans
        The largest batch it takes.
    """

    applied: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)
    failed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    ledger: list[Mapping[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lazy: bool = False
    stopped: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    most_scans: int = 1_000
    requests: list[str] = field(default_factory=list)

    def client(self) -> httpx.Client:
        """Give an HTTP client that reaches this server and no other."""
        return httpx.Client(transport=httpx.MockTransport(self._answer))

    def apply_ledger(self) -> None:
        """Do what the workers do."""
        for scan in self.ledger:
            if scan["code"] in self.failing:
                self.failed[scan["scan_id"]] = scan
            elif scan["scan_id"] not in self.applied:
                self.applied[scan["scan_id"]] = scan
                self.effects[scan["scan_id"]] = self.effects.get(scan["scan_id"], 0) + 1
        self.ledger.clear()

    def lose_ledger(self) -> None:
        """Forget what was accepted and not applied, as an emptied Redis does."""
        self.ledger.clear()

    def restore_backup(self, scans: int) -> None:
        """Forget all but the first scans that were applied, as a database restored from a backup does."""
        for scan_id in list(self.applied)[scans:]:
            del self.applied[scan_id], self.effects[scan_id]

    def delivery(self, epoch: int) -> dict[str, Any]:
        """Say what arrived of an epoch."""
        seqs = [
            gather(scan["seq"] for scan in scans.values() if scan["epoch"] == epoch)
            for scans in (self.applied, self.failed)
        ]
        told = describe_delivery(epoch, *seqs, most=3)
        names = ("epoch", "applied_through", "missing", "failed", "listed_through", "highest_seq")
        return {name: getattr(told, name) for name in names}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        fault = self.faults.pop(0) if self.faults else None
        answer = fault(self, request) if fault is not None else None
        return answer or self.serve(request)

    def serve(self, request: httpx.Request) -> httpx.Response:
        """Answer as a server that is well."""
        epochs = sorted({scan["epoch"] for scan in (*self.applied.values(), *self.failed.values())}, reverse=True)
        if request.method == "GET":
            next_epoch = max([NEXT_EPOCH, *(epoch + 1 for epoch in epochs)])
            return _json(200, {"next_epoch": next_epoch, "epochs": [self.delivery(epoch) for epoch in epochs]})
        scans: Sequence[Mapping[str, Any]] = orjson.loads(request.content)["scans"]
        if len(scans) > self.most_scans:
            return _json(413, {"detail": "too large"})
        good = [scan for scan in scans if scan["code"]]
        errors = [
            {"index": index, "scan_id": scan["scan_id"], "field": "code", "detail": "at least one character"}
            for index, scan in enumerate(scans)
            if not scan["code"]
        ]
        if not good:
            return _json(422, {"detail": "not one is right", "errors": errors})
        self.ledger += good
        if not self.lazy:
            self.apply_ledger()
        newest = max((scan["epoch"] for scan in self.applied.values()), default=None)
        document: dict[str, Any] = {
            "accepted": len(good),
            "rejected": len(errors),
            "errors": errors,
            "delivery": None if newest is None else self.delivery(newest),
        }
        if "wait=" in request.headers.get("prefer", ""):
            document["results"] = [self._outcome(scan) for scan in good]
        return _json(200, document)

    def _outcome(self, scan: Mapping[str, Any]) -> dict[str, Any]:
        if scan["scan_id"] not in self.applied:
            return {"scan_id": scan["scan_id"], "status": "queued"}
        feedback = "stop" if scan["code"] in self.stopped else "ok"
        return {"scan_id": scan["scan_id"], "status": "done", "feedback": feedback, "message": f"{scan['code']} heard"}


def answers(status: int, **headers: str) -> Fault:
    """Have a request answered with this status, and nothing accepted."""
    return lambda _, __: httpx.Response(status, headers=headers, json={"detail": "told so by the test"})


def cut_before(_: FakeGateway, request: httpx.Request) -> httpx.Response | None:
    """Lose a request on its way there."""
    raise httpx.ConnectError("cut", request=request)


def cut_after(gateway: FakeGateway, request: httpx.Request) -> httpx.Response | None:
    """Lose the answer: the server has done its part."""
    gateway.serve(request)
    raise httpx.ReadError("cut", request=request)


def lose_ledger_after(gateway: FakeGateway, request: httpx.Request) -> httpx.Response | None:
    """Accept, answer, and lose the ledger before anything is applied."""
    lazy, gateway.lazy = gateway.lazy, True
    answer = gateway.serve(request)
    gateway.lose_ledger()
    gateway.lazy = lazy
    return answer


def portal(_: FakeGateway, __: httpx.Request) -> httpx.Response | None:
    """Answer as the login page of a guest network does."""
    return httpx.Response(200, text="<html>Please accept our terms</html>")


def _json(status: int, document: Any) -> httpx.Response:
    return httpx.Response(status, content=orjson.dumps(document), headers={"Content-Type": "application/json"})
