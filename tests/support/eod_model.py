"""Random histories, and what a summary must say of them: found by doing the events again, not from intervals."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.eod_history import CHILD_WEIGHT_G, History

AREAS = ("akola", "jaipur", "ranchi")
BILLERS = ("asha", "ravi")
RETURN_NO = "RTN-20260301-0001"
DESTINATIONS = ("Agra", "Delhi", "Pune")
OPEN_BILLS_KEPT = 3
"""Fewer are not deleted, so that there is something to load."""
CAPACITY = 5
"""Of a sack: small, so that many fill up."""


@dataclass(frozen=True)
class Event:
    """What happened: a verb, what it was done to, and who did it.

    Parameters
    ----------
    verb, at, area
        What was done, when, and where.
    subject, target
        What it was done to, and what that belongs to.
    by
        The device; of a bill, the biller. Without one, a person without an area put a sack on a bill.
    outcome
        Of the scan.
    left
        The bill that a sack left that was returned or taken off.
    capacity
        Of the bill, when it says one.
    """

    verb: str
    at: datetime
    area: str
    subject: str
    target: str = ""
    by: str = ""
    outcome: str = "applied"
    left: str = ""
    capacity: int = 0

    @property
    def kind(self) -> str | None:
        """The kind of scan it is; None for what a command did."""
        return {"register": "parent", "put": "child", "load": "bill", "take_back": "return", "refuse": "child"}.get(
            self.verb
        )


@dataclass
class Warehouse:
    """The state that events lead to."""

    sacks: dict[str, set[str]] = field(default_factory=dict)
    area_of: dict[str, str] = field(default_factory=dict)
    inside: dict[str, str] = field(default_factory=dict)
    on_bill: dict[str, str] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    opened: dict[str, Event] = field(default_factory=dict)
    said: dict[str, tuple[str, int]] = field(default_factory=dict)

    def apply(self, event: Event) -> None:  # noqa: C901 - a case for each verb
        """Do an event."""
        subject, target = event.subject, event.target
        match event.verb:
            case "register":
                self._know(subject, event.area)
            case "put":
                self._know(target, event.area)
                self.sacks[target].add(subject)
                self.inside[subject] = target
            case "take_out":
                self.sacks[self.inside.pop(subject)].remove(subject)
            case "open_bill":
                self.status[subject] = "new"
                self.opened[subject] = event
                self.said[subject] = (target, event.capacity)
            case "edit":
                self.said[subject] = (target, event.capacity)
            case "load":
                self.on_bill[subject] = target
                self.status[target] = "processing"
            case "take_back" | "detach":
                self.on_bill.pop(subject, None)
            case "complete":
                self.status[subject] = "completed"
            case "reopen":
                self.status[subject] = "processing"
            case "delete":
                for known in (self.status, self.opened, self.said):
                    known.pop(subject)
                self.on_bill = {sack: bill for sack, bill in self.on_bill.items() if bill != subject}

    def _know(self, sack: str, area: str) -> None:
        if sack not in self.sacks:
            self.sacks[sack] = set()
            self.area_of[sack] = area


class Chance:
    """Draws the events of a stretch of time, each possible when its turn comes.

    Parameters
    ----------
    seed
        Of the random numbers.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a test's dice
        self._warehouse = Warehouse()
        self._number = 0

    def draw(self, start: datetime, end: datetime, events: int) -> list[Event]:
        """Give so many events, in the order of their times."""
        times = sorted(
            start + timedelta(seconds=self._random.randrange(int((end - start).total_seconds()))) for _ in range(events)
        )
        drawn = []
        for at in times:
            event = self._draw_one(at)
            self._warehouse.apply(event)
            drawn.append(event)
        return drawn

    def _draw_one(self, at: datetime) -> Event:
        house, pick = self._warehouse, self._random.choice
        area = pick(AREAS)
        self._number += 1
        number = f"{self._number:05d}"
        open_bills = [bill for bill, status in house.status.items() if status != "completed"]
        roomy = [s for s, held in house.sacks.items() if len(held) < CAPACITY and self._takes_children(s)]
        completed = [bill for bill, status in house.status.items() if status == "completed"]
        detachable = [sack for sack, bill in house.on_bill.items() if bill in open_bills]
        unbilled = [sack for sack in house.sacks if sack not in house.on_bill]
        possible: list[tuple[int, bool, Callable[[], Event]]] = [
            (2, True, lambda: Event("register", at, area, f"SB{number}", by=f"{area}-gun")),
            (1, True, lambda: Event("put", at, area, f"C{number}", f"SB{number}", by=f"{area}-gun")),
            (9, bool(roomy), lambda: Event("put", at, area, f"C{number}", pick(roomy[-4:]), by=f"{area}-gun")),
            (1, bool(house.inside), lambda: Event("take_out", at, area, pick(list(house.inside)))),
            (1, True, lambda: self._say("open_bill", at, area, f"B-{number}", by=pick(BILLERS))),
            (1, bool(open_bills), lambda: self._say("edit", at, area, pick(open_bills))),
            (1, bool(detachable), lambda: self._detach(at, area, pick(detachable))),
            (1, bool(completed), lambda: Event("reopen", at, area, pick(completed))),
            (1, len(open_bills) > OPEN_BILLS_KEPT, lambda: Event("delete", at, area, pick(open_bills))),
            (3, bool(open_bills and unbilled), lambda: self._load(at, area, pick(unbilled), pick(open_bills))),
            (1, bool(house.on_bill), lambda: self._take_back(at, area, pick(list(house.on_bill)))),
            (1, bool(open_bills), lambda: Event("complete", at, area, pick(open_bills))),
            (2, True, lambda: self._refuse(at, area, f"X{number}")),
        ]
        weights = [weight * allowed for weight, allowed, _ in possible]
        (_, _, make), *_ = self._random.choices(possible, weights)
        return make()

    def _takes_children(self, sack: str) -> bool:
        bill = self._warehouse.on_bill.get(sack)
        return bill is None or self._warehouse.status[bill] != "completed"

    def _say(self, verb: str, at: datetime, area: str, bill: str, by: str = "") -> Event:
        capacity = self._random.randrange(100, 501)
        return Event(verb, at, area, bill, self._random.choice(DESTINATIONS), by=by, capacity=capacity)

    def _detach(self, at: datetime, area: str, sack: str) -> Event:
        return Event("detach", at, area, sack, left=self._warehouse.on_bill[sack])

    def _load(self, at: datetime, area: str, sack: str, bill: str) -> Event:
        by_hand = self._random.random() < 0.2
        return Event("load", at, area, sack, bill, by="" if by_hand else f"{area}-gun")

    def _take_back(self, at: datetime, area: str, sack: str) -> Event:
        left = self._warehouse.on_bill[sack]
        return Event("take_back", at, area, sack, RETURN_NO, by=f"{area}-gun", left=left)

    def _refuse(self, at: datetime, area: str, code: str) -> Event:
        outcome = self._random.choice(("invalid_code", "parent_full", "wrong_bag_type", "duplicate"))
        return Event("refuse", at, area, code, "SB99999", by=f"{area}-gun", outcome=outcome)


def write_events(history: History, events: Iterable[Event]) -> None:  # noqa: C901, PLR0912 - a case for each verb
    """Write events to the tables."""
    for event in events:
        actor: dict[str, Any] = {"device": event.by} if event.by else {"person": BILLERS[0]}
        match event.verb:
            case "register":
                history.register(event.subject, at=event.at, device=event.by)
            case "put":
                history.put(event.subject, event.target, at=event.at, device=event.by)
            case "take_out":
                history.take_out(event.subject, at=event.at)
            case "open_bill":
                history.open_bill(
                    event.subject,
                    event.area,
                    at=event.at,
                    by=event.by,
                    capacity=event.capacity,
                    destination=event.target,
                )
            case "edit":
                history.edit_bill(event.subject, at=event.at, destination=event.target, capacity=event.capacity)
            case "detach":
                history.detach(event.subject, at=event.at)
            case "delete":
                history.delete_bill(event.subject, at=event.at)
            case "reopen":
                history.turn_bill(event.subject, "processing", at=event.at)
            case "load":
                history.load(event.subject, event.target, at=event.at, **actor)
            case "take_back":
                history.take_back(event.subject, event.target, at=event.at, device=event.by)
            case "complete":
                history.turn_bill(event.subject, "completed", at=event.at)
            case "refuse":
                history.scan("child", event.subject, event.target, at=event.at, outcome=event.outcome, device=event.by)


def expect(events: Iterable[Event], start: datetime, end: datetime, zone: str, area: str | None) -> dict[str, Any]:
    """Tell what the summary of a window must say, gaps left out."""
    house = Warehouse()
    happened: list[Event] = []
    today: list[Event] = []
    registered: Counter[str] = Counter()
    for event in events:
        if event.at >= end:
            break
        sacks_before = len(house.sacks)
        house.apply(event)
        happened.append(event)
        if event.at >= start:
            today.append(event)
            registered[event.area] += len(house.sacks) - sacks_before

    def counts(place: str) -> bool:
        return area in (None, place)

    areas_of_bills = {event.subject: event.area for event in happened if event.verb == "open_bill"}
    scans = [
        (event, event.area if event.by else areas_of_bills[event.target]) for event in today if event.kind is not None
    ]
    scans = [(event, place) for event, place in scans if counts(place)]
    return {
        "scans": _expect_scans(scans, ZoneInfo(zone))
        | {"sacks_registered": sum(number for place, number in registered.items() if counts(place))},
        "bills": _expect_bills(house, today, counts),
        "sacks": _expect_sacks(house, today, counts),
    }


def _expect_scans(scans: list[tuple[Event, str]], zone: ZoneInfo) -> dict[str, Any]:
    outcomes = Counter(event.outcome for event, _ in scans)
    applied = Counter(event.at.astimezone(zone).hour for event, _ in scans if event.outcome == "applied")
    hours = Counter(event.at.astimezone(zone).hour for event, _ in scans)
    verbs = Counter((event.verb, event.at.astimezone(zone).hour) for event, _ in scans)
    devices = Counter((place, event.by or None) for event, place in scans)
    return {
        "total": len(scans),
        "applied": outcomes["applied"],
        "already": outcomes["duplicate"],
        "refused": outcomes.total() - outcomes["applied"] - outcomes["duplicate"],
        "by_kind": dict(Counter(event.kind for event, _ in scans)),
        "by_outcome": dict(outcomes),
        "sacks_scanned": sum(event.verb == "register" for event, _ in scans),
        "children_linked": sum(event.verb == "put" for event, _ in scans),
        "by_device": devices,
        "by_hour": [
            {
                "hour": hour,
                "scans": hours[hour],
                "applied": applied[hour],
                "sacks": verbs["register", hour],
                "children": verbs["put", hour],
            }
            for hour in range(24)
        ],
    }


def _expect_bills(house: Warehouse, today: list[Event], counts: Callable[[str], bool]) -> dict[str, dict[str, Any]]:
    touched = {event.target for event in today if event.verb == "load"}
    touched |= {event.subject for event in today if event.verb in {"open_bill", "complete", "reopen"}}
    touched |= {bill for bill, status in house.status.items() if status != "completed"}
    touched |= {event.left for event in today if event.left}
    listed = {}
    for bill, opened in house.opened.items():
        if bill not in touched or not counts(opened.area):
            continue
        sacks = [sack for sack, on in house.on_bill.items() if on == bill]
        children = sum(len(house.sacks[sack]) for sack in sacks)
        listed[bill] = {
            "area": opened.area,
            "created_by": opened.by,
            "created_at": opened.at.isoformat(),
            "destination": house.said[bill][0],
            "capacity": house.said[bill][1],
            "status": house.status[bill],
            "sacks": len(sacks),
            "children": children,
            "actual_g": children * CHILD_WEIGHT_G,
            "expected_g": len(sacks) * CAPACITY * CHILD_WEIGHT_G,
            "variance_g": (children - len(sacks) * CAPACITY) * CHILD_WEIGHT_G,
        }
    return listed


def _expect_sacks(house: Warehouse, today: list[Event], counts: Callable[[str], bool]) -> dict[str, Any]:
    worked_on = {event.target for event in today if event.verb == "put"}
    worked_on |= {event.subject for event in today if event.verb == "register"}
    worked_on = {sack for sack in worked_on if counts(house.area_of[sack])}
    return {
        "sacks_underfilled": {s: len(house.sacks[s]) for s in worked_on if len(house.sacks[s]) < CAPACITY},
        "sacks_full_unbilled": {s for s in worked_on if len(house.sacks[s]) == CAPACITY and s not in house.on_bill},
    }
