"""Reconciliation on live data: is everything as it must be, and if not, what does that mean and what helps."""

from typing import Final

STATEMENT_TIMEOUT_S: Final = 120
"""A statement that takes longer is given up; a million scans need some seconds."""
