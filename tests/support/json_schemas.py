"""The published JSON Schemas (docs/schemas), to hold documents against."""

from functools import cache
from pathlib import Path
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator

_FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


def read_schema(name: str) -> dict[str, Any]:
    """Give a schema by its name."""
    schema: dict[str, Any] = orjson.loads((_FOLDER / f"{name}.json").read_bytes())
    return schema


def faults_of(name: str, document: Any) -> list[str]:
    """Say where a document is not as a schema says."""
    return [f"{error.instance_path}: {error.message}" for error in _validator(name).iter_errors(document)]


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(read_schema(name), validate_formats=True)
