"""The book of demo days: which day comes next, and that no day and no code comes twice."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tracetrack_local.demo.codes import CodeRanges
from tracetrack_local.demo.daybook import DayBook, DayEntry, open_alone
from tracetrack_local.errors import LauncherError


def test_each_day_is_used_once_the_most_recent_first(tmp_path: Path) -> None:
    now = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)  # 00:30 on the 24th in the warehouses
    book = DayBook()
    chosen = []
    for _ in range(3):
        day = book.choose_day(now, {date(2026, 11, 22)})
        chosen.append(day)
        book = book.with_day(DayEntry(day=day, scans=500, seed=1, begun_at=now), CodeRanges(wheat=20_100))
        book.save(tmp_path / "days.json")
        book = DayBook.load(tmp_path / "days.json")

    assert chosen == [date(2026, 11, 23), date(2026, 11, 21), date(2026, 11, 20)]
    assert book.next_codes.wheat == 20_100


def test_a_missing_book_is_an_empty_one_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    assert DayBook.load(tmp_path / "days.json") == DayBook()
    (tmp_path / "days.json").write_text("{", encoding="utf-8")
    with pytest.raises(LauncherError, match="damaged"):
        DayBook.load(tmp_path / "days.json")


def test_a_second_demo_on_the_same_state_is_told_to_wait(tmp_path: Path) -> None:
    with (
        open_alone(tmp_path / "demo"),
        pytest.raises(LauncherError, match="Another demo"),
        open_alone(tmp_path / "demo"),
    ):
        pass
    with open_alone(tmp_path / "demo") as path:
        assert path.name == "days.json"
