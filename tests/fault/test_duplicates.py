"""Scans that come again: resent, at once, to two workers, with other content, from another device."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import httpx
from sqlalchemy import Connection, text

from tests.fault.case import Case
from tests.fault.fleet import Sent
from tests.fault.waves import CAPACITY, new_child, new_sack
from tests.support.system import scan_of
from tests.support.waiting import eventually

SHARE_AGAIN = 5
"""One scan in so many comes again: 20 %."""
AT_ONCE = 50

_HELD_BACK = text("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
"""Not by `pg_stat_activity`, which stays as it was first seen for as long as a transaction lasts."""


def send_again(case: Case, scans: Sequence[Sent]) -> None:
    """Send scans as their devices did, in batches of other sizes."""
    for by, of_device in groupby(sorted(scans, key=lambda sent: sent.by), key=lambda sent: sent.by):
        bodies = [sent.body for sent in of_device]
        with case.system.client() as client:
            answer = client.post(
                "/api/v1/scans/batch",
                json={"sent_at": datetime.now(UTC).isoformat(), "scans": bodies},
                headers={"Authorization": by},
            )
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text


def test_resends(case: Case) -> None:
    """Promised: a scan that comes again changes nothing. Broken by 20 % resends into the backlog they are part of."""
    again = 0
    for _ in case.runs(short=1, full=10):
        with case.backlog():
            sent = list(case.fleet.receipts.accepted.values())
            chosen = case.rng.sample(sent, len(sent) // SHARE_AGAIN)
            send_again(case, chosen)
            again += len(chosen)
        case.await_recovery()
    case.figures.also["sent again"] = again
    case.close_books()


def test_one_scan_fifty_times_at_once(case: Case) -> None:
    """Promised: everybody hears the first outcome. Broken by 50 requests with one scan, all at once and waiting."""
    for _ in case.runs(short=2, full=20):
        body = scan_of("child", new_child(), parent_code=new_sack())
        case.expect(body)

        def ask(_: int, body: dict[str, Any] = body) -> tuple[int, str]:
            with case.system.client(case.fleet.probe_token) as device:
                answer = device.post("/api/v1/scans", json=body, headers={"Prefer": "wait=20"})
            return answer.status_code, answer.json()["message"]

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = set(pool.map(ask, range(AT_ONCE)))
        assert answers == {(200, f"{body['code']} in {body['parent_code']} (1/30, 1 kg)")}
    case.close_books()


def test_altered_content(case: Case) -> None:
    """Promised: an identity stands for what was applied first. Broken by other content under it, by two devices."""
    for _ in case.runs(short=1, full=5):
        with case.backlog():
            # Two workers take from the backlog at once, so either content may be applied first; of children, both may.
            children = [sent for sent in case.fleet.receipts.accepted.values() if sent.body["kind"] == "child"]
            chosen = case.rng.sample(children, 40)
            other = f"Bearer {case.fleet.probe_token}"
            altered = [Sent(sent.by, {**sent.body, "code": new_child()}) for sent in chosen[:20]]
            forged = [Sent(other, sent.body) for sent in chosen[20:]]
            send_again(case, [*altered, *forged])
        case.await_recovery()
        with case.system.client(case.fleet.probe_token) as device:
            body = {**chosen[0].body, "code": new_child()}
            answer = device.post("/api/v1/scans", json=body, headers={"Prefer": "wait=20"})
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (422, "id_reused")
    books = case.close_books(reused=True)
    case.figures.also["altered or forged"] = len(books.reused)
    assert len(books.reused) >= 40


@contextmanager
def workers_held_back(case: Case) -> Iterator[Connection]:
    """Let workers read what they decide on, and hold each back just before it writes its scans."""
    with case.database() as database, database.transaction() as connection:
        connection.execute(text("LOCK TABLE scan IN SHARE MODE"))
        yield connection


def await_held_back(case: Case, connection: Connection, workers: int) -> None:
    """Wait until so many transactions wait for a lock."""
    case.summon()  # the sweeper would do so a second later, and the first to be held back waits for five only
    eventually(lambda: (connection.scalar(_HELD_BACK) or 0) >= workers)


def test_two_workers_with_the_same_scan(case: Case) -> None:
    """Promised: two workers on one scan give one effect. Broken by holding both back until both have read."""
    for _ in case.runs(short=2, full=10):
        body = scan_of("parent", f"MISPRINT-{new_sack()}")
        case.expect(body)
        with workers_held_back(case) as connection, case.system.client(case.fleet.probe_token) as device:
            for workers in (1, 2):
                assert device.post("/api/v1/scans", json=body).status_code == httpx.codes.ACCEPTED
                await_held_back(case, connection, workers)
        case.await_recovery()
    case.close_books()


def test_two_workers_with_the_last_place_in_a_sack(case: Case) -> None:
    """Promised: capacity is exact. Broken by two children for the last place, each with a worker that has read 29."""
    for _ in case.runs(short=1, full=10):
        sack = new_sack()
        for _ in range(CAPACITY - 1):
            case.submit("child", new_child(), sack)
        case.await_empty()
        with workers_held_back(case) as connection:
            for workers in (1, 2):
                case.submit("child", new_child(), sack)
                await_held_back(case, connection, workers)
        case.await_recovery()
    case.close_books()
