"""A warehouse day through the running system, with every figure held against what must come out."""

from tracetrack_local.demo.command import run_demo

__all__ = ["run_demo"]
