"""`tracetrack import`: a table from a terminal into a system that runs."""

from collections.abc import Callable
from pathlib import Path

import httpx
import openpyxl

from tests.support.system import RunningSystem
from tests.support.tables import BAG_HEADS, make_csv, write

Codes = Callable[[], str]


def test_a_table_is_tried_and_then_imported(
    system: RunningSystem, admin: httpx.Client, tmp_path: Path, sack: Codes, child: Codes
) -> None:
    parent, first, second = sack(), child(), child()
    table = write(tmp_path / "bags.csv", make_csv(BAG_HEADS, [parent, "parent"], [first, "child", parent], [second]))

    tried = system.command("import", str(table), "--area", "lucknow", "--dry-run")
    assert tried.returncode == 1, tried.stdout + tried.stderr
    assert "3 rows of bags: 2 would be done, 0 known already, 1 would be refused." in tried.stdout
    assert admin.get(f"/api/v1/bags/{parent}").status_code == httpx.codes.NOT_FOUND

    done = system.command("import", str(table), "--area", "lucknow", "--result", str(tmp_path / "result.xlsx"))
    assert done.returncode == 1
    assert "3 rows of bags: 2 done, 0 known already, 1 refused." in done.stdout
    assert admin.get(f"/api/v1/bags/{parent}").json()["children"] == [first]
    sheet = openpyxl.load_workbook(tmp_path / "result.xlsx").worksheets[0]
    assert [row[0].value for row in sheet.iter_rows(min_row=2)] == [2, 3, 4]
