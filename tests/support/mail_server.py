"""A mail server on loopback that can be told to behave as mail servers do on bad days."""

import ssl
import threading
from asyncio import WriteTransport
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tracetrack_local.ports import choose_free


class MailServer:
    """A server that takes every mail, until it is told otherwise; use it as a context manager.

    Parameters
    ----------
    tls
        Makes it offer STARTTLS with this certificate, and take no mail without.
    login
        The user and password it asks for.

    Attributes
    ----------
    port
        Where it listens.
    mails
        What it took.
    seen
        What it had, whether it took it or not.
    recipient_answer, data_answer
        What it says to a recipient, and when it has a mail; None says nothing and cuts the connection.
    hold
        While it is not set, the server has the mail and says nothing.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.seen: list[EmailMessage] = []
        self.recipient_answer = "250 OK"
        self.data_answer: str | None = "250 taken"
        self.hold = threading.Event()
        self.hold.set()
        self.port = choose_free()
        self._login = login
        options: dict[str, Any] = {"auth_required": login is not None, "auth_require_tls": tls is not None}
        if login is not None:
            options["authenticator"] = self._authenticate
        if tls is not None:
            options |= {"tls_context": tls, "require_starttls": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold.set()
        self._controller.stop(no_assert=True)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd looks for this name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer to a recipient."""
        if self.recipient_answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the same
        """Answer to a whole mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.seen.append(message)
        await server.loop.run_in_executor(None, self.hold.wait)
        if self.data_answer is None:
            assert isinstance(server.transport, WriteTransport)
            server.transport.abort()
            return "421 gone"
        if self.data_answer.startswith("2"):
            self.mails.append(message)
        return self.data_answer

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        wanted = self._login and tuple(part.encode() for part in self._login)
        return AuthResult(success=(given.login, given.password) == wanted)
