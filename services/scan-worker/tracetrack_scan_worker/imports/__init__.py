"""Imports: tables of bags, bills and batches, applied by the rules of scanning (domain.md, Bulk)."""
