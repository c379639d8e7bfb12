"""What one revision of a summary has that the one before had not, and why (domain.md, End of day).

Pure: two contents and the commands that came late go in, a list goes out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Content = Mapping[str, Any]

_PARTS = ("scans", "bills", "exceptions")


def list_changes(before: Content, after: Content, late_commands: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Tell what changed from one revision to the next.

    Parameters
    ----------
    before, after
        The content of the one, and the figures of the other.
    late_commands
        What people did in the window and what was done only after the revision before was read.

    Returns
    -------
    dict
        ``since_revision``; ``figures``: ``figure`` (its path), ``before``, ``after``; ``bills``: ``bill_no``,
        ``change`` (added, removed, changed) and ``fields`` with what was before and after; ``late_scans``: by device
        and area, how many ``scans`` came; ``late_commands``, as given.
    """
    return {
        "since_revision": before["revision"],
        "figures": list(_changed_figures(before, after)),
        "bills": list(_changed_bills(before["bills"]["list"], after["bills"]["list"])),
        "late_scans": list(_late_scans(before, after)),
        "late_commands": list(late_commands),
    }


def _changed_figures(before: Content, after: Content) -> Iterator[dict[str, Any]]:
    old, new = dict(_figures_of(before)), dict(_figures_of(after))
    for figure in {**old, **new}:
        if old.get(figure, 0) != new.get(figure, 0):
            yield {"figure": figure, "before": old.get(figure, 0), "after": new.get(figure, 0)}


def _figures_of(content: Content) -> Iterator[tuple[str, int]]:
    for part in _PARTS:
        yield from _numbers_of(part, content[part])


def _numbers_of(path: str, value: Any) -> Iterator[tuple[str, int]]:
    """Give the numbers below a path; of a list of exceptions, how many there are."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _numbers_of(f"{path}.{name}", below)
    elif isinstance(value, int):
        yield path, value
    elif isinstance(value, list) and path.startswith("exceptions."):
        yield path, len(value)


def _changed_bills(before: Sequence[Content], after: Sequence[Content]) -> Iterator[dict[str, Any]]:
    old, new = ({bill["bill_no"]: bill for bill in bills} for bills in (before, after))
    for bill_no in sorted({*old, *new}):
        was, now = old.get(bill_no, {}), new.get(bill_no, {})
        fields = {
            name: {"before": was.get(name), "after": now.get(name)}
            for name in {**was, **now}
            if was.get(name) != now.get(name) and name != "bill_no"
        }
        if fields:
            change = "changed" if was and now else "added" if now else "removed"
            yield {"bill_no": bill_no, "change": change, "fields": fields}


def _late_scans(before: Content, after: Content) -> Iterator[dict[str, Any]]:
    old, new = (
        {(row["area"], row["device"]): row["scans"] for row in content["scans"]["by_device"]}
        for content in (before, after)
    )
    for (area, device), scans in new.items():
        if (more := scans - old.get((area, device), 0)) > 0:
            yield {"device": device, "area": area, "scans": more}
