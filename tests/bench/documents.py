"""What documents of 2,000 bills cost, each in a process of its own, against the workbook (`make bench-documents`)."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from time import perf_counter
from typing import Any

from tests.support.made_up_summaries import summary_of
from tracetrack_report_worker.documents import csv_file, json_file, pdf, xlsx
from tracetrack_report_worker.documents.model import Document
from tracetrack_report_worker.paper import document_of

BILLS, BILLERS, ROUNDS = 2_000, 12, 3
WRITERS: dict[str, Callable[[Document, Any], None]] = {
    "xlsx": xlsx.write,
    "csv": csv_file.write,
    "json": json_file.write,
    "pdf": pdf.write,
}


def measure(format_: str) -> None:
    """Write the document in a format and print its time, its size, and the memory of the largest process."""
    document = document_of(summary_of(BILLS, billers=BILLERS))
    output = BytesIO()
    began = perf_counter()
    WRITERS[format_](document, output)
    took_s = perf_counter() - began
    largest_kb = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    sys.stdout.write(json.dumps([took_s, len(output.getvalue()), largest_kb]))


def main() -> None:
    """Measure every format in turn, several times, and print the best of each."""
    best: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for format_ in WRITERS:
            command = [sys.executable, "-m", "tests.bench.documents", format_]
            done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - this module
            found = json.loads(done.stdout)
            best[format_] = min(best.get(format_, found), found)
    lines = ["| format | time, s | against XLSX | size, KB | memory, MB |", "|---|---|---|---|---|"]
    for format_, (took_s, size, largest_kb) in best.items():
        ratio = took_s / best["xlsx"][0]
        lines.append(
            f"| {format_.upper()} | {took_s:.2f} | {ratio:.2f} | {size / 1000:,.0f} | {largest_kb / 1024:.0f} |"
        )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
