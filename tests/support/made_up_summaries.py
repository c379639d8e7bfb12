"""Summaries of days that never were, of any size, as they are stored."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tracetrack_common.domain.business_day import Window
from tracetrack_common.domain.eod import BillFigures, DayBefore, Figures, Gap, SackFigures, ScanCell, count_scans
from tracetrack_common.domain.scans import Kind, Outcome
from tracetrack_report_worker.content import render_figures, render_summary

DAY = date(2026, 3, 2)
START = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
AREAS = ("akola", "bathinda", "hisar", "indore", "jaipur", "lucknow", "raipur", "ranchi", "sangaria", "sri_ganganagar")
DESTINATIONS = (
    "Nagpur",
    "Mandi No. 4, behind the old cotton exchange, Sri Ganganagar, Rajasthan 335001",
    "लखनऊ मंडी, गेट नंबर ३",
    '=HYPERLINK("http://x.example")',
    '#include "/etc/passwd" $ x^2 $ *bold* _it_ `raw` \\ <b>&amp;</b> @ref',
    "Kirana-and-sons-wholesale-store-without-any-blank-in-its-name-at-all",
)


def summary_of(bills: int, *, billers: int = 5, area: str = "all", destination: str | None = None) -> dict[str, Any]:
    """Give the summary of a day with so many bills by so many people; the same one at every call."""
    chance = random.Random(bills)  # noqa: S311 - figures, no secret
    listed = []
    for number in range(bills):
        sacks, capacity = chance.randint(0, 40), 40
        children = sum(chance.randint(20, 30) for _ in range(sacks))
        listed.append(
            BillFigures(
                bill_no=f"BILL-2026-{number:06d}",
                area=AREAS[number % len(AREAS)] if area == "all" else area,
                created_by=f"biller_{number % billers:02d}",
                created_at=START + timedelta(seconds=30 * number),
                destination=destination or DESTINATIONS[number % len(DESTINATIONS)],
                capacity=capacity,
                status=("completed", "processing", "new")[number % 3],
                is_created_today=number % 4 > 0,
                sacks=sacks,
                children=children,
                actual_g=children * 1000,
                expected_g=sacks * 30_000,
            )
        )
    outcomes = (Outcome.APPLIED, Outcome.DUPLICATE, Outcome.INVALID_CODE)
    cells = [
        ScanCell(where, f"{where}-gun-{device}", hour, kind, outcome, chance.randint(1, 30 * (1 + bills // 30)))
        for where in (AREAS if area == "all" else (area,))
        for device in (1, 2)
        for hour in range(7, 21)
        for kind in ((Kind.CHILD, Kind.PARENT) if hour % 3 == 0 else (Kind.CHILD,))
        for outcome in outcomes
    ]
    figures = Figures(
        window=Window(START, START + timedelta(days=1), "Asia/Kolkata"),
        scans=count_scans(cells),
        sacks_registered=bills,
        bills=listed,
        sacks=[SackFigures(f"SB{number:05d}", 20 + number % 12, 30, number % 2 == 0) for number in range(bills // 5)],
        gaps=[Gap("akola-gun-1", 1, 40, 45)] if bills else [],
        comparison={
            name: DayBefore(DAY - timedelta(days=days), 900, 800, 60, 40, 30, 700, days)
            for name, days in (("day_before", 1), ("same_weekday", 7))
        },
    )
    summary = render_summary(
        render_figures(figures),
        area=area,
        business_date=DAY,
        revision=1,
        generated_at=START + timedelta(days=1, minutes=15),
    )
    return summary | {"changes": None}
