"""Replay a file of scans through the running gateway, as the devices that made them (docs/scan-log.md)."""

from tracetrack_local.replay.command import run_replay

__all__ = ["run_replay"]
