"""The letters: what a mail of each kind says, as text and as HTML.

What goes into a letter's HTML is escaped where it is put in, whatever it is; a line break in a header is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from html import escape
from string import Template
from typing import Any
from uuid import UUID

_POLICY = SMTP.clone(cte_type="7bit")
"""Every server takes it."""

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<body style="font-family: sans-serif">
$content
</body>
</html>
""")


class UnwritableLetterError(Exception):
    """There is no such letter, or what it needs is missing or cannot stand in one."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A kind of letter.

    Parameters
    ----------
    subject, text
        Templates; paragraphs of the text are separated by an empty line.
    is_secret
        Whether what is in it must not be kept, not even when it could not be sent.
    most_attempts
        How often it is tried at most: thirty take about a day, eight an hour.
    """

    subject: Template
    text: Template
    is_secret: bool = False
    most_attempts: int = 30


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter: its name, its media type, its bytes."""

    name: str
    media_type: str
    content: bytes


SUMMARY = "eod_summary"
LETTERS: Mapping[str, Letter] = {
    SUMMARY: Letter(Template("TraceTrack: $subject"), Template("$subject\n\n$text")),
    "notification": Letter(
        Template("TraceTrack: $title"),
        Template(
            "$title\n\n$body\n\nThis is also among your notifications in TraceTrack, where you choose what is sent by"
            " mail."
        ),
    ),
    "report": Letter(
        Template("TraceTrack: $file"),
        Template(
            "The report $file is ready.\n\n$link\n\nIt is kept for some days; log in to read it. You get this because"
            " somebody put you down for it."
        ),
    ),
    "password_reset": Letter(
        Template("TraceTrack: a new password"),
        Template(
            "Somebody, probably you, asked for a new password for $username.\n\nThis token sets it, once, within an"
            " hour:\n\n$token\n\nIf it was not you, do nothing: your password stays as it is."
        ),
        is_secret=True,
        most_attempts=8,
    ),
}


def write_letter(
    *,
    kind: str,
    recipient: str,
    fields: Mapping[str, Any],
    sender: str,
    mail_id: UUID,
    created_at: datetime,
    page: str | None = None,
    attachments: Sequence[Attachment] = (),
) -> EmailMessage:
    """Write a mail, the same one at every attempt: a copy can be known by its Message-ID.

    Parameters
    ----------
    kind, fields
        Which letter, and what goes into it.
    recipient, sender
        One address each; the sender's may have a name.
    mail_id, created_at
        The mail's identity and its date.
    page
        Its HTML, in place of one that is made of the text.
    attachments
        What goes with it.

    Raises
    ------
    UnwritableLetterError
        It cannot be written, now or ever.
    """
    letter = LETTERS.get(kind)
    if letter is None:
        raise UnwritableLetterError(f"there is no letter {kind!r}")
    values = {name: str(value) for name, value in fields.items()}
    message = EmailMessage(policy=_POLICY)
    try:
        name, address = parseaddr(sender)
        message["Subject"] = letter.subject.substitute(values)
        message["From"] = Address(name, addr_spec=address)
        message["To"] = Address(addr_spec=recipient)
        message["Date"] = format_datetime(created_at)
        message["Message-ID"] = f"<{mail_id}@{address.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text.substitute(values) + "\n")
        message.add_alternative(page or _page_of(letter, values), subtype="html")
        for each in attachments:
            main, sub = each.media_type.split("/")
            message.add_attachment(each.content, maintype=main, subtype=sub, filename=each.name)
    except KeyError as error:
        raise UnwritableLetterError(f"its letter needs {error}") from None
    except (ValueError, IndexError, MessageError) as error:
        raise UnwritableLetterError(f"it cannot stand in a mail: {type(error).__name__}") from None
    return message


def _page_of(letter: Letter, values: Mapping[str, str]) -> str:
    escaped = {name: escape(value).replace("\n", "<br>") for name, value in values.items()}
    paragraphs = (Template(part).substitute(escaped) for part in letter.text.template.split("\n\n"))
    return _PAGE.substitute(content="\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs))
