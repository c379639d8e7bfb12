"""What the integration tests share."""

import pytest

from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database


@pytest.fixture
def warehouse(database: Database) -> Warehouse:
    """Give the test's own database as a warehouse."""
    return Warehouse(database)
