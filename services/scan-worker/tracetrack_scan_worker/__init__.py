"""The worker of TraceTrack that applies scans and commands to Postgres."""
