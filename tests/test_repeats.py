import numpy as np
import pandas as pd
import pytest
from days import ODD, frame_of, table_of
from hypothesis import given, settings
from hypothesis import strategies as st

import kiwoom_nb as kn
from kiwoom_nb.history import History
from kiwoom_nb.keyed import days_of, keys_of, moments, numbers, order_of
from kiwoom_nb.latest import RECENT
from kiwoom_nb.protocol import parse
from kiwoom_nb.repeats import RepeatsTail, latest_rows, repeated, seem_repeated, settled
from kiwoom_nb.table import BalanceTable, empty_frame

few = settings(max_examples=20, deadline=None)


def resent(seed, later):
    """Return a day of which each frame comes again after so many others."""
    sent = list(kn.simulate(seed, events=60).frames())
    table = BalanceTable(mask_accounts=False, capacity=512)
    for number, (at, raw) in enumerate(sent):
        table.receive(parse(raw), at)
        if number >= later:
            table.receive(parse(sent[number - later][1]), at)
    return table.frame()


def told_of(frame):
    realized = numbers(frame["realized_pnl"])[0] + numbers(frame["credit_realized_pnl"])[0]
    return days_of(moments(frame["received_at"])), numbers(frame["cost"])[0], realized


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(-1, 1)), max_size=90))
def test_a_row_seems_repeated_where_one_of_the_last_told_the_same(rows):
    """Of the same position, and within so many rows of it."""
    ids, cost, realized = np.array(rows, np.int64).reshape(-1, 3).T
    seem = seem_repeated(ids, order_of(ids), (np.zeros(len(ids), np.int64), cost, realized))
    for row, told in enumerate(rows):
        own = [other for other in rows[:row] if other[0] == told[0]]
        assert seem[row] == (told in own[-(RECENT - 1) :])


@given(st.integers(0, 24), st.sampled_from([1, 3, 10]))
@few
def test_all_that_is_repeated_seems_so(seed, later):
    """So that where nothing seems repeated nothing has to be looked at."""
    frame = resent(seed, later)
    keys = keys_of(frame)
    assert not (repeated(frame) & ~seem_repeated(keys.ids, order_of(keys.ids), told_of(frame))).any()
    assert repeated(frame).sum() > 20


@given(st.integers(0, 24), st.sampled_from([1, 3, 10]), st.integers(1, 30))
@few
def test_a_frame_that_grows_is_followed(seed, later, step):
    """A few rows at a time as all at once."""
    frame = resent(seed, later)
    keys = keys_of(frame)
    labels, told = keys.labels(frame), list(zip(*(values.tolist() for values in told_of(frame)), strict=True))
    tail, found = RepeatsTail(), []
    for start in range(0, len(frame), step):
        rows = slice(start, start + step)
        found += tail.take(frame.iloc[: start + step], [labels[key] for key in keys.ids[rows]], told[rows]).tolist()
    assert found == (repeated(frame) & seem_repeated(keys.ids, order_of(keys.ids), told_of(frame))).tolist()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("later", [1, 3, 10])
def test_the_rows_that_hold_the_latest_states_are_those_of_the_history(seed, later):
    """At every length of a frame that is sent twice: quantity and cost of the last state of each position."""
    frame = resent(seed, later)
    for rows in range(0, len(frame) + 1, 9):
        part = frame.iloc[:rows]
        found, history = settled(part, latest_rows(part)), History(part)
        states = [states[-1] for states in history.end().states.values()]
        told = list(zip(found.columns["quantity"], found.columns["cost"], strict=True))
        assert told == [(state.quantity, state.cost) for state in states]


def test_of_a_table_and_of_its_frame_the_latest_rows_are_the_same():
    """Kept as they arrive, or looked for."""
    table = table_of(ODD)
    frame = table.frame()
    kept, found = table.latest(len(frame)), latest_rows(frame)
    assert found.rows.tolist() == kept.rows().tolist()
    assert found.recent.tolist() == kept.recent().tolist()
    assert found.counts.tolist() == kept.counts().tolist()
    assert found.columns == table.latest_rows(len(frame)).columns


def test_what_is_settled_is_left_alone():
    """A day without a repetition, and one without a row."""
    for frame in (kn.load("sample:calm"), empty_frame(), frame_of(kn.simulate(3, events=20))):
        latest = latest_rows(frame)
        assert settled(frame, latest) is latest


def test_nothing_is_repeated_across_days():
    """Counters of today begin anew: what tells the same as yesterday tells it of today."""
    frame = frame_of(kn.simulate(3, events=20), asked=False)
    tomorrow = frame.assign(received_at=frame["received_at"] + pd.Timedelta(days=1))
    both = pd.concat([frame, tomorrow], ignore_index=True)
    keys = keys_of(both)
    found = latest_rows(both)
    assert not seem_repeated(keys.ids, order_of(keys.ids), told_of(both))[len(frame) :].any()
    assert settled(both, found).rows.tolist() == found.rows.tolist()
