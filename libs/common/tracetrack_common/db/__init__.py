"""Postgres: the schema, its migrations, and the one place that opens and commits transactions."""

from tracetrack_common.db import schema, sending_schema

__all__ = ["schema", "sending_schema"]
