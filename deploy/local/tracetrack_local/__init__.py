"""The command tracetrack: the whole system on one machine."""
