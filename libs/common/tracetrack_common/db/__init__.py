"""Postgres: the schema, its migrations, and the one place that opens and commits transactions."""
