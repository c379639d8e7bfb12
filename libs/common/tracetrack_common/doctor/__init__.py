"""Reconciliation on live data: is everything as it must be, and if not, what does that mean and what helps."""
