"""The plain pipeline's engine and its tables."""

import hashlib
import os
from collections.abc import Sequence

from sqlalchemy import Engine, create_engine, insert

from tests.bench.peers.plain.models import Base, Device


def connect(pool_size: int) -> Engine:
    """Give a pooled engine on ``PLAIN_DATABASE_URL``."""
    return engine_for(os.environ["PLAIN_DATABASE_URL"], pool_size)


def engine_for(url: str, pool_size: int) -> Engine:
    """Give a pooled engine on a ``postgresql://`` address."""
    return create_engine(url.replace("postgresql://", "postgresql+psycopg2://", 1), pool_size=pool_size, max_overflow=0)


def make_tables(url: str, tokens: Sequence[str]) -> None:
    """Make the tables and enrol one device per token."""
    engine = engine_for(url, pool_size=1)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            insert(Device),
            [
                {"name": f"gun-{number}", "area": "jaipur", "token_sha256": hashlib.sha256(token.encode()).digest()}
                for number, token in enumerate(tokens)
            ],
        )
    engine.dispose()
