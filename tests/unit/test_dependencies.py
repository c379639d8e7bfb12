"""What routes depend on is done on the event loop: FastAPI runs what is no coroutine on a thread."""

from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from tests.support.settings import make_settings
from tracetrack_gateway.main import create_app


def calls_of(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """Give a route's handler and everything it depends on."""
    if dependant.call is not None:
        yield dependant.call
    for dependency in dependant.dependencies:
        yield from calls_of(dependency)


def test_no_route_waits_for_a_thread_before_its_handler() -> None:
    app = create_app(make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0"))

    routes = [context.original_route for context in iter_route_contexts(app.routes)]
    calls = {call for route in routes if isinstance(route, APIRoute) for call in calls_of(route.dependant)}

    assert len(calls) > len(routes) / 2
    assert [
        call for call in calls if not iscoroutinefunction(call) and not iscoroutinefunction(type(call).__call__)
    ] == []
