"""The mail that brings a summary: a page that reads well on a phone, the same as plain text, and the documents.

An admin gets the whole summary, a biller their own part. It is written anew at every attempt, from what is stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from string import Template
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import NoResultFound

from tracetrack_common.db.session import Database
from tracetrack_common.log import get_logger
from tracetrack_report_worker import storage
from tracetrack_report_worker.documents import pdf, xlsx
from tracetrack_report_worker.documents.model import GRAMS_PER_KG, Document, Row
from tracetrack_report_worker.letters import Attachment, UnwritableLetterError
from tracetrack_report_worker.paper import biller_document, bills_by_biller, document_of

log = get_logger(__name__)

ATTACHED_MOST = 7_000_000
"""Bytes; in a mail they are a third more, and many servers take no more than 10 MB."""
_LISTED_MOST = 40
"""Bills in the mail itself; some readers cut a page off at 100 KB."""
_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_SELECT_DOCUMENTS = text(
    "SELECT format, content FROM eod_document WHERE summary_id = :summary_id AND format IN ('pdf', 'xlsx')"
)

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
</head>
<body style="margin: 0; padding: 0; background: #ffffff; color: #1c2430; font: 16px/1.4 system-ui, sans-serif">
<div style="max-width: 560px; margin: 0 auto; padding: 16px; overflow-wrap: anywhere">
<h1 style="font-size: 22px; line-height: 1.2; margin: 0; color: #1f3a5f">$title</h1>
<p style="margin: 4px 0 16px; color: #5b6675">$subtitle</p>
<table role="presentation" width="100%" cellspacing="0" cellpadding="0"
 style="border-collapse: collapse; table-layout: fixed">
$figures
</table>
$bills
<p style="margin: 20px 0 0; color: #5b6675">$closing</p>
</div>
</body>
</html>
""")
_FIGURE = Template(
    '<tr><td style="padding: 6px 8px 6px 0; border-bottom: 1px solid #e3e7ed">$label</td>'
    '<td align="right" width="46%" style="padding: 6px 0; border-bottom: 1px solid #e3e7ed">'
    "<strong>$shown</strong></td></tr>"
)
_HEAD = Template('<h2 style="font-size: 18px; margin: 24px 0 8px; color: #1f3a5f">$name</h2>')
_BILL = Template(
    '<div style="padding: 10px 12px; margin: 0 0 8px; background: #eef2f7; border-radius: 6px">'
    "<strong>$bill_no</strong> · $status<br>$destination<br>"
    '<span style="color: #5b6675">$load<br>$variance</span></div>'
)


@dataclass(frozen=True, slots=True)
class SummaryMail:
    """What is in such a mail."""

    subject: str
    text: str
    page: str
    attachments: Sequence[Attachment]


def write(database: Database, fields: Mapping[str, Any]) -> SummaryMail:
    """Write the mail of a summary.

    Parameters
    ----------
    database
        Where the summary and its documents are.
    fields
        ``summary_id``, and ``biller``: whose part it is, or None for the whole.

    Raises
    ------
    UnwritableLetterError
        There is no such summary.
    """
    try:
        with database.snapshot() as connection:
            content = storage.read_content(connection, fields["summary_id"])
            found = connection.execute(_SELECT_DOCUMENTS, {"summary_id": fields["summary_id"]}).all()
    except (KeyError, NoResultFound):
        raise UnwritableLetterError("its summary is not there") from None
    biller = fields.get("biller")
    if biller is None:
        return compose(
            document_of(content), content["bills"]["list"], content, {row.format: row.content for row in found}
        )
    document = biller_document(content, biller)
    return compose(document, bills_by_biller(content).get(biller, []), content, _print(document), of=biller)


def compose(
    document: Document, bills: Sequence[Row], content: Row, documents: Mapping[str, bytes], *, of: str = "all"
) -> SummaryMail:
    """Put the mail together: figures, bills, and those of the documents that fit in.

    Parameters
    ----------
    document
        For its title and figures.
    bills
        The first of them stand in the mail.
    content
        The summary.
    documents
        By format.
    of
        Names the files: all, or whose part it is.
    """
    name = f"eod-{content['date']}-{of}-r{content['revision']}"
    attachments, room = [], ATTACHED_MOST
    for format_ in (format_ for format_ in _MEDIA_TYPES if format_ in documents):
        file = bytes(documents[format_])
        if len(file) <= room:
            attachments.append(Attachment(f"{name}.{format_}", _MEDIA_TYPES[format_], file))
            room -= len(file)
    left_out = [format_ for format_ in _MEDIA_TYPES if f"{name}.{format_}" not in {each.name for each in attachments}]
    closing = _closing(content, left_out)
    figures = [(document.head(each), pdf.show(document, each.value, each.kind)) for each in document.figures]
    listed, more = [_bill(bill) for bill in bills[:_LISTED_MOST]], len(bills) - _LISTED_MOST
    rest = [f"and {more} more bills, which are in the documents."] if more > 0 else []
    return SummaryMail(
        subject=f"{document.title}, {document.subtitle}",
        text="\n".join([*_lines(figures, listed), *rest, "", closing]),
        page=_page(document, figures, listed, [*rest, closing]),
        attachments=attachments,
    )


def _print(document: Document) -> dict[str, bytes]:
    """Make a biller's documents; one that cannot be typeset does not keep the mail back."""
    made: dict[str, bytes] = {}
    for format_, write_document in (("pdf", pdf.write), ("xlsx", xlsx.write)):
        output = BytesIO()
        try:
            write_document(document, output)
        except pdf.UnprintableError:
            log.exception("document_unprintable", format=format_, title=document.title)
        else:
            made[format_] = output.getvalue()
    return made


def _closing(content: Row, left_out: Sequence[str]) -> str:
    if not left_out:
        return "The documents are attached."
    where = " and ".join(f"/api/v1/eod/{content['date']}/document.{format_}" for format_ in left_out)
    return f"Not attached, since too large for mail or not made yet; the summary is at {where} of TraceTrack."


def _bill(bill: Row) -> dict[str, str]:
    actual, variance = (
        f"{bill[key] / GRAMS_PER_KG:,.3f}\N{NO-BREAK SPACE}kg".replace("-", "\N{MINUS SIGN}")
        for key in ("actual_g", "variance_g")
    )
    return {
        "bill_no": bill["bill_no"],
        "status": bill["status"],
        "destination": bill["destination"],
        "load": f"{bill['sacks']} of {bill['expected_sacks']} sacks, {actual}",
        "variance": f"variance {variance}",
    }


def _lines(figures: Sequence[tuple[str, str]], bills: Sequence[Mapping[str, str]]) -> Iterator[str]:
    yield from (f"{label}: {shown}" for label, shown in figures)
    for bill in bills:
        yield ""
        yield f"{bill['bill_no']} ({bill['status']})"
        yield bill["destination"]
        yield bill["load"]
        yield bill["variance"]


def _page(
    document: Document, figures: Sequence[tuple[str, str]], bills: Sequence[Mapping[str, str]], closing: Sequence[str]
) -> str:
    cards = [_BILL.substitute({key: escape(value) for key, value in bill.items()}) for bill in bills]
    return _PAGE.substitute(
        title=escape(document.title),
        subtitle=escape(document.subtitle),
        figures="\n".join(_FIGURE.substitute(label=escape(label), shown=escape(shown)) for label, shown in figures),
        bills="\n".join([_HEAD.substitute(name="Bills"), *cards] if cards else []),
        closing="<br>".join(escape(sentence) for sentence in closing),
    )
