"""What is new of realized P&L, put together, is realized P&L of the whole frame."""

import time
import warnings

import numpy as np
import pandas as pd
import pytest
from frames import entry, frame
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import kiwoom_nb as kn
from kiwoom_nb.pnl import realized_pnl
from kiwoom_nb.pnl_tail import PnlTail
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable

MORNING = 1_763_596_800_000_000  # 2025-11-20 09:00 KST
SECOND = 1_000_000


class Drawn:
    """A step line as it is put together from what is given of it."""

    def __init__(self, scope="position"):
        self.tail = PnlTail(scope)
        self.points = []

    def take(self, df):
        given = self.tail.take(df)
        if given.is_anew:
            self.points = []
        for at, value in zip(given.times.tolist(), given.won.tolist(), strict=True):
            if self.points and self.points[-1][0] == at:
                self.points.pop()
            self.points.append((at, value))
        return given


def must_equal(drawn, df, scope):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # drawn at random: buys that realize something
        whole = realized_pnl(df, scope=scope)
    at = whole.index.as_unit("us").asi8.tolist()
    assert drawn.points == list(zip(at, whole.tolist(), strict=True))


ROWS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 7, 40_000, 90_000, -1, -90_000]),  # seconds since the row before
        st.builds(
            entry,
            st.just("005930"),
            f9201=st.sampled_from(["1111111111", "2222222222"]),
            f9001=st.sampled_from(["005930", "000660"]),
            f917=st.sampled_from(["00", "03", "99", "99", "33", ""]),
            f916=st.sampled_from(["00000000", "20251001", "20251002"]),
            f990=st.sampled_from(["0", "100", "-250", "7000", "", "x"]),
            f992=st.sampled_from(["0", "0", "30", "-5000", ""]),
        ),
    ),
    max_size=24,
)
MOVES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, moves=MOVES, scope=st.sampled_from(["position", "account"]))
def test_put_together_the_points_are_those_of_the_whole_frame_at_every_moment(rows, moves, scope):
    """Whatever comes at once, blanks, sums of loans, days and a clock that runs back; also after seeks back."""
    table, at = BalanceTable(capacity=64), MORNING
    for pause, made in rows:
        at += pause * SECOND
        table.receive(parse(frame(made)), at)
    whole = table.frame()
    drawn = Drawn(scope)
    for move in [*moves, 1.0]:
        shown = whole.iloc[: round(move * len(whole))]
        drawn.take(shown)
        must_equal(drawn, shown, scope)


@pytest.mark.parametrize("day", ["busy", "calm", "oddities"])
def test_the_sample_days_are_followed_to_the_won(day):
    """A few rows at a time, forwards and then from a seek back."""
    whole = kn.load(f"sample:{day}")
    drawn = Drawn()
    for rows in [*range(0, len(whole), 7), len(whole), 5, 50, len(whole)]:
        drawn.take(whole.iloc[:rows])
        must_equal(drawn, whole.iloc[:rows], "position")


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 24), later=st.sampled_from([1, 3, 10, 30]), scope=st.sampled_from(["position", "account"]))
@example(seed=24, later=30, scope="position")  # only once other repetitions are out is it near enough
def test_what_is_sent_again_is_followed_as_the_whole_frame_has_it(seed, later, scope):
    """Each frame comes again after some others, and the rows are taken a few at a time."""
    sent = list(kn.simulate(seed, events=60).frames())
    table = BalanceTable(mask_accounts=False, capacity=512)
    for number, (at, raw) in enumerate(sent):
        table.receive(parse(raw), at)
        if number >= later:
            table.receive(parse(sent[number - later][1]), at)
    whole = table.frame()
    drawn = Drawn(scope)
    for rows in range(0, len(whole) + 8, 8):
        drawn.take(whole.iloc[:rows])
        must_equal(drawn, whole.iloc[:rows], scope)


def test_only_what_is_new_is_given():
    """Nothing twice, nothing where nothing came; a seek back is told and begins anew."""
    df = kn.load("sample")
    tail = PnlTail()
    first = tail.take(df.iloc[:100])
    assert (first.is_anew, len(first.times)) == (False, len(realized_pnl(df.iloc[:100])))
    assert len(tail.take(df.iloc[:100]).times) == 0
    assert len(tail.take(df.iloc[:101]).times) == 1
    back = tail.take(df.iloc[:50])
    assert (back.is_anew, len(back.times)) == (True, len(realized_pnl(df.iloc[:50])))


def test_another_frame_of_as_many_rows_begins_anew():
    """The last row that was taken is not there any more."""
    df = kn.load("sample")
    tail = PnlTail()
    tail.take(df.iloc[:50])
    other = tail.take(df.iloc[100:200])
    assert other.is_anew
    assert other.won.tolist() == realized_pnl(df.iloc[100:200]).tolist()


def test_the_lines_are_the_total_and_the_ground_on_both_sides():
    """As plot_realized_pnl names and draws them."""
    from kiwoom_nb.figures import plot_realized_pnl

    df = kn.load("sample")
    lines = PnlTail().take(df).lines()
    figure = plot_realized_pnl(df)
    assert set(lines) == {trace.name for trace in figure.data}
    for trace in figure.data:
        assert lines[trace.name][1].tolist() == list(trace.y)


def test_the_work_does_not_depend_on_the_rows_before():
    """A few new rows behind 600 and behind 300,000: the same, but for noise."""
    df = kn.load("sample")
    long = pd.concat([df] * 600, ignore_index=True)
    long["received_at"] = df["received_at"].iloc[0] + pd.to_timedelta(np.arange(len(long)), unit="s")

    def spent(rows):
        tail = PnlTail()
        tail.take(long.iloc[:rows])
        best = 1.0
        for more in range(1, 40):
            shown = long.iloc[: rows + more]
            begun = time.perf_counter()
            tail.take(shown)
            best = min(best, time.perf_counter() - begun)
        return best

    assert spent(300_000) < 3 * spent(600) + 0.001


def test_an_unknown_scope_is_refused():
    """By name."""
    with pytest.raises(ValueError, match="scope='day' is not known"):
        PnlTail("day")
