"""Columns written as array literals arrive in Postgres as they were, whatever is in them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.support.warehouse import Warehouse
from tracetrack_common.db.arrays import array_literal, text_array_literal, time_array_literal
from tracetrack_common.ids import uuid7

in_one_database = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

storable = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
tricky = st.text(alphabet="{}\",\\ '%:;\t\n$ΩNULnul\N{PILE OF POO}", max_size=12)
moments = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))]),
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2199, 12, 30),  # noqa: DTZ001
)


def send_through(warehouse: Warehouse, literal: str, kind: str) -> list[Any]:
    with warehouse.database.snapshot() as connection:
        return list(connection.scalars(text(f"SELECT unnest(CAST(:v AS {kind}[]))"), {"v": literal}))


@in_one_database
@given(values=st.lists(st.one_of(st.none(), storable, tricky, st.sampled_from(["", "NULL", "null", "{}", '"', "\\"]))))
@example(values=["NULL", None, "", "a,b", '"', "\\", "\\\\", '\\"', "{", "}", " ", "\n"])
def test_any_text_arrives_as_it_was(warehouse: Warehouse, values: Sequence[str | None]) -> None:
    assert send_through(warehouse, text_array_literal(values), "text") == values


@in_one_database
@given(values=st.lists(moments))
def test_any_moment_arrives_as_it_was(warehouse: Warehouse, values: Sequence[datetime]) -> None:
    assert send_through(warehouse, time_array_literal(values), "timestamptz") == values


@in_one_database
@given(values=st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))))
def test_any_number_arrives_as_it_was(warehouse: Warehouse, values: Sequence[int | None]) -> None:
    assert send_through(warehouse, array_literal(values), "bigint") == values


def test_identities_arrive_as_they_were(warehouse: Warehouse) -> None:
    values = [uuid7() for _ in range(100)]

    found = send_through(warehouse, array_literal(values), "uuid")

    assert [UUID(str(each)) for each in found] == values
