"""What is measured can be measured: every benchmark runs, with numbers far too small to mean anything."""

import json
import math

import pytest

from benchmarks import __main__ as program
from benchmarks.measure import Row, Size, in_turn
from benchmarks.table import table_of


@pytest.mark.parametrize("name", program.ALL)
def test_every_benchmark_still_runs(name, capsys, tmp_path):
    """Each gives rows with a name and positive figures, prints them, and writes them as JSON."""
    path = tmp_path / "rows.json"
    rows = program.run([name], Size.TINY, path)
    assert rows
    written = json.loads(path.read_text("utf-8"))
    printed = capsys.readouterr().out
    for row, stored in zip(rows, written, strict=True):
        assert row.name in printed
        assert stored["name"] == row.name
        assert row.ours > 0
        assert math.isfinite(row.ours)
        assert row.other is not None or row.note
        assert stored["ratio"] == row.ratio


@pytest.mark.parametrize(
    ("target", "ours", "other", "is_met"),
    [
        ("<= 1/40", 1.0, 40.0, True),
        ("<= 1/40", 1.0, 39.0, False),
        ("<= 0.75", 3.0, 4.0, True),
        ("<= 10,000 us", 10_000.0, 1.0, True),
        ("<= 5 us", 5.1, 100.0, False),
        ("< 2", 3.0, 1.0, False),
        ("", 3.0, 1.0, None),
        ("<= 3", 3.0, None, None),
    ],
)
def test_a_target_is_of_the_ratio_or_of_what_has_its_unit(target, ours, other, is_met):
    """The table says of each target whether it is met; of one that could not be measured it says nothing."""
    assert Row("x", ours, "y", other, target).is_met is is_met


def test_the_table_of_the_readme_is_made_of_what_runs_wrote():
    """Figures of several runs are ranges, small ratios parts, and a target that was met now and then says so."""
    run = {"part": "read", "name": "append", "other_name": "concat", "target": "<= 1/40", "note": "", "unit": "us"}
    first = {**run, "ours": 2.0, "other": 100.0, "ratio": 0.02, "is_met": True}
    second = {**run, "ours": 4.0, "other": 101.0, "ratio": 4 / 101, "is_met": False}
    missing = {**run, "other_name": "x", "ours": 2.0, "other": None, "ratio": None, "is_met": None, "note": "no x"}
    assert table_of([[first], [second, missing]]).splitlines()[-2:] == [
        "| append | 2 to 4 us | concat | 100 us | 1/50 to 1/25 | <= 1/40 | met in some runs |",
        "| append | 2 us | x |  |  | <= 1/40 | no x |",
    ]


def test_sides_are_measured_in_turn_and_the_slow_one_less_often():
    """On a noisy machine only what ran side by side can be compared; a side that takes long runs three times."""
    order = []

    def side(name, units):
        def work(portion):
            order.append((name, portion))
            return units

        return work

    costs = in_turn(5, patience=0.0, quick=side("quick", 1), slow=side("slow", 1000))
    assert order == [(name, portion) for portion in range(3) for name in ("quick", "slow")]
    assert costs["slow"] < costs["quick"]


def test_what_is_not_installed_is_said_and_the_rest_is_measured(monkeypatch):
    """Without the packages that are only compared with, their rows say so."""
    from benchmarks import exports, files, reading

    for module in (exports, files, reading):
        monkeypatch.setattr(module, "is_installed", lambda _: False)
    rows = [*reading.append_and_read(Size.TINY), *files.load_and_seek(Size.TINY), *exports.to_parquet(Size.TINY)]
    missing = {row.other_name for row in rows if row.note == "not installed"}
    assert missing == {"polars", "duckdb", "streamz", "perspective"}
    assert any("pd.concat" in row.other_name and row.other for row in rows)
    assert "not installed" in next(row for row in rows if row.other_name == "streamz").line()
