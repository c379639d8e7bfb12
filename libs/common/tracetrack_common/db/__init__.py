"""Postgres: the schema, its migrations, and the one place that opens and commits transactions."""

from tracetrack_common.db import job_schema, schema, sending_schema

__all__ = ["job_schema", "schema", "sending_schema"]
