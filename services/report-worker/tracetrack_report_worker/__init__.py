"""The worker of TraceTrack that makes end-of-day summaries and documents."""
