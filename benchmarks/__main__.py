"""Run the benchmarks: ``python -m benchmarks [--quick] [--only NAME] [--busy] [--json FILE]``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
import time
from pathlib import Path

from . import analysis, classes, dashboard, events, exports, files, imports, memory, page, reading, sockets
from .measure import Row, Size, count_processor_time

ALL = {
    "decode": events.decode_and_append,
    "read": reading.append_and_read,
    "longest": events.longest_append,
    "memory": memory.bytes_per_row,
    "socket": sockets.socket_to_row,
    "journal": files.journal_line,
    "load": files.load_and_seek,
    "analysis": analysis.positions_fills_pnl,
    "export": exports.to_parquet,
    "dashboard": dashboard.refreshes,
    "import": imports.importing,
    "class": classes.classroom,
}
ASKED_FOR = {"page": page.dashboard_in_a_page}
"""What runs only when it is asked for: it wants a browser."""


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a table of medians and ratios beside the targets, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller numbers, under a minute")
    names = sorted({**ALL, **ASKED_FOR})
    parser.add_argument("--only", choices=names, action="append", help="measure only this (may be repeated)")
    parser.add_argument("--json", type=Path, help="also write the table there")
    parser.add_argument("--busy", action="store_true", help="count processor time: for a machine that others use too")
    chosen = parser.parse_args(arguments)
    if chosen.busy:
        count_processor_time()
    run(chosen.only or list(ALL), Size.QUICK if chosen.quick else Size.FULL, chosen.json)


def run(names: list[str], size: Size, path: Path | None = None) -> list[Row]:
    """Measure these, print the table, write it as JSON where ``path`` is given, and return its rows."""
    print(
        f"Python {platform.python_version()}, {platform.system()}; medians of runs in turn, ratios are what counts\n",
        flush=True,
    )
    rows: list[tuple[str, Row]] = []
    for name in names:
        begin = time.monotonic()
        for row in {**ALL, **ASKED_FOR}[name](size):
            print(row.line())
            rows.append((name, row))
        print(f"({name}: {time.monotonic() - begin:.0f} s)\n")
        sys.stdout.flush()
    if path is not None:
        table = [
            {"part": part, **dataclasses.asdict(row), "ratio": row.ratio, "is_met": row.is_met} for part, row in rows
        ]
        path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return [row for _, row in rows]


if __name__ == "__main__":
    main()
