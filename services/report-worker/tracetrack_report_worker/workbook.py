"""The XLSX document of a summary: a sheet per part."""

import io

from tracetrack_report_worker.documents import xlsx
from tracetrack_report_worker.documents.model import Row
from tracetrack_report_worker.paper import document_of


def render(content: Row) -> bytes:
    """Write a summary as an XLSX workbook.

    Parameters
    ----------
    content
        As `content.render_summary` gives it.

    Returns
    -------
    bytes
        The file.
    """
    output = io.BytesIO()
    xlsx.write(document_of(content), output)
    return output.getvalue()
