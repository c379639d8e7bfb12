"""Ports: a taken one is noticed before anything is started, and the sentence names the setting."""

import socket
from collections.abc import Iterator

import pytest

from tracetrack_local import ports
from tracetrack_local.errors import LauncherError


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def test_a_port_with_a_listener_is_not_free(listener: socket.socket) -> None:
    assert not ports.is_free(port_of(listener))


def test_a_port_is_free_when_its_server_has_gone(listener: socket.socket) -> None:
    port = port_of(listener)
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = listener.accept()
        accepted.close()  # the server's side closes first, which leaves the port in TIME_WAIT
    listener.close()

    assert ports.is_free(port)


def test_a_chosen_port_is_free_and_out_of_reach_of_outgoing_connections() -> None:
    port = ports.choose_free()

    assert ports.is_free(port)
    assert 15_000 <= port < 30_000


def test_no_port_is_chosen_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PRIVATE_PORTS", range(20_000, 20_002))
    monkeypatch.setattr(ports, "is_free", lambda _port: True)

    assert ports.choose_free(frozenset({20_000})) == 20_001


def test_no_free_port_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _port: False)

    with pytest.raises(LauncherError, match="No free port"):
        ports.choose_free()


def test_a_taken_port_is_told_with_its_setting(listener: socket.socket) -> None:
    port = port_of(listener)

    with pytest.raises(LauncherError, match=rf"Port {port} on 127\.0\.0\.1 is taken.*TRACETRACK_GATEWAY_PORT"):
        ports.require_free(port, "127.0.0.1", port_setting="TRACETRACK_GATEWAY_PORT")


def test_an_address_of_another_machine_is_told_with_its_setting() -> None:
    with pytest.raises(LauncherError, match="TRACETRACK_GATEWAY_HOST"):
        ports.require_free(
            20_000, "192.0.2.1", port_setting="TRACETRACK_GATEWAY_PORT", host_setting="TRACETRACK_GATEWAY_HOST"
        )


def test_a_port_that_needs_root_is_told_with_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_port: int, _host: str) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ports, "is_free", refuse)

    with pytest.raises(LauncherError, match="Port 80 needs root: set TRACETRACK_GATEWAY_PORT"):
        ports.require_free(80, "127.0.0.1", port_setting="TRACETRACK_GATEWAY_PORT")
