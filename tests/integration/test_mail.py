"""Mail: once for each event, through every fault a mail server has; what is secret in it is not kept."""

import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.mail_server import MailServer
from tests.support.waiting import eventually
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database
from tracetrack_common.errors import InvalidInputError
from tracetrack_common.mail_request import request_mail
from tracetrack_common.settings import Settings
from tracetrack_local.ports import choose_free
from tracetrack_report_worker import outbox
from tracetrack_report_worker.letters import LETTERS, UnwritableLetterError, write_letter
from tracetrack_report_worker.mail import Mailer

WHO = "asha@warehouse.example"
TOLD = {"title": "Sacks & <b>bags</b>", "body": "Two sacks\n.\nare missing"}
SEND = (
    "from tracetrack_common.db.session import Database; from tracetrack_common.settings import Settings;"
    " from tracetrack_report_worker.mail import Mailer; settings = Settings();"
    " Mailer(Database(settings, application_name='tests-mail'), settings).send_due()"
)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


@pytest.fixture
def mailer(database: Database, settings: Settings, server: MailServer) -> Mailer:
    return mailer_to(database, settings, f"smtp+insecure://127.0.0.1:{server.port}")


def mailer_to(database: Database, settings: Settings, url: str | None, **changes: Any) -> Mailer:
    update = {"smtp_url": None if url is None else SecretStr(url), "mail_from": "Hall 1 <hall@tracetrack.example>"}
    return Mailer(database, settings.model_copy(update=update | changes))


def ask_for(
    warehouse: Warehouse, event_key: str = "event-1", kind: str = "notification", fields: Any = None, who: str = WHO
) -> None:
    with warehouse.database.transaction() as connection:
        request_mail(connection, kind=kind, recipient=who, fields=fields or TOLD, event_key=event_key)


def mail(warehouse: Warehouse) -> dict[str, Any]:
    return warehouse.row("SELECT *, next_at - now() > interval '20 s' AS waits FROM mail")


def make_due(warehouse: Warehouse) -> None:
    warehouse.change("UPDATE mail SET next_at = now()")


def failed(warehouse: Warehouse) -> list[str]:
    return [row["reason"] for row in warehouse.rows("SELECT reason FROM failed_work WHERE queue = 'mail'")]


def test_a_mail_is_sent_once_however_often_it_is_asked_for(
    warehouse: Warehouse, mailer: Mailer, server: MailServer
) -> None:
    for _ in range(2):
        ask_for(warehouse)

    assert [mailer.send_due() for _ in range(3)] == [1, 0, 0]

    (message,) = server.mails
    row = mail(warehouse)
    assert (message["To"], message["From"]) == (WHO, "Hall 1 <hall@tracetrack.example>")
    assert message["Message-ID"] == f"<{row['mail_id']}@tracetrack.example>"
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "Two sacks\n.\nare missing" in text.get_content().replace("\r\n", "\n")
    assert "Sacks &amp; &lt;b&gt;bags&lt;/b&gt;" in html.get_content()
    assert "<b>" not in html.get_content()
    assert (row["state"], row["fields"], row["attempts"]) == ("sent", {}, 1)


def test_a_mail_whose_event_is_rolled_back_is_not_sent(
    warehouse: Warehouse, mailer: Mailer, server: MailServer
) -> None:
    with warehouse.database.transaction() as connection:
        request_mail(connection, kind="notification", recipient=WHO, fields=TOLD, event_key="event-1")
        connection.rollback()

    assert mailer.send_due() == 0
    assert server.mails == []


def test_many_mails_go_over_one_connection_and_past_one_that_is_refused(
    warehouse: Warehouse, mailer: Mailer, server: MailServer
) -> None:
    for number in range(5):
        ask_for(warehouse, f"event-{number}", kind="unheard_of" if number == 2 else "notification")

    assert mailer.send_due() == 4
    assert failed(warehouse) == ["mail_unwritable"]
    assert len(server.mails) == 4


def test_a_refused_recipient_is_given_up_and_shown(warehouse: Warehouse, mailer: Mailer, server: MailServer) -> None:
    server.recipient_answer = "550 no such mailbox"
    ask_for(warehouse)

    assert mailer.send_due() == 0

    assert (mail(warehouse)["state"], mail(warehouse)["detail"]) == ("failed", "550 no such mailbox")
    assert failed(warehouse) == ["mail_refused"]


@pytest.mark.parametrize("where", ["recipient_answer", "data_answer"])
def test_what_the_server_does_not_take_now_is_tried_again_later(
    warehouse: Warehouse, mailer: Mailer, server: MailServer, where: str
) -> None:
    setattr(server, where, "451 come again")
    ask_for(warehouse)
    assert [mailer.send_due() for _ in range(2)] == [0, 0]
    assert (mail(warehouse)["state"], mail(warehouse)["attempts"], mail(warehouse)["waits"]) == ("queued", 1, True)

    setattr(server, where, "250 OK")
    make_due(warehouse)

    assert mailer.send_due() == 1
    assert (len(server.mails), failed(warehouse)) == (1, [])


def test_a_server_that_is_away_is_tried_for_a_day(warehouse: Warehouse, database: Database, settings: Settings) -> None:
    mailer = mailer_to(database, settings, f"smtp+insecure://127.0.0.1:{choose_free()}")
    ask_for(warehouse)
    waited_s = 0.0
    while mail(warehouse)["state"] == "queued":
        assert mailer.send_due() == 0
        waited_s += warehouse.value("SELECT CAST(extract(epoch FROM next_at - now()) AS float) FROM mail")
        make_due(warehouse)

    assert 20 < waited_s / 3600 < 26
    assert failed(warehouse) == ["mail_refused"]
    assert mail(warehouse)["fields"] == TOLD


def test_a_connection_cut_after_the_whole_mail_is_no_reason_for_a_second_copy(
    warehouse: Warehouse, mailer: Mailer, server: MailServer
) -> None:
    server.data_answer = None
    ask_for(warehouse)

    for _ in range(3):
        assert mailer.send_due() == 0
        make_due(warehouse)

    assert len(server.seen) == 1
    assert failed(warehouse) == ["mail_unknown"]
    assert mail(warehouse)["state"] == "failed"


def test_a_worker_killed_while_the_server_has_the_mail_sends_no_second_copy(
    warehouse: Warehouse, settings: Settings, mailer: Mailer, server: MailServer
) -> None:
    ask_for(warehouse)
    server.hold.clear()
    environment = {
        "TRACETRACK_DATABASE_URL": settings.database_url.get_secret_value(),
        "TRACETRACK_REDIS_URL": settings.redis_url.get_secret_value(),
        "TRACETRACK_SMTP_URL": f"smtp+insecure://127.0.0.1:{server.port}",
    }
    with subprocess.Popen([sys.executable, "-c", SEND], env=environment) as worker:  # noqa: S603 - this Python
        eventually(lambda: server.seen)
        worker.send_signal(signal.SIGKILL)
    server.hold.set()

    assert mailer.send_due() == 0  # nobody knows yet that it died
    assert mail(warehouse)["state"] == "sending"
    make_due(warehouse)
    assert mailer.send_due() == 0

    assert (len(server.seen), failed(warehouse)) == (1, ["mail_unknown"])


def test_a_worker_killed_before_the_server_had_the_mail_sends_it_later(
    warehouse: Warehouse, database: Database, mailer: Mailer, server: MailServer
) -> None:
    ask_for(warehouse)
    with database.transaction() as connection:
        assert outbox.claim(connection, warehouse.value("SELECT interval '10 min'")) is not None  # and then it dies

    assert mailer.send_due() == 0
    make_due(warehouse)

    assert (mailer.send_due(), len(server.mails)) == (1, 1)


def test_a_worker_that_was_held_up_for_too_long_leaves_the_mail_to_the_next(
    warehouse: Warehouse, database: Database, server: MailServer, mailer: Mailer
) -> None:
    ask_for(warehouse)
    with database.transaction() as connection:
        row = outbox.claim(connection, warehouse.value("SELECT interval '0'"))
    assert row is not None
    assert mailer.send_due() == 1

    with database.transaction() as connection:
        assert outbox.start_sending(connection, row.mail_id, row.attempts) is False
    assert len(server.mails) == 1


def test_a_reset_token_is_erased_once_it_was_sent_or_given_up(
    warehouse: Warehouse, mailer: Mailer, server: MailServer
) -> None:
    fields = {"username": "asha", "token": "tt-secret"}
    ask_for(warehouse, "reset-1", "password_reset", fields)
    assert mailer.send_due() == 1
    assert "tt-secret" in server.mails[0].as_string()

    server.recipient_answer = "550 no"
    ask_for(warehouse, "reset-2", "password_reset", fields)
    assert mailer.send_due() == 0

    assert "tt-secret" not in str(warehouse.rows("SELECT * FROM mail"))
    assert "tt-secret" not in str(warehouse.rows("SELECT * FROM failed_work"))


@pytest.mark.parametrize(
    "who",
    [
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com\n",
        "a@example.com,b@example.com",
        "A <a@example.com>",
        "a@example.com b@example.com",
        '"a b"@example.com',
        "a",
        "",
    ],
)
def test_what_is_not_one_address_is_refused_as_a_recipient(warehouse: Warehouse, who: str) -> None:
    with pytest.raises(InvalidInputError):
        ask_for(warehouse, who=who)

    assert warehouse.rows("SELECT * FROM mail") == []


@pytest.mark.parametrize("breach", ["Sacks\r\nBcc: b@example.com", "Sacks\nX: y", "Sacks\rX: y"])
def test_a_line_break_in_a_subject_is_refused(
    warehouse: Warehouse, mailer: Mailer, server: MailServer, breach: str
) -> None:
    ask_for(warehouse, fields={"title": breach, "body": "…"})

    assert mailer.send_due() == 0
    assert (server.seen, failed(warehouse)) == ([], ["mail_unwritable"])


def test_every_letter_says_what_it_is_given_and_misses_what_it_is_not(warehouse: Warehouse) -> None:
    common = {"recipient": WHO, "sender": "t@example.com", "mail_id": warehouse.value("SELECT uuidv7()")}
    common["created_at"] = warehouse.value("SELECT now()")
    for kind, letter in LETTERS.items():
        names = letter.text.get_identifiers()
        message = write_letter(kind=kind, fields={name: f"[{name}]" for name in names}, **common)
        assert all(message.as_string().count(f"[{name}]") >= 2 for name in names)
        with pytest.raises(UnwritableLetterError, match="needs"):
            write_letter(kind=kind, fields={}, **common)


def test_without_a_server_mail_is_written_to_files(
    warehouse: Warehouse, database: Database, settings: Settings, tmp_path: Path
) -> None:
    mailer = mailer_to(database, settings, None, state_dir=tmp_path)
    ask_for(warehouse)

    assert [mailer.send_due() for _ in range(2)] == [1, 0]

    (path,) = (tmp_path / "outbox").iterdir()
    assert path.name == f"{mail(warehouse)['mail_id']}.eml"
    assert message_from_bytes(path.read_bytes(), policy=default)["To"] == WHO


def test_a_folder_that_cannot_be_written_is_tried_again(
    warehouse: Warehouse, database: Database, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "outbox").write_text("in the way")
    ask_for(warehouse)

    assert mailer_to(database, settings, None, state_dir=tmp_path).send_due() == 0
    assert mail(warehouse)["state"] == "queued"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for 127.0.0.1 that signs itself; give the file with it and its key."""
    path = tmp_path / "server.pem"
    subprocess.run(  # noqa: S603 - made here, for this test
        [
            *(str(shutil.which("openssl")), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", str(path), "-out", str(tmp_path / "cert.pem")),
            *("-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    return path


def test_a_login_goes_over_tls_to_the_server_that_was_meant_and_to_no_other(
    warehouse: Warehouse, database: Database, settings: Settings, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with MailServer(tls=context, login=("asha", "p@ss word")) as server:
        mailer = mailer_to(database, settings, f"smtp://asha:p%40ss%20word@127.0.0.1:{server.port}")
        ask_for(warehouse)

        assert mailer.send_due() == 0  # nobody vouches for its certificate
        assert "certificate" in mail(warehouse)["detail"]

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        make_due(warehouse)
        assert mailer.send_due() == 1
        assert len(server.mails) == 1


def test_a_server_without_tls_gets_no_mail_where_tls_is_wanted(
    warehouse: Warehouse, database: Database, settings: Settings, server: MailServer
) -> None:
    ask_for(warehouse)

    assert mailer_to(database, settings, f"smtp://asha:secret@127.0.0.1:{server.port}").send_due() == 0

    assert (server.seen, mail(warehouse)["state"]) == ([], "queued")
    assert "secret" not in mail(warehouse)["detail"]
