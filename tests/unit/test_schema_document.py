"""`docs/schema.md` names every table and every index of the schema, and nothing that is not there."""

import re
from pathlib import Path

from tracetrack_common.db.schema import metadata

_DOCUMENT = (Path(__file__).parents[2] / "docs" / "schema.md").read_text(encoding="utf-8")
_INDEX_NAME = re.compile(r"`([a-z0-9_]+_(?:pkey|key|idx|brin))`")


def _rows(heading: str) -> list[str]:
    """Give the rows of the tables under a heading, up to the next one of its rank."""
    section = _DOCUMENT.split(f"\n## {heading}\n", maxsplit=1)[1].split("\n## ", maxsplit=1)[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def test_every_table_has_a_sentence() -> None:
    documented = {row.split("`")[1] for row in _rows("Tables")}

    assert documented == set(metadata.tables)


def test_every_index_is_listed_with_what_it_serves() -> None:
    documented = {
        name
        for row in _rows("Indexes, and the statement each serves")
        for name in _INDEX_NAME.findall(row.split("|")[1])
    }

    assert documented == {
        *(str(index.name) for table in metadata.tables.values() for index in table.indexes),
        *(
            str(constraint.name)
            for table in metadata.tables.values()
            for constraint in table.constraints
            if str(constraint.name).endswith(("_pkey", "_key"))
        ),
    }
