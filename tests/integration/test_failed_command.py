"""`tracetrack failed …` on a running gateway: what an operator sees and types after a bad release."""

import io
import json
from collections.abc import Callable

import pytest

from tests.support.faults import refusing
from tests.support.gateway import Api
from tests.support.system import scan_of
from tests.support.waiting import eventually
from tests.support.warehouse import PASSWORD
from tracetrack_local.credentials import Credentials, DeviceCredential, Login
from tracetrack_local.errors import RefusedError
from tracetrack_local.failed import list_failed, resolve_failed, show_failed
from tracetrack_local.screen import SteadyConsole

PIECES = 5


@pytest.fixture
def credentials(api: Api) -> Credentials:
    """Give what the state folder of this gateway would hold."""
    return Credentials(
        gateway_url=api.gateway.address,
        flower_url="http://127.0.0.1:1",
        admin=Login(username=api.warehouse.person("admin").username, password=PASSWORD),
        device=DeviceCredential(name="gun", area="lucknow", token="none"),
        flower=Login(username="flower", password="none"),
    )


@pytest.fixture
def pieces(api: Api) -> list[str]:
    """Give the identities of scans that a bad release could not apply."""
    scans = [scan_of("parent", f"SB{number:05d}") for number in range(50_000, 50_000 + PIECES)]
    with refusing(api.warehouse, "scan", "NEW.code LIKE 'SB5%'"), api.device() as device:
        device.post("/api/v1/scans/batch", json={"scans": scans})
        eventually(lambda: open_pieces(api) == PIECES)
    return [scan["scan_id"] for scan in scans]


def open_pieces(api: Api) -> int:
    return int(api.warehouse.value("SELECT count(*) FROM failed_work WHERE state = 'open'"))


def screen(show: Callable[[SteadyConsole], int]) -> tuple[int, str]:
    """Give the exit code and what was printed."""
    output = io.StringIO()
    return show(SteadyConsole(file=output, width=200)), output.getvalue()


def test_a_bad_release_is_seen_put_right_and_cleared_away(
    api: Api, credentials: Credentials, pieces: list[str]
) -> None:
    code, listed = screen(
        lambda console: list_failed(credentials, console, filters={}, limit=PIECES - 1, as_json=False)
    )
    assert code == 0
    assert listed.count("not_applicable") == PIECES - 1
    assert f"These are the newest {PIECES - 1}" in listed
    _, document = screen(lambda console: list_failed(credentials, console, filters={}, limit=50, as_json=True))
    found = {piece["work_id"]: piece["failed_id"] for piece in json.loads(document)}
    assert set(found) == set(pieces)
    _, shown = screen(lambda console: show_failed(credentials, console, found[pieces[0]]))
    assert json.loads(shown)["scans"][0]["code"] == "SB50000"

    with refusing(api.warehouse, "bag", "NEW.code = 'SB50003'"):
        code, told = screen(
            lambda console: resolve_failed(credentials, console, ids=[], filters={"reason": "not_applicable"})
        )
    assert (code, open_pieces(api)) == (1, 1)
    assert told.count(" replayed: 1 applied") == PIECES - 1
    assert f"{found[pieces[3]]} refused: 409 It failed again and stays in the failed work" in told
    assert f"{PIECES - 1} replayed, 1 refused." in told

    code, told = screen(
        lambda console: resolve_failed(
            credentials, console, ids=[found[pieces[3]]], filters={}, because="the sack was burnt"
        )
    )
    assert (code, open_pieces(api)) == (0, 0)
    assert f"{found[pieces[3]]} discarded: the sack was burnt" in told
    _, listed = screen(
        lambda console: list_failed(credentials, console, filters={"state": "discarded"}, limit=50, as_json=False)
    )
    assert "the sack was burnt" in listed
    assert credentials.admin.username in listed
    assert screen(lambda console: list_failed(credentials, console, filters={}, limit=50, as_json=False)) == (
        0,
        "There is none.\n",
    )
    assert screen(lambda console: resolve_failed(credentials, console, ids=[], filters={})) == (
        0,
        "0 replayed, 0 refused.\n",
    )


def test_a_piece_that_is_not_there_is_told_in_a_sentence(credentials: Credentials) -> None:
    with pytest.raises(RefusedError, match="404 There is no failed work"):
        screen(lambda console: show_failed(credentials, console, "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d"))
