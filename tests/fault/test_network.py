"""The network between the parts: cut, silent, and cut just after the work was done; a second host that is cut off."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.fault.beside import process_beside
from tests.fault.case import Case
from tests.fault.conftest import DEVICES, MakeCase
from tests.fault.fleet import Fleet
from tests.fault.proxy import Proxy
from tests.fault.sabotage import WORKERS, at_some_moment, count_restarts, find_process, let_pass, standing_still
from tests.support.servers import EmbeddedServers
from tests.support.system import RunningSystem
from tests.support.waiting import eventually
from tracetrack_local.services import worker_specs

pytestmark = pytest.mark.full

SILENT_S = 30.0
SWALLOWED = 10
CUTS = 10
NEAR, FAR = "10.231.7.1", "10.231.7.2"
"""The two ends of the wire between this host and the second one, which is a network namespace of this test's own."""


@dataclass
class Wired:
    """A system whose every connection goes through a proxy."""

    system: RunningSystem
    proxies: dict[str, Proxy]


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    """Start servers, proxies before them, a system that knows the proxies only, and a proxy before its gateway."""
    folder = tmp_path_factory.mktemp("wired")
    with ExitStack() as stack:
        servers = stack.enter_context(EmbeddedServers(durable=True))
        postgres = stack.enter_context(Proxy(servers.postgres_server.port))
        redis = stack.enter_context(Proxy(servers.valkey_server.port))
        environment = {
            "TRACETRACK_DATABASE_URL": at_port(servers.create_database("network"), postgres.port),
            "TRACETRACK_REDIS_URL": at_port(servers.redis_url(), redis.port),
        }
        system = RunningSystem(folder, environment=environment)
        system.start()
        stack.callback(system.stop)
        gateway = stack.enter_context(Proxy(system.gateway_port))
        yield Wired(system, {"postgres": postgres, "redis": redis, "gateway": gateway})


def at_port(url: str, port: int, host: str = "127.0.0.1") -> str:
    """Give the address of the same server behind another port."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@{host}:{port}"))


@pytest.fixture
def wired_case(wired: Wired, make_case: MakeCase, tmp_path: Path) -> Iterator[Case]:
    """Give a case with devices that reach the gateway through its proxy."""
    address = f"http://127.0.0.1:{wired.proxies['gateway'].port}"
    fleet = Fleet(wired.system, tmp_path, size=DEVICES, resends=False, address=address)
    with wired.system.admin() as admin, fleet.at_work(admin):
        yield make_case(wired.system, fleet)


@pytest.mark.parametrize("link", ["postgres", "redis", "gateway"])
def test_connections_cut(wired: Wired, wired_case: Case, link: str) -> None:
    """Promised: a cut costs a repetition. Broken by resetting all connections of a link, again and again."""
    case = wired_case
    before = count_restarts(case.system, *WORKERS, "gateway")
    for _ in case.runs(short=1, full=10):
        with case.backlog():
            case.send()
            for _ in range(CUTS):
                at_some_moment(case.rng, within_s=0.2)
                wired.proxies[link].cut()
        case.await_recovery()
    assert count_restarts(case.system, *WORKERS, "gateway") == before
    case.close_books()


@pytest.mark.parametrize("link", ["postgres", "redis"])
def test_half_open(wired: Wired, wired_case: Case, link: str) -> None:
    """Promised: a dead line is noticed. Broken by a link that swallows everything for 30 s and resets nothing."""
    case = wired_case
    before = count_restarts(case.system, *WORKERS, "gateway")
    for _ in case.runs(short=1, full=2):
        with case.backlog(), wired.proxies[link].silent():
            case.send()
            at_some_moment(case.rng, within_s=1.0)
            if link == "postgres":
                case.fleet.await_accepted()
            let_pass(SILENT_S)
        case.await_recovery()
    assert count_restarts(case.system, *WORKERS, "gateway") == before
    case.close_books()


@pytest.mark.parametrize(
    ("link", "request_holds"),
    [("postgres", b"COMMIT"), ("redis", b"XADD"), ("redis", b"XACK"), ("gateway", b"/api/v1/scans/batch")],
    ids=["commit", "ledger write", "settling", "2xx"],
)
def test_answer_lost_after_the_work_was_done(wired: Wired, wired_case: Case, link: str, request_holds: bytes) -> None:
    """Promised: who repeats what was done changes nothing. Broken by a link that is reset just before the answer."""
    case, proxy = wired_case, wired.proxies[link]
    swallowed = proxy.swallowed
    for _ in case.runs(short=1, full=5):
        proxy.swallow_answers(request_holds, times=SWALLOWED)
        case.send()
        case.fleet.await_accepted()
        case.await_recovery()
    proxy.swallow_answers(b"", times=0)
    case.figures.also["answers lost"] = proxy.swallowed - swallowed
    assert proxy.swallowed > swallowed
    case.close_books()


@contextmanager
def second_host() -> Iterator[str]:
    """Make a host of its own, a network namespace, with a wire to this one; give its name."""
    ip = shutil.which("ip")
    if ip is None:
        raise AssertionError("this case needs the command ip (Debian: iproute2) and root")

    def run(*arguments: str) -> None:
        subprocess.run([ip, *arguments], check=True, capture_output=True)  # noqa: S603 - the project's own test host

    name = "tracetrack-test"
    run("netns", "add", name)
    try:
        run("link", "add", "tt-near", "type", "veth", "peer", "name", "tt-far")
        run("link", "set", "tt-far", "netns", name)
        run("addr", "add", f"{NEAR}/24", "dev", "tt-near")
        run("link", "set", "tt-near", "up")
        run("-n", name, "addr", "add", f"{FAR}/24", "dev", "tt-far")
        run("-n", name, "link", "set", "lo", "up")
        run("-n", name, "link", "set", "tt-far", "up")
        yield name
    finally:
        run("netns", "delete", name)


@contextmanager
def unplugged() -> Iterator[None]:
    """Take the wire between the hosts down: packets vanish, and nobody is told."""
    subprocess.run(["ip", "link", "set", "tt-near", "down"], check=True)  # noqa: S607
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "set", "tt-near", "up"], check=True)  # noqa: S607


def test_second_host_cut_off(wired: Wired, wired_case: Case) -> None:
    """Promised: what a lost host held is applied by another, once. Broken by unplugging a busy worker's host, 20 s."""
    case = wired_case
    settings = case.system.servers.model_copy(update={"state_dir": case.system.state_dir})
    spec = next(spec for spec in worker_specs(settings) if spec.name == "scan-worker")
    with ExitStack() as stack:
        host = stack.enter_context(second_host())
        links = {
            name: stack.enter_context(Proxy(wired.proxies[name].port, host=NEAR)) for name in ("postgres", "redis")
        }
        environment = {
            "TRACETRACK_DATABASE_URL": at_port(settings.database_url.get_secret_value(), links["postgres"].port, NEAR),
            "TRACETRACK_REDIS_URL": at_port(settings.redis_url.get_secret_value(), links["redis"].port, NEAR),
        }
        command = [str(shutil.which("ip")), "netns", "exec", host]
        command += [part.replace("scans@%h", "far-scans@%h") for part in spec.command]
        stack.enter_context(process_beside(case.system, replace(spec, command=command), environment=environment))
        for _ in case.runs(short=1, full=3):
            with ExitStack() as cut:
                with standing_still(find_process(case.system, "scan-worker")):
                    case.probe()  # the far worker answers, so it is at work
                    case.send(3_000)
                    at_some_moment(case.rng, within_s=0.3)
                    cut.enter_context(unplugged())
                case.await_recovery()
        eventually(lambda: case.fleet.waiting == 0, within_s=60)
    case.close_books()
