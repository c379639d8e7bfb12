"""The table of attacks names tests, and each of them is there."""

import ast
import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_attack_has_a_test_and_every_test_named_is_there() -> None:
    document = (_ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    table = document.split("## Limits", maxsplit=1)[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]

    assert [row for row in rows if not _NAMED.search(row)] == []
    assert table.count("::") == len(_NAMED.findall(table))
    for file, name in _NAMED.findall(table):
        functions = {
            node.name
            for node in ast.parse((_ROOT / file).read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef)
        }
        assert name in functions, f"{file}::{name}"
