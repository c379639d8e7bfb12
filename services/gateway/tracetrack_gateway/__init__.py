"""The HTTP gateway of TraceTrack: accepts scans durably, serves the read API."""
