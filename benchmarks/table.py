"""The table of the README, from what runs wrote: ``python -m benchmarks.table run.json [another.json ...]``.

Of several runs each figure is given as a range. What stands below the heading of the table is written anew, the rest of
the README stays.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

README: Final = Path(__file__).with_name("README.md")
HEADING: Final = "## The last full table\n"
_SMALL: Final = 0.1
_NEAR: Final = 0.05  # figures that differ by less are one

Run = list[dict[str, Any]]


def table_of(runs: list[Run]) -> str:
    """Return the rows of all runs as Markdown, a table for each part."""
    found: dict[str, dict[tuple[str, str], Run]] = {}
    for row in (row for run in runs for row in run):
        found.setdefault(row["part"], {}).setdefault((row["name"], row["other_name"]), []).append(row)
    return "\n".join(_part(part, list(rows.values())) for part, rows in found.items())


def _part(part: str, rows: list[Run]) -> str:
    head = f"### `{part}`\n\n| what | ours | the other | its cost | ratio | aim | |\n|---|--:|---|--:|--:|---|---|\n"
    return head + "".join(map(_line, rows))


def _line(same: Run) -> str:
    row = same[-1]
    unit = row["unit"]
    met = {one["is_met"] for one in same} - {None}
    verdict = "" if not met else "met" if met == {True} else "missed" if met == {False} else "met in some runs"
    cells = (
        row["name"],
        _range([one["ours"] for one in same], unit),
        row["other_name"],
        _range([one["other"] for one in same if one["other"] is not None], unit),
        _range([one["ratio"] for one in same if one["ratio"] is not None], ""),
        row["target"],
        " ".join(filter(None, (verdict, row["note"]))),
    )
    return f"| {' | '.join(cells)} |\n"


def _range(values: list[float], unit: str) -> str:
    """Return the least and the greatest as text; small ratios as one part of so many."""
    if not values:
        return ""
    low, high = min(values), max(values)
    texts = [_text(value, unit) for value in ((low,) if high - low <= _NEAR * high else (low, high))]
    return " to ".join(dict.fromkeys(texts)) + (f" {unit}" if unit else "")


def _text(value: float, unit: str) -> str:
    if not unit and value < _SMALL:
        return f"1/{1 / value:.0f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits say enough


def main() -> None:
    """Write the table into the README."""
    runs = [json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:]]
    before, heading, _ = README.read_text("utf-8").partition(HEADING)
    README.write_text(f"{before.rstrip()}\n\n{heading or HEADING}\n{table_of(runs)}", "utf-8")


if __name__ == "__main__":
    main()
