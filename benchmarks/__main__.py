"""Run the benchmarks: ``python -m benchmarks [--quick] [--only NAME] [--json FILE]``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
from pathlib import Path

from . import analysis, classes, events, exports, files, imports, sockets
from .measure import Row

ALL = {
    "decode": events.decode_and_append,
    "read": events.append_and_read,
    "longest": events.longest_append,
    "socket": sockets.socket_to_row,
    "journal": files.journal_line,
    "load": files.load_and_seek,
    "analysis": analysis.positions_fills_pnl,
    "export": exports.to_parquet,
    "import": imports.importing,
    "class": classes.classroom,
}


def main() -> None:
    """Measure, print a table of medians and ratios beside the targets, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller numbers, under a minute")
    parser.add_argument("--only", choices=sorted(ALL), action="append", help="measure only this (may be repeated)")
    parser.add_argument("--json", type=Path, help="also write the table there")
    chosen = parser.parse_args()
    print(
        f"Python {platform.python_version()}, {platform.system()}; microseconds are medians, ratios are what counts\n"
    )
    rows: list[Row] = []
    for name, measure in ALL.items():
        if chosen.only and name not in chosen.only:
            continue
        for row in measure(quick=chosen.quick):
            print(row.line())
            rows.append(row)
        sys.stdout.flush()
    if chosen.json:
        table = [{**dataclasses.asdict(row), "ratio": row.ratio} for row in rows]
        chosen.json.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
