"""The form of the examples in `tests/support/outcomes.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.scans import LUCKNOW
from tracetrack_common.domain.scans import Result, Scan


@dataclass(frozen=True)
class GivenBill:
    """A bill that an example needs.

    Parameters
    ----------
    capacity
        Sacks it has room for.
    area_id
        Where it is.
    completed
        Whether it is completed once the given scans are applied.
    """

    capacity: int = 5
    area_id: int = LUCKNOW
    completed: bool = False


@dataclass(frozen=True)
class GivenReturn:
    """A return that an example needs.

    Parameters
    ----------
    area_id
        Where it is.
    committed
        Whether it is committed once the given scans are applied.
    """

    area_id: int = LUCKNOW
    committed: bool = False


@dataclass(frozen=True)
class Example:
    """A scan, what went before it, and what must become of it.

    Parameters
    ----------
    name
        The case in words.
    scan
        The scan.
    expected
        Its result.
    given
        Scans applied before.
    bills, returns
        By number.
    """

    name: str
    scan: Scan
    expected: Result
    given: Sequence[Scan] = ()
    bills: Mapping[str, GivenBill] = field(default_factory=dict)
    returns: Mapping[str, GivenReturn] = field(default_factory=dict)
