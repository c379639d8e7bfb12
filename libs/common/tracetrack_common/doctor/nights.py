"""Nights: summaries that should be there by now."""

from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import EXAMPLES, System
from tracetrack_common.nights import ALL_AREAS, list_late


def check_nights(system: System) -> Examined:
    """See that every end-of-day summary is there by its deadline."""
    late = list_late(system.rows, system.settings, now=system.now())
    if not late:
        return Examined("none late")
    first = "; ".join(f"{each.area or ALL_AREAS} {each.business_date}" for each in late[:EXAMPLES])
    more = "; …" if len(late) > EXAMPLES else ""
    return Examined(
        f"{len(late):,} late", (Finding("summary_late", "eod_summary", f"{len(late):,} summaries: {first}{more}"),)
    )
