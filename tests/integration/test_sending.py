"""Sending: billers get their own bills, admins everything, each revision once, whatever happens on the way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.eod_summaries import make, writing
from tests.support.mail_server import MailServer
from tests.support.warehouse import Warehouse
from tracetrack_common import audit
from tracetrack_common.commands import CommandExecutor
from tracetrack_common.db.session import Database
from tracetrack_common.nights import list_nights
from tracetrack_common.settings import Settings
from tracetrack_report_worker import printing, sending
from tracetrack_report_worker.mail import Mailer

DAY = date(2026, 3, 2)
START = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
END = START + timedelta(days=1)
NIGHT = END + timedelta(minutes=15)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


@pytest.fixture
def mailer(database: Database, settings: Settings, server: MailServer) -> Mailer:
    url = SecretStr(f"smtp+insecure://127.0.0.1:{server.port}")
    return Mailer(database, settings.model_copy(update={"smtp_url": url, "mail_from": "hall@tracetrack.example"}))


@pytest.fixture
def worked(warehouse: Warehouse) -> Warehouse:
    """Give a day with bills by asha and by vera, an admin, and none by ravi."""
    with writing(warehouse.database) as history:
        history.enrol("ako-1", "akola")
        for name, role in (("asha", "biller"), ("ravi", "biller"), ("vera", "admin"), ("olga", "operator")):
            history.hire(name, role)
        history.open_bill("A-1", "akola", at=START + timedelta(hours=8), by="asha", destination="<b>लखनऊ</b>")
        history.open_bill("V-1", "akola", at=START + timedelta(hours=8), by="vera")
        history.fill("SB00001", 4, at=START + timedelta(hours=9), device="ako-1")
        history.load("SB00001", "A-1", at=START + timedelta(hours=10), device="ako-1")
    warehouse.change("UPDATE app_user SET email = username || '@warehouse.example'")
    return warehouse


@pytest.fixture
def night(worked: Warehouse, settings: Settings) -> Warehouse:
    """Give the same after the night's run."""
    make(worked.database, settings, None, DAY, NIGHT)
    printing.print_missing(worked.database)
    return worked


def send(warehouse: Warehouse, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """Have an admin send the day's summary."""
    executor = CommandExecutor(warehouse.database, queue="reports", handlers={"eod.send": sending.send})
    wanted = {"date": DAY.isoformat(), "recipients": None, "again": False} | arguments
    return executor.once(warehouse.command("eod.send", wanted, by=warehouse.biller))


def sendings(warehouse: Warehouse) -> list[tuple[str, str]]:
    rows = warehouse.rows("SELECT recipient, state FROM eod_sending JOIN mail USING (mail_id) ORDER BY recipient")
    return [(row["recipient"].removesuffix("@warehouse.example"), row["state"]) for row in rows]


def make_due(warehouse: Warehouse) -> None:
    warehouse.change("UPDATE mail SET next_at = now()")


def test_billers_get_their_own_part_and_admins_everything(night: Warehouse, mailer: Mailer, server: MailServer) -> None:
    assert sending.send_out(night.database, now=NIGHT) == 2
    assert mailer.send_due() == 2

    mails = {message["To"].removesuffix("@warehouse.example"): message for message in server.mails}
    assert set(mails) == {"asha", "vera"}
    for name, has, has_not in (("asha", "A-1", "V-1"), ("vera", "V-1", "nothing")):
        page, plain = (mails[name].get_body((kind,)) for kind in ("html", "plain"))
        assert page is not None
        assert plain is not None
        assert has in page.get_content()
        assert has in plain.get_content()
        assert has_not not in page.get_content()
        assert "&lt;b&gt;लखनऊ&lt;/b&gt;" in page.get_content()
        files = [each.get_filename() for each in mails[name].iter_attachments()]
        of = "all" if name == "vera" else name
        assert files == [f"eod-2026-03-02-{of}-r1.pdf", f"eod-2026-03-02-{of}-r1.xlsx"]
    assert mails["vera"]["Subject"] == "TraceTrack: End of day 2026-03-02, all areas, revision 1"
    with night.database.snapshot() as connection:
        assert list(audit.find_broken_rows(connection)) == []


def test_the_status_of_the_night_says_how_many_mails_left(night: Warehouse, mailer: Mailer, settings: Settings) -> None:
    def mails_of(area: str) -> tuple[int | None, int | None]:
        with night.database.snapshot() as connection:
            nights = list_nights(connection, settings, now=NIGHT, days=1)
        (found,) = [each for each in nights if each.area == area]
        return found.mails, found.mails_sent

    night.change("UPDATE area SET created_at = :at", at=START)
    assert mails_of("all") == (0, 0)
    sending.send_out(night.database, now=NIGHT)
    mailed = len(sendings(night))
    assert mails_of("all") == (mailed, 0)
    mailer.send_due()
    assert mails_of("all") == (mailed, mailed)
    assert mails_of("akola") == (None, None)


def test_what_admins_get_is_what_everybody_downloads(night: Warehouse, mailer: Mailer, server: MailServer) -> None:
    sending.send_out(night.database, now=NIGHT)
    mailer.send_due()

    (whole,) = (message for message in server.mails if message["To"].startswith("vera"))
    stored = night.rows("SELECT content FROM eod_document WHERE format IN ('pdf', 'xlsx') ORDER BY format")
    assert [each.get_content() for each in whole.iter_attachments()] == [bytes(row["content"]) for row in stored]


def test_each_recipient_gets_each_revision_once(
    night: Warehouse, settings: Settings, mailer: Mailer, server: MailServer
) -> None:
    for _ in range(3):
        sending.send_out(night.database, now=NIGHT)
        mailer.send_due()
    assert send(night)[1] == {"revision": 1, "asked": [], "had_it": ["asha", "vera"]}
    assert mailer.send_due() == 0
    assert len(server.mails) == 2

    with writing(night.database) as history:
        history.put("LATE", "SB00001", at=END - timedelta(hours=1), device="ako-1", received=NIGHT)
    make(night.database, settings, None, DAY, NIGHT + timedelta(hours=1))
    assert sending.send_out(night.database, now=NIGHT) == 2
    assert mailer.send_due() == 2
    assert len(server.mails) == 4


def test_two_workers_at_once_ask_for_one_mail_each(night: Warehouse) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = list(pool.map(lambda _: sending.send_out(night.database, now=NIGHT), range(4)))

    assert sum(asked) == 2
    assert sendings(night) == [("asha", "queued"), ("vera", "queued")]


def test_a_crash_before_the_commit_leaves_nothing_and_the_next_run_sends(
    night: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(audit, "append", lambda *_args, **_more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sending.send_out(night.database, now=NIGHT)
    assert sendings(night) == []

    assert sending.send_out(night.database, now=NIGHT) == 2


def test_a_preliminary_summary_and_one_that_was_overtaken_are_not_sent(worked: Warehouse, settings: Settings) -> None:
    make(worked.database, settings, None, DAY, END - timedelta(hours=1))
    assert sending.send_out(worked.database, now=NIGHT) == 0

    make(worked.database, settings, None, DAY, NIGHT)
    with writing(worked.database) as history:
        history.put("LATE", "SB00001", at=END - timedelta(hours=1), device="ako-1", received=NIGHT)
    make(worked.database, settings, None, DAY, NIGHT + timedelta(hours=1))

    assert sending.send_out(worked.database, now=NIGHT) == 2
    assert worked.value("SELECT array_agg(DISTINCT revision) FROM eod_sending JOIN eod_summary USING (summary_id)") == [
        3
    ]


def test_not_now_is_tried_again_and_never_is_shown(night: Warehouse, mailer: Mailer, server: MailServer) -> None:
    sending.send_out(night.database, now=NIGHT)
    server.recipient_answer = "451 come again"
    assert mailer.send_due() == 0
    assert sendings(night) == [("asha", "queued"), ("vera", "queued")]

    server.recipient_answer = "550 no such mailbox"
    night.change("UPDATE mail SET next_at = now() WHERE recipient LIKE 'asha%'")
    assert mailer.send_due() == 0
    server.recipient_answer = "250 OK"
    make_due(night)
    assert mailer.send_due() == 1

    assert sendings(night) == [("asha", "failed"), ("vera", "sent")]
    assert night.value("SELECT reason FROM failed_work WHERE queue = 'mail'") == "mail_refused"


def test_a_connection_cut_after_the_whole_mail_sends_no_second_copy(
    night: Warehouse, mailer: Mailer, server: MailServer
) -> None:
    sending.send_out(night.database, now=NIGHT)
    server.data_answer = None
    for _ in range(4):
        mailer.send_due()
        make_due(night)
        sending.send_out(night.database, now=NIGHT)

    assert len(server.seen) == 2
    assert sendings(night) == [("asha", "failed"), ("vera", "failed")]


def test_an_admin_sends_once_more_and_the_same_command_twice_is_one_copy(
    night: Warehouse, mailer: Mailer, server: MailServer
) -> None:
    sending.send_out(night.database, now=NIGHT)
    command = night.command(
        "eod.send", {"date": DAY.isoformat(), "recipients": ["Asha"], "again": True}, by=night.biller
    )
    for _ in range(2):
        with night.database.transaction() as connection:
            sending.send(connection, command)

    assert mailer.send_due() == 3
    assert [message["To"] for message in server.mails].count("asha@warehouse.example") == 2
    assert night.value("SELECT count(*) FROM audit_log WHERE action = 'eod.send'") == 2


@pytest.mark.parametrize("name", ["ravi", "olga", "nobody"])
def test_who_gets_none_of_it_cannot_be_sent_it(night: Warehouse, name: str) -> None:
    status, outcome = send(night, recipients=[name])

    assert (status, outcome["code"]) == ("refused", "invalid_input")
    assert sendings(night) == []


def test_a_preview_is_the_mail_and_sends_nothing(night: Warehouse, mailer: Mailer, server: MailServer) -> None:
    command = night.command("eod.preview", {"date": DAY.isoformat(), "recipient": "asha"}, by=night.biller)
    shown = sending.preview(night.database, command)
    assert sendings(night) == []

    sending.send_out(night.database, now=NIGHT)
    mailer.send_due()

    (mail,) = (message for message in server.mails if message["To"].startswith("asha"))
    page = mail.get_body(("html",))
    assert page is not None
    assert page.get_content().split() == shown["html"].split()
    assert mail["Subject"] == f"TraceTrack: {shown['subject']}"
    assert [each["name"] for each in shown["attachments"]] == [each.get_filename() for each in mail.iter_attachments()]
