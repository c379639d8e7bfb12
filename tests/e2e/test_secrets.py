"""Secrets stay where they belong: markers typed, made and mailed are in no log, no queue, no table, no process list."""

from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from typing import Any

import httpx
import psutil
import pyotp
import pytest
from sqlalchemy import text

from tests.support.system import RunningSystem, scan_of, submit
from tests.support.waiting import eventually
from tracetrack_common.db.session import Database

_FIRST = "marker-first-kettle-sings-brown"
_SECOND = "marker-second-lantern-walks-north"
_THIRD = "marker-third-harbour-counts-slow"
_TYPED_WRONG = "marker-typed-into-the-wrong-field"


def _redis_values(system: RunningSystem) -> Iterator[bytes]:
    """Give every key with what is in it, as Redis would write it to disk, and what passed through."""
    with system.redis() as redis:
        for key in redis.scan_iter("*"):
            yield key
            kind = redis.type(key)
            if kind == b"hash":
                yield repr(redis.hgetall(key)).encode()
            elif kind == b"stream":
                yield repr(redis.xrange(key)).encode()
            elif kind == b"list":
                yield repr(redis.lrange(key, 0, -1)).encode()
            elif kind == b"string":
                yield repr(redis.get(key)).encode()
    # All that was ever written, settled entries too.
    for file in (system.state_dir / "valkey").rglob("*"):
        if file.is_file():
            yield file.read_bytes()


def _rows(system: RunningSystem) -> Iterator[tuple[str, str]]:
    """Give every row of every table, as text."""
    database = Database(system.superuser, application_name="tests-secrets")
    try:
        with database.snapshot() as connection:
            tables = connection.scalars(
                text(
                    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
                    " AND relnamespace = 'public'::regnamespace"
                )
            )
            for table in list(tables):
                for row in connection.scalars(text(f"SELECT t::text FROM {table} AS t")):  # noqa: S608 - own names
                    yield table, row
    finally:
        database.close()


def _mailed_token(system: RunningSystem) -> str | None:
    """Give the token of the mail in the outbox, once it is there: it stands alone in a line."""
    for path in (system.state_dir / "outbox").glob("*.eml"):
        letter = message_from_bytes(path.read_bytes(), policy=default)
        text_part = letter.get_body(("plain",))
        if letter["To"] == "marker@example.com" and text_part is not None:
            lines: list[str] = text_part.get_content().splitlines()
            return next(line for line in lines if len(line) > 20 and " " not in line)
    return None


def _post(client: httpx.Client, path: str, **body: Any) -> httpx.Response:
    answer = client.post(f"/api/v1/{path}", json=body)
    answer.raise_for_status()
    return answer


@pytest.fixture
def secrets(system: RunningSystem, admin: httpx.Client, device: httpx.Client) -> list[str]:
    """Do all that has secrets in it, and give them."""
    _post(admin, "users", username="marker_admin", email="marker@example.com", role="admin", password=_FIRST)
    stranger = system.client()
    token = _post(stranger, "sessions", username="marker_admin", password=_FIRST).json()["token"]
    person = system.client(token)
    secret = _post(person, "users/me/second-factor", password=_FIRST).json()["secret"]
    code = pyotp.TOTP(secret).now()
    codes = _post(person, "users/me/second-factor/confirm", totp=code).json()["recovery_codes"]
    _post(stranger, "sessions", username="marker_admin", password=_FIRST, recovery_code=codes[0])
    stranger.post("/api/v1/sessions", json={"username": _TYPED_WRONG, "password": _TYPED_WRONG})
    stranger.post("/api/v1/sessions", json={"username": "marker_admin", "password": _TYPED_WRONG, "role": "admin"})
    _post(person, "users/me/password", old_password=_FIRST, password=_SECOND)
    _post(stranger, "password-resets", username="marker_admin")
    mailed = eventually(lambda: _mailed_token(system))
    _post(stranger, f"password-resets/{mailed}", password=_THIRD)
    enrolled = _post(admin, "devices", name="marker gun", area="lucknow").json()
    rotated = _post(admin, f"devices/{enrolled['device_id']}/rotate").json()
    submit(device, scan_of("parent", "SB88001"))
    made_up = system.command("users", "add-admin", "marker_second", "--generate")
    assert made_up.returncode == 0, made_up.stderr
    shown = made_up.stdout.split()[-1]
    _post(stranger, "sessions", username="marker_second", password=shown)
    first = system.credentials
    passwords = [_FIRST, _SECOND, _THIRD, _TYPED_WRONG, shown, first.admin.password]
    return [*passwords, token, secret, *codes, mailed, enrolled["token"], rotated["token"], first.device.token]


def test_no_secret_is_in_a_log_the_queue_a_table_or_a_process_list(system: RunningSystem, secrets: list[str]) -> None:
    def found_in(where: str, content: str | bytes) -> list[tuple[str, str]]:
        data = content if isinstance(content, bytes) else content.encode()
        return [(where, secret) for secret in secrets if secret.encode() in data]

    found = [each for row in _redis_values(system) for each in found_in("redis", row)]
    found += [each for table, row in _rows(system) for each in found_in(table, row)]
    for file in (system.state_dir / "logs").rglob("*"):
        found += found_in(file.name, file.read_bytes())
    found += found_in("screen", (system.folder / "screen").read_bytes())
    for process in psutil.process_iter(["cmdline"]):
        found += found_in("process list", " ".join(process.info["cmdline"] or ()))

    shown_to_their_owner = {system.credentials.admin.password, system.credentials.device.token}
    assert [each for each in found if not (each[0] == "screen" and each[1] in shown_to_their_owner)] == []
