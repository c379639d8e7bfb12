"""Roles and routes: what each route says that it does, and so who may call it (`access` has the one table).

`python -m tracetrack_gateway.roles > docs/roles.md` writes the matrix down.
"""

import re
import sys
from collections.abc import Iterator, Mapping

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import SecretStr

from tracetrack_common.errors import ForbiddenError
from tracetrack_common.settings import Settings
from tracetrack_gateway.access import PERMISSIONS, ROLES, Action

_CONVERTER = re.compile(r":\w+\}")
_HEAD = """# Roles and routes

Who may call what. Made by `python -m tracetrack_gateway.roles` from the table in `access.py` and what each route says
that it does; a test holds this page against both, and every cell against the running system. `nobody` has no token. A
device, and a dispatcher, sees their own area only. A route that does not say what it does is denied to everybody.

"""


def action_of(dependant: Dependant) -> Action | None:
    """Give what a route says that it does; None when it says nothing."""
    for dependency in dependant.dependencies:
        action = getattr(dependency.call, "action", None)
        if isinstance(action, Action):
            return action
    return None


async def deny_unstated(request: Request) -> None:
    """Deny a route that does not say what it does.

    Raises
    ------
    ForbiddenError
        It does not.
    """
    route = request.scope["route"]
    if not isinstance(route, APIRoute) or action_of(route.dependant) is None:
        raise ForbiddenError("Nobody may do this: it is not said who may.")


def roles_by_route(app: FastAPI) -> Mapping[tuple[str, str], frozenset[str]]:
    """Give the roles that may call each route of the API, by method and path; none for one that says nothing."""
    return dict(_roles_by_route(app))


def _roles_by_route(app: FastAPI) -> Iterator[tuple[tuple[str, str], frozenset[str]]]:
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.path is not None:
            action = action_of(route.original_route.dependant)
            for method in route.methods or ():
                yield (method, _CONVERTER.sub("}", route.path)), frozenset() if action is None else PERMISSIONS[action]


def render_matrix(app: FastAPI) -> str:
    """Give the page that shows the matrix."""
    lines = [f"| route | {' | '.join(ROLES)} |", "|---" * (len(ROLES) + 1) + "|"]
    for (method, path), allowed in sorted(roles_by_route(app).items(), key=lambda entry: (entry[0][1], entry[0][0])):
        cells = " | ".join("✓" if role in allowed else "" for role in ROLES)
        lines.append(f"| `{method} {path}` | {cells} |")
    return _HEAD + "\n".join(lines) + "\n"


def main() -> None:
    """Print the page; no server is asked."""
    from tracetrack_gateway.main import create_app  # noqa: PLC0415 - main imports what this module gives

    nowhere = Settings(
        database_url=SecretStr("postgresql://nobody@127.0.0.1:1/nowhere"), redis_url=SecretStr("redis://127.0.0.1:1/0")
    )
    sys.stdout.write(render_matrix(create_app(nowhere)))


if __name__ == "__main__":
    main()
