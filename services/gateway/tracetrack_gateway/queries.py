"""Queries: a parameter that a route does not have is refused, as a field is that a body does not have."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from tracetrack_common.errors import InvalidInputError


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse what a route that takes a query does not take; a route that takes none is not asked (`/health?probe`).

    Raises
    ------
    InvalidInputError
        Names each.
    """
    route = request.scope.get("route")
    if not request.scope["query_string"] or not isinstance(route, APIRoute):
        return
    known = set(_parameters_of(route.dependant))
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if known and unknown:
        errors = [{"field": name, "detail": "is not a parameter here"} for name in unknown]
        raise InvalidInputError(
            f"not a parameter here: {', '.join(unknown)}; there are: {', '.join(sorted(known))}", errors=errors
        )


def _parameters_of(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from model.model_fields
        else:
            yield field.alias
    for dependency in dependant.dependencies:
        yield from _parameters_of(dependency)
