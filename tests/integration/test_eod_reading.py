"""A day's revisions as a list, and summaries that are not sent again to who has them."""

import csv
import io
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from tests.support.eod_summaries import make, writing
from tests.support.gateway import Api, problem_of
from tests.support.scans import INDORE, LUCKNOW
from tracetrack_common.settings import Settings

NIGHT_OF = timedelta(hours=18, minutes=45)
_days = itertools.count(1)
_codes = itertools.count(96_000)


@pytest.fixture
def day(api: Api, settings: Settings) -> date:
    """Give a day with three revisions: a preliminary one, the night's, and one for what came late."""
    day = date(2026, 2, next(_days))
    night = datetime(day.year, day.month, day.day, tzinfo=UTC) + NIGHT_OF
    database, gun, biller = api.warehouse.database, f"revisions-gun-{day}", f"revisions_{day.day}"
    with writing(database) as history:
        history.enrol(gun, "lucknow")
        history.hire(biller)
    make(database, settings, "lucknow", day, night - timedelta(hours=3))
    make(database, settings, "lucknow", day, night)
    with writing(database) as history:
        history.open_bill(f"LATE-{day.day}", "lucknow", at=night - timedelta(hours=6), by=biller)
        for _ in range(2):
            late = night + timedelta(hours=2)
            history.register(f"SB{next(_codes)}", at=night - timedelta(hours=5), device=gun, received=late)
    make(database, settings, "lucknow", day, night + timedelta(hours=3))
    return day


@pytest.fixture
def dispatcher(api: Api) -> Iterator[httpx.Client]:
    with api.person("dispatcher", LUCKNOW) as client:
        yield client


def test_the_revisions_are_listed_newest_first_with_what_each_changed(dispatcher: httpx.Client, day: date) -> None:
    answer = dispatcher.get(f"/api/v1/eod/{day}/revisions", params={"area": "lucknow"}).raise_for_status().json()

    third, second, first = answer["items"]
    assert [each["revision"] for each in (third, second, first)] == [3, 2, 1]
    assert [each["preliminary"] for each in (third, second, first)] == [False, False, True]
    changes = dispatcher.get(f"/api/v1/eod/{day}", params={"area": "lucknow"}).json()["changes"]
    assert (third["since_revision"], third["late_scans"], third["bills_changed"]) == (2, 2, 1)
    assert third["figures_changed"] == len(changes["figures"]) > 0
    counts = ("figures_changed", "bills_changed", "late_scans", "late_commands")
    assert [second[count] for count in counts] == [0, 0, 0, 0]
    assert [first[count] for count in ("since_revision", *counts)] == [None] * 5
    assert answer["next_cursor"] is None


def test_they_come_in_pages_and_as_csv(dispatcher: httpx.Client, day: date) -> None:
    url = f"/api/v1/eod/{day}/revisions"
    page = dispatcher.get(url, params={"area": "lucknow", "limit": 2}).json()
    rest = dispatcher.get(url, params={"area": "lucknow", "limit": 2, "cursor": page["next_cursor"]}).json()
    text = dispatcher.get(url, params={"area": "lucknow"}, headers={"Accept": "text/csv"}).raise_for_status().text

    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [each["revision"] for each in (*page["items"], *rest["items"])] == [3, 2, 1]
    assert rest["next_cursor"] is None
    assert [(row["revision"], row["late_scans"]) for row in rows] == [("3", "2"), ("2", "0"), ("1", "")]
    problem_of(dispatcher.get(url, params={"area": "lucknow", "cursor": "third"}), 422)


def test_revisions_of_another_area_or_of_a_day_without_any_are_not_there(api: Api, day: date) -> None:
    with api.person("dispatcher", INDORE) as foreign, api.person() as biller:
        for area in ("lucknow", "all"):
            problem_of(foreign.get(f"/api/v1/eod/{day}/revisions", params={"area": area}), 404)
        problem_of(biller.get("/api/v1/eod/2025-01-01/revisions"), 404)
        problem_of(biller.get(f"/api/v1/eod/{day}/revisions", params={"area": "atlantis"}), 404)
    with api.device() as device:
        problem_of(device.get(f"/api/v1/eod/{day}/revisions", params={"area": "lucknow"}), 403)


@pytest.mark.parametrize("form", ["{tag}", "W/{tag}", '"other", {tag}', "*"])
@pytest.mark.parametrize("what", ["", "/document.xlsx"])
def test_who_has_it_is_not_sent_it_again(dispatcher: httpx.Client, day: date, what: str, form: str) -> None:
    url = f"/api/v1/eod/{day}{what}?area=lucknow"
    tag = dispatcher.get(url).raise_for_status().headers["ETag"]

    again = dispatcher.get(url, headers={"If-None-Match": form.format(tag=tag)})

    assert (again.status_code, again.content, again.headers["ETag"]) == (httpx.codes.NOT_MODIFIED, b"", tag)


@pytest.mark.parametrize("what", ["", "/document.xlsx"])
def test_another_revision_has_another_tag(dispatcher: httpx.Client, day: date, what: str) -> None:
    url = f"/api/v1/eod/{day}{what}?area=lucknow"
    tags = [dispatcher.get(f"{url}&revision={revision}").headers["ETag"] for revision in (1, 2, 3)]

    assert len(set(tags)) == len(tags)
    assert all(tag.startswith('"') for tag in tags)
    newest = dispatcher.get(url, headers={"If-None-Match": ", ".join(tags[:2])})
    assert (newest.status_code, newest.headers["ETag"]) == (httpx.codes.OK, tags[2])


def test_a_tag_opens_no_other_area(api: Api, dispatcher: httpx.Client, day: date) -> None:
    url = f"/api/v1/eod/{day}?area=lucknow"
    tag = dispatcher.get(url).headers["ETag"]

    with api.person("dispatcher", INDORE) as foreign:
        problem_of(foreign.get(url, headers={"If-None-Match": tag}), 404)
        problem_of(foreign.get(url, headers={"If-None-Match": "*"}), 404)
