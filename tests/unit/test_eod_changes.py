"""What a revision says of its change: exactly what differs, and from which devices it came."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tracetrack_report_worker.changes import list_changes

names = st.sampled_from(["a", "b", "c"])
counts = st.dictionaries(names, st.integers(1, 9))
contents = st.builds(
    lambda total, outcomes, devices, bills, late: {
        "revision": 1,
        "scans": {
            "total": total,
            "by_outcome": outcomes,
            "by_device": [{"area": "akola", "device": name, "scans": scans} for name, scans in devices.items()],
        },
        "bills": {"created": len(bills), "list": [{"bill_no": name, "sacks": sacks} for name, sacks in bills.items()]},
        "exceptions": {"late_scans": late, "gaps": [{}] * late},
    },
    st.integers(0, 9),
    counts,
    counts,
    counts,
    st.integers(0, 3),
)


@given(contents)
def test_a_revision_that_is_the_same_changes_nothing(content: dict[str, Any]) -> None:
    changes = list_changes(content, deepcopy(content), [])

    assert changes == {"since_revision": 1, "figures": [], "bills": [], "late_scans": [], "late_commands": []}


@given(contents, contents)
def test_every_figure_that_differs_is_named_with_what_was_before_and_after(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    named = {row["figure"]: (row["before"], row["after"]) for row in list_changes(before, after, [])["figures"]}

    for figure in ("scans.total", "bills.created", "exceptions.late_scans"):
        part, name = figure.split(".")
        pair = (before[part][name], after[part][name])
        assert named.get(figure, pair) == pair
        assert (figure in named) == (pair[0] != pair[1])
    assert all(was != now for was, now in named.values())


@given(contents, contents)
def test_bills_are_added_removed_or_changed_and_the_rest_is_left_out(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    old, new = ({bill["bill_no"]: bill["sacks"] for bill in each["bills"]["list"]} for each in (before, after))

    changed = {row["bill_no"]: row["change"] for row in list_changes(before, after, [])["bills"]}

    assert changed == {
        name: "added" if name not in old else "removed" if name not in new else "changed"
        for name in {*old, *new}
        if old.get(name) != new.get(name)
    }


def test_late_scans_are_counted_by_device_and_late_commands_are_kept() -> None:
    def content(revision: int, **devices: int) -> dict[str, Any]:
        rows = [{"area": "akola", "device": name, "scans": scans} for name, scans in devices.items()]
        return {"revision": revision, "scans": {"by_device": rows}, "bills": {"list": []}, "exceptions": {}}

    command = {"command": "bill.reopen", "by": "asha", "at": "2026-03-02T10:00:00+00:00", "object": "A-1"}

    changes = list_changes(content(3, gun=5, other=2), content(4, gun=8, other=2, third=1), [command])

    assert changes["since_revision"] == 3
    assert changes["late_scans"] == [
        {"device": "gun", "area": "akola", "scans": 3},
        {"device": "third", "area": "akola", "scans": 1},
    ]
    assert changes["late_commands"] == [command]
