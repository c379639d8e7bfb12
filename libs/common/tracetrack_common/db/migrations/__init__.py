"""Alembic migrations; `python -m tracetrack_common.migrate` runs them."""
