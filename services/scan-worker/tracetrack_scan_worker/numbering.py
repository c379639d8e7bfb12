"""Numbers that the system gives: one series a year or day, without holes or doubles."""

from sqlalchemy import Connection, text

_NEXT = text(
    "INSERT INTO number_series (series, last) VALUES (:series, 1)"
    " ON CONFLICT (series) DO UPDATE SET last = number_series.last + 1 RETURNING last"
)


def next_number(connection: Connection, series: str, *, digits: int) -> str:
    """Give the next number of a series; whoever else wants one waits for this transaction.

    Parameters
    ----------
    connection
        Inside a transaction; when that is rolled back, the number is given again.
    series
        For instance ``BILL-2026``.
    digits
        Width of the running part.

    Returns
    -------
    str
        For instance ``BILL-2026-000001``.
    """
    return f"{series}-{connection.execute(_NEXT, {'series': series}).scalar_one():0{digits}d}"
