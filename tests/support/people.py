"""People as tests meet them: those who log in, and what was mailed to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.gateway import Api
from tests.support.warehouse import PASSWORD

NEW_PASSWORD = "seven brown kettles sing at noon"


def log_in(client: httpx.Client, username: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    """Try to log in."""
    return client.post("/api/v1/sessions", json={"username": username, "password": password, **more})


@contextmanager
def from_address(api: Api, address: str) -> Iterator[httpx.Client]:
    """Give a client whose requests come from an address of this machine's own network (127.0.0.0/8)."""
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(base_url=api.gateway.address, transport=transport, timeout=30) as client:
        yield client


def mailed(api: Api, recipient: str) -> list[dict[str, Any]]:
    """Give the fields of what was asked to be mailed to somebody, oldest first."""
    rows = api.warehouse.rows("SELECT fields FROM mail WHERE recipient = :to ORDER BY created_at", to=recipient)
    return [row["fields"] for row in rows]
