"""Imports as they are asked for: the commands ``import.create`` and ``import.cancel``."""

from sqlalchemy import Connection

from tracetrack_common.contracts import Command, ImportKind
from tracetrack_common.jobs import JobDesk
from tracetrack_scan_worker.areas import find_area

IMPORTS_QUEUE = "imports"
ANY_KIND = "auto"
"""The kind of an import whose heads tell what it holds."""
IMPORT_KINDS = (ANY_KIND, *ImportKind)


def _check(connection: Connection, command: Command) -> None:
    """Refuse an import for an area that is not there."""
    area = command.arguments["arguments"]["area"]
    if area is not None:
        find_area(connection, area)


IMPORTS = JobDesk(IMPORTS_QUEUE, noun="import", check=_check)
