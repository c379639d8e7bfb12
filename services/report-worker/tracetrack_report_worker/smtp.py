"""One connection to the mail server, which tells three ends apart: taken, certainly not taken, and not known."""

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

_TIMEOUT_S = 15.0
_PORTS = {"smtp": 587, "smtps": 465, "smtp+insecure": 25}
_GO_AHEAD = 354
_LEADING_DOT = re.compile(rb"(?m)^\.")


class NotTakenError(Exception):
    """The server certainly does not have the mail.

    Parameters
    ----------
    detail
        What it said.
    for_good
        Whether it would say so again.
    reached
        Whether there is a server that goes on listening.
    """

    def __init__(self, detail: str, *, for_good: bool = False, reached: bool = True) -> None:
        super().__init__(detail)
        self.for_good = for_good
        self.reached = reached


class PerhapsTakenError(Exception):
    """The server had the whole mail, and the connection ended before it said whether it took it."""


class MailServer:
    """A connection to the server; use it as a context manager.

    Parameters
    ----------
    url
        As `TRACETRACK_SMTP_URL`.

    Raises
    ------
    NotTakenError
        When it is entered: the server cannot be reached, is not who it should be, or refuses the login.
    """

    _smtp: smtplib.SMTP

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def __enter__(self) -> Self:
        with _not_taken(reached=False):
            self._smtp = self._connect()
            try:
                if self._url.scheme == "smtp":
                    self._smtp.starttls(context=ssl.create_default_context())
                if self._url.username:
                    self._smtp.login(unquote(self._url.username), unquote(self._url.password or ""))
            except BaseException:
                self._smtp.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            self._smtp.quit()
        self._smtp.close()

    def hand_over(self, message: EmailMessage, *, before_data: Callable[[], None]) -> str:
        """Hand a mail over.

        Parameters
        ----------
        message
            To one recipient.
        before_data
            Called when the server wants the mail, before it gets any of it.

        Returns
        -------
        str
            What the server said.

        Raises
        ------
        NotTakenError, PerhapsTakenError
            It did not take it, or may have.
        """
        sender, recipient = (message[name].addresses[0].addr_spec for name in ("From", "To"))
        with _not_taken():
            self._smtp.ehlo_or_helo_if_needed()
            _expect(self._smtp.mail(sender), {250})
            _expect(self._smtp.rcpt(recipient), {250, 251})
            _expect(self._smtp.docmd("DATA"), {_GO_AHEAD})
        try:
            before_data()
        except BaseException:
            self._smtp.close()  # without a dot it has no mail
            raise
        with _not_taken():
            # A server takes a mail at the line with a dot, which is the last that is sent: cut before it, it has none.
            self._smtp.send(_LEADING_DOT.sub(b"..", message.as_bytes()) + b".\r\n")
        try:
            answer = self._smtp.getreply()
        except (smtplib.SMTPException, OSError) as error:
            raise PerhapsTakenError(_say(error)) from None
        _expect(answer, {250})
        return _text(answer)

    def _connect(self) -> smtplib.SMTP:
        address = (self._url.hostname or "", self._url.port or _PORTS[self._url.scheme])
        # By itself it would ask a name server what this machine is called.
        name = socket.gethostname()
        if self._url.scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(*address, local_hostname=name, timeout=_TIMEOUT_S, context=context)
        return smtplib.SMTP(*address, local_hostname=name, timeout=_TIMEOUT_S)

    def let_go(self) -> None:
        """Forget a mail that was not taken, so that the connection serves the next."""
        with _not_taken(reached=False):
            _expect(self._smtp.docmd("RSET"), {250})


@contextlib.contextmanager
def _not_taken(*, reached: bool = True) -> Iterator[None]:
    """Say of whatever goes wrong in the block that the server does not have the mail."""
    try:
        yield
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        raise NotTakenError(_say(error), reached=reached and not isinstance(error, OSError)) from None


def _expect(answer: tuple[int, bytes], codes: set[int]) -> None:
    if answer[0] not in codes:
        raise NotTakenError(_text(answer), for_good=answer[0] >= 500)  # noqa: PLR2004 - SMTP's permanent errors


def _text(answer: tuple[int, bytes]) -> str:
    return f"{answer[0]} {answer[1].decode(errors='replace')}"


def _say(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {error.smtp_error!r}"
    return str(error) or type(error).__name__
