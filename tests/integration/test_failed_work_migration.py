"""Migration 0003 on a database in which somebody decided about failed work by hand."""

import itertools

from alembic import command

from tests.support.servers import EmbeddedServers
from tests.support.settings import make_settings
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database
from tracetrack_common.migrate import alembic_config, migrate

_numbers = itertools.count(1)


def test_what_was_decided_by_hand_stays_decided_and_what_is_open_stays_open(servers: EmbeddedServers) -> None:
    name = f"before_0003_{next(_numbers)}"
    database = Database(
        make_settings(servers.create_database(name), servers.redis_url()), application_name="tests-0003"
    )
    warehouse = Warehouse(database)
    with database.transaction() as connection:
        command.upgrade(alembic_config(connection), "0002")
    warehouse.change(
        "INSERT INTO failed_work (failed_id, queue, reason, detail, payload, attempts, first_at, last_at, state)"
        " SELECT gen_random_uuid(), 'scans', 'worker_died', '', '{}', 1, now(), now(), state"
        " FROM unnest(ARRAY['open', 'replayed', 'discarded']) AS state"
    )

    migrate(database)

    assert warehouse.rows(
        "SELECT state, resolved_at = last_at AS at_last, resolved_by, note FROM failed_work ORDER BY state"
    ) == [
        {"state": "discarded", "at_last": True, "resolved_by": None, "note": "by hand"},
        {"state": "open", "at_last": None, "resolved_by": None, "note": None},
        {"state": "replayed", "at_last": True, "resolved_by": None, "note": "by hand"},
    ]
    database.close()
    servers.drop_database(name)
