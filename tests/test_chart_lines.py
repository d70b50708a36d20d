"""The lines of a figure: what a page is sent is what the figure draws, to the pixel, however long they grow."""

import json
import time

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kiwoom_nb as kn
from kiwoom_nb.chart_lines import ChartLines, Line, gap_shapes, span_of
from kiwoom_nb.figure_style import signed_won
from kiwoom_nb.figure_time import MOST_POINTS
from kiwoom_nb.figures import plot_realized_pnl

MORNING = 1_763_596_800_000_000  # 2025-11-20 09:00 KST
SECOND = 1_000_000


def lines_of(*traces, **layout):
    return ChartLines(go.Figure(data=list(traces), layout=layout), None, signed_won)


def line(name="a", x=(), y=(), **more):
    return go.Scatter(x=list(x), y=list(y), name=name, mode="lines", **more)


# What a figure is made of


def test_a_figure_of_realized_pnl_comes_through_whole():
    """Its lines by number with all their points, in Korean time, and what a hover says."""
    df = kn.load("sample")
    figure = plot_realized_pnl(df)
    lines = ChartLines(figure, None, signed_won)
    for number, trace in enumerate(figure.data):
        sent = lines.points()[str(number)]
        texts = [str(np.datetime64(round(at * 1000), "us")) for at in sent["x"]]
        assert texts == [str(np.datetime64(at, "us")) for at in trace.x]
        assert sent["y"] == list(trace.y)
        assert sent.get("customdata") == (None if trace.customdata is None else list(trace.customdata))


def test_looks_hold_no_point_of_a_line_and_everything_else():
    """Bars and marks stay as the figure has them; zoom survives what is drawn anew; the chart is as wide as the page."""
    lines = lines_of(
        line(x=["2026-11-20 09:00"], y=[1], line={"color": "red"}), go.Bar(x=["a"], y=[2]), width=300, height=200
    )
    first, second = lines.looks["light"]["traces"]
    assert (first["line"]["color"], "x" in first, "y" in first) == ("red", False, False)
    assert (second["x"], second["y"]) == (["a"], [2])
    assert lines.numbers() == [0]
    layout = lines.looks["light"]["layout"]
    assert (layout["uirevision"], layout["height"], "width" in layout, layout["xaxis"]["type"]) == (
        "kiwoom_nb",
        200,
        False,
        "date",
    )


@pytest.mark.parametrize(
    "x",
    [
        ["2026-11-20 09:00:01", "2026-11-20 09:00:02"],
        np.array(["2026-11-20T09:00:01", "2026-11-20T09:00:02"], "M8[ns]"),
        ["2026-11-20 09:00:01+09:00", "2026-11-20 09:00:02+09:00"],
        ["2026-11-20 00:00:01Z", "2026-11-20 00:00:02Z"],
    ],
)
def test_times_are_korean_unless_they_say_otherwise(x):
    """Whatever they are written as."""
    read = ChartLines(go.Figure(go.Scatter(x=x, y=[1, 2], mode="lines")), None, signed_won).line(0)
    assert read.times.tolist() == [1_795_132_801 * SECOND, 1_795_132_802 * SECOND]


@pytest.mark.parametrize(
    "trace",
    [
        go.Scatter(x=[1, 2], y=[1, 2], name="a"),
        go.Scatter(x=["가", "나"], y=[1, 2], name="a"),
        go.Scatter(x=["2026-11-20"], y=[1], mode="markers", name="a"),
        go.Bar(x=["2026-11-20"], y=[1], name="a"),
    ],
)
def test_what_is_no_line_along_times_cannot_grow(trace):
    """It is drawn as it is, and extending it says so."""
    lines = lines_of(trace)
    assert lines.points() == {}
    with pytest.raises(ValueError, match=r"0 lines of the figure are called 'a' \(its lines: none\)"):
        lines.extend({"a": ([MORNING], [1])})


def test_a_figure_with_a_template_of_plotly_has_a_dark_one_and_a_given_one_is_taken():
    """Light and dark pages each have colours of their own."""
    plain = lines_of(line())
    light, dark = (plain.looks[name]["layout"]["template"]["layout"]["paper_bgcolor"] for name in ("light", "dark"))
    assert (light, dark) == ("white", "rgb(17,17,17)")
    given = ChartLines(go.Figure(line()), go.Figure(line(line={"color": "white"})), signed_won)
    assert given.looks["dark"]["traces"][0]["line"]["color"] == "white"
    without = lines_of(line(), template="none")
    assert without.looks["light"]["layout"].get("paper_bgcolor") == without.looks["dark"]["layout"].get("paper_bgcolor")


# As they grow


def test_points_are_sent_once_as_whole_numbers_with_their_words():
    """Won has no decimals, and a moment is Korean."""
    lines = lines_of(line(x=["2025-11-20 08:00"], y=[5], customdata=["▲ +₩5"]))
    sent = lines.extend({"a": ([MORNING, MORNING + 1], np.array([-1200, 2**53]))})
    korea = (MORNING + 9 * 3600 * SECOND) // 1000
    words = ["▼ -₩1,200", "▲ +₩9,007,199,254,740,992"]
    assert sent == {"0": {"x": [korea, korea + 0.001], "y": [-1200, 2**53], "customdata": words}}
    assert all(isinstance(value, int) for value in sent["0"]["y"])
    assert lines.extend({"a": ([], [])}) == {}


def test_a_blank_is_set_between_two_days_also_where_the_new_one_comes_alone():
    """No line joins the night; the blank stands where the day before ended."""
    lines = lines_of(line())
    lines.extend({"a": ([MORNING], [1])})
    sent = lines.extend({"a": ([MORNING + 86_400 * SECOND], [0])})["0"]
    assert sent["y"] == [None, 0]
    assert sent["x"][0] == lines.points()["0"]["x"][0]
    assert lines.points()["0"]["y"] == [1, None, 0]


def test_nothing_is_taken_in_where_one_line_is_wrong():
    """Two lines of one name, none of it, or not as many values as times: all stays as it was."""
    lines = lines_of(line("a"), line("b"), line("b"))
    for wrong in ({"a": ([1], [1]), "c": ([1], [1])}, {"a": ([1], [1]), "b": ([1], [1])}, {"a": ([1, 2], [1])}):
        with pytest.raises(ValueError, match=r"exactly one\.|2 times and 1 values"):
            lines.extend(wrong)
    assert all(sent["x"] == [] for sent in lines.points().values())


STEPS = st.lists(
    st.tuples(st.integers(0, 5_000), st.sampled_from([1, SECOND, 60 * SECOND, 3 * 3600 * SECOND]), st.integers(0, 9)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_a_long_line_keeps_its_ends_its_extremes_and_few_points(steps):
    """Of all points that ever came, however they came: a subset in order, each day with its first and last one."""
    kept, at, all_at, all_values = Line(np.empty(0, np.int64), np.empty(0)), MORNING, [], []
    for many, apart, seed in steps:
        values = np.random.default_rng(seed).integers(-(10**9), 10**9, many).astype(float)
        times = at + apart * np.arange(1, many + 1)
        at = int(times[-1]) if many else at
        sent, _ = kept.extend(times, values)
        assert len(sent) <= MOST_POINTS // 2 + 1
        all_at += times.tolist()
        all_values += values.tolist()
    assert len(kept.times) <= MOST_POINTS
    pairs = list(zip(all_at, all_values, strict=True))
    assert set(zip(kept.times.tolist(), kept.levels.tolist(), strict=True)) <= set(pairs)
    if pairs:
        assert (kept.times[0], kept.times[-1]) == (all_at[0], all_at[-1])
        assert (kept.levels.min(), kept.levels.max()) == (min(all_values), max(all_values))
        assert kept.times.tolist() == sorted(kept.times.tolist())


def test_blank_values_are_left_out():
    """What is not known is not drawn."""
    lines = lines_of(line(x=["2026-11-20 09:00", "2026-11-20 09:01", "2026-11-20 09:02"], y=[1, None, 3]))
    assert lines.points()["0"]["y"] == [1, 3]


def test_what_is_sent_and_what_it_costs_do_not_depend_on_the_points_before():
    """Behind 10^3 and behind 10^6 points."""

    def grown(points):
        lines = lines_of(line("a", customdata=[]))
        lines.extend({"a": (MORNING + SECOND // 100 * np.arange(points), np.arange(points) % 977)})
        spent, sent = [], []
        for more in range(40):
            at = MORNING + SECOND // 100 * (points + more)
            begun = time.perf_counter()
            message = lines.extend({"a": ([at], [more])})
            spent.append(time.perf_counter() - begun)
            sent.append(len(json.dumps(message)))
        return min(spent), max(sent), len(json.dumps(lines.points()))

    few, many = grown(1_000), grown(1_000_000)
    assert many[1] <= few[1] + 8 < 120
    assert many[2] < 5 * few[2]
    assert many[0] < 3 * few[0] + 0.0005


# Gaps


def test_a_gap_is_shaded_and_one_that_lasts_reaches_beyond_what_is_known():
    """In Korean time; also where nothing came after it, or nothing at all."""
    lasting = MORNING + 100 * SECOND
    shades = gap_shapes([(MORNING, MORNING + SECOND), (lasting, None)], MORNING + 50 * SECOND, 60 * SECOND)
    assert [(shade["x0"][11:19], shade["x1"][11:19]) for shade in shades] == [
        ("09:00:00", "09:00:01"),
        ("09:01:40", "09:02:40"),
    ]
    assert gap_shapes([(MORNING, None)], None, SECOND)[0]["x1"][11:19] == "09:00:01"


def test_the_span_is_that_of_all_lines():
    """Empty ones have none."""
    empty, one = Line(np.empty(0, np.int64), np.empty(0)), Line(np.array([5, 9]), np.array([1.0, 2.0]))
    other = Line(np.array([3, 4]), np.array([1.0, 2.0]))
    assert span_of([empty, one, other]) == (9, 6)
    assert span_of([empty]) == (None, 0)


def test_many_lines_share_the_points():
    """Twelve of them are no heavier than a few; none gets coarse."""
    lines = lines_of(*(line(str(number)) for number in range(12)))
    values = np.arange(10_000) % 977
    lines.extend({str(number): (MORNING + SECOND * np.arange(10_000), values) for number in range(12)})
    kept = [len(sent["x"]) for sent in lines.points().values()]
    assert max(kept) <= lines.most == 1_000
    assert min(kept) > 200
    assert lines_of(*(line(str(number)) for number in range(40))).most == 800
