"""Other ways to do the same job, written fairly, to measure against."""
