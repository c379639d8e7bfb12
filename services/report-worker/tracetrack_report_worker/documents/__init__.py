"""Documents: one model of a report, and what it becomes (docs/documents.md)."""
