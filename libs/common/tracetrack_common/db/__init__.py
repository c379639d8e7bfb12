"""Postgres: the schema, its migrations, and the one place that opens and commits transactions."""

from tracetrack_common.db import job_schema, schema

__all__ = ["job_schema", "schema"]
