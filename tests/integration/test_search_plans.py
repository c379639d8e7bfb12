"""Every search is answered from its index: the plans that PostgreSQL makes for what the gateway asks, on many rows."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from tests.bench.warehouse import fill, fill_scans
from tests.support.databases import Databases
from tests.support.plans import Step, blocks_of, plan_of
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings
from tests.support.warehouse import Warehouse
from tracetrack_common.credentials import Principal
from tracetrack_common.db.session import Database
from tracetrack_common.ids import first_uuid7
from tracetrack_gateway.bags import BagQuery, BagSearch
from tracetrack_gateway.history import BagHistory
from tracetrack_gateway.scan_search import ScanQuery, ScanSearch
from tracetrack_gateway.snapshots import Snapshots

BAGS = 105_000
SCANS = 105_000
MANY = 1_000
"""No search may read a table of so many rows whole; partitions of months to come have none."""

BILLER = Principal(kind="user", id=1, name="biller", role="biller", area_id=None, area=None)
DISPATCHER = Principal(kind="user", id=2, name="dispatcher", role="dispatcher", area_id=2, area="indore")
NOW = datetime.now(UTC)
LATER_BAGS = (
    f"{(NOW - timedelta(days=29, hours=6) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)}.900"
)


class Watched(Snapshots):
    """Reads, and keeps the plan of every statement.

    Parameters
    ----------
    database
        What is read.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database, at_once=1, timeout_s=30.0)
        self._database_read = database
        self.steps: list[Step] = []
        self.blocks = 0
        with database.snapshot() as connection:
            large = text("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= :many")
            self._large = frozenset(connection.scalars(large, {"many": MANY}))

    async def read(self, read: Callable[[Connection], Any]) -> Any:
        with self._database_read.snapshot() as connection:
            asked: list[tuple[str, Any]] = []

            def keep(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
                asked.append((statement, parameters))

            event.listen(connection, "before_cursor_execute", keep)
            found = read(connection)
            event.remove(connection, "before_cursor_execute", keep)
            for statement, parameters in asked:
                self.steps += plan_of(connection, statement, parameters)
                self.blocks += blocks_of(connection, statement, parameters)
            return found

    @property
    def indexes(self) -> set[str]:
        """The indexes that were used; holds that nothing large was read whole."""
        assert not [step for step in self.steps if step.kind == "Seq Scan" and step.table in self._large]
        return {step.index_name for step in self.steps if step.index_name}


@pytest.fixture(scope="module")
def reads(servers: EmbeddedServers, databases: Databases) -> Iterator[Watched]:
    with fresh_settings(servers, databases) as settings:
        database = Database(settings, application_name="tests-plans")
        Warehouse(database).person("admin")
        url = settings.database_url.get_secret_value()
        fill(url, BAGS)
        fill_scans(url, SCANS)
        snapshots = Watched(database)
        yield snapshots
        snapshots.close()
        database.close()


@pytest.fixture
def watched(reads: Watched) -> Watched:
    reads.steps, reads.blocks = [], 0
    return reads


@pytest.mark.parametrize("caller", [BILLER, DISPATCHER], ids=["all areas", "one area"])
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "bag_newest_idx"),
        ({"cursor": LATER_BAGS}, "bag_newest_idx"),
        ({"kind": "child", "area": "indore"}, "bag_newest_idx"),
        ({"created_from": NOW - timedelta(days=20), "created_until": NOW - timedelta(days=19)}, "bag_newest_idx"),
        ({"kind": "parent"}, "bag_sacks_idx"),
        ({"type": "wheat", "state": "full", "billed": False}, "bag_sacks_idx"),
        ({"state": "partly"}, "bag_sacks_idx"),
        ({"linked": False}, "bag_unlinked_idx"),
        ({"code": "sb00017", "match": "exact"}, "bag_code_key"),
        ({"code": "sb000"}, "bag_code_key"),
        ({"code": "sb000", "cursor": "SB00099"}, "bag_code_key"),
        ({"code": "00017", "match": "part", "kind": "parent"}, "bag_code_part_idx"),
        ({"code": "3171", "match": "part"}, "bag_code_part_idx"),
        ({"code": "5B0OO17", "match": "alike"}, "bag_code_key"),
    ],
    ids=str,
)
def test_bags_are_found_by_the_index_that_is_there_for_it(
    watched: Watched, caller: Principal, query: dict[str, Any], index: str
) -> None:
    asyncio.run(BagSearch(watched).page(BagQuery(**query), caller))

    assert index in watched.indexes


@pytest.mark.parametrize("caller", [BILLER, DISPATCHER], ids=["all areas", "one area"])
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "pkey"),
        ({"device": "gun 7", "kind": "bill"}, "pkey"),
        ({"outcome": "invalid_code"}, "scan_id_idx"),
        ({"feedback": "stop", "area": "indore"}, "scan_id_idx"),
        ({"code": "C00000100"}, "array_idx"),
        ({"target": "SB00100"}, "bag_link_parent_id_valid_from_idx"),
        ({"scanned_from": NOW - timedelta(days=20), "scanned_until": NOW - timedelta(days=19)}, "pkey"),
    ],
    ids=str,
)
def test_scans_are_found_by_the_index_that_is_there_for_it(
    watched: Watched, caller: Principal, query: dict[str, Any], index: str
) -> None:
    asyncio.run(ScanSearch(watched).page(ScanQuery(**query), caller))

    assert any(index in used for used in watched.indexes), watched.steps


def test_a_bags_history_is_found_by_the_indexes_of_what_names_it(watched: Watched) -> None:
    history = asyncio.run(BagHistory(watched).page("SB00017", BILLER, cursor=None, limit=200))

    assert {"bag_link_parent_id_valid_from_idx", "bill_sack_current_key"} <= watched.indexes
    assert any("array_idx" in used for used in watched.indexes)
    assert len(history.items) > 30


@pytest.mark.parametrize("caller", [BILLER, DISPATCHER], ids=["all areas", "one area"])
@pytest.mark.parametrize("query", [{}, {"kind": "child"}, {"created_until": NOW}], ids=str)
def test_a_page_of_bags_far_back_reads_no_more_than_the_first(
    watched: Watched, caller: Principal, query: dict[str, Any]
) -> None:
    asyncio.run(BagSearch(watched).page(BagQuery(**query), caller))
    first, watched.blocks = watched.blocks, 0
    asyncio.run(BagSearch(watched).page(BagQuery(**query, cursor=LATER_BAGS), caller))

    assert watched.blocks < first * 1.5


def test_a_page_of_scans_far_back_reads_no_more_than_the_first(watched: Watched) -> None:
    asyncio.run(ScanSearch(watched).page(ScanQuery(), BILLER))
    first, watched.blocks = watched.blocks, 0
    far = first_uuid7(int((NOW - timedelta(days=30)).timestamp() * 1000))
    page = asyncio.run(ScanSearch(watched).page(ScanQuery(cursor=far), BILLER))

    assert len(page.items) == 50
    assert watched.blocks < first * 1.5
