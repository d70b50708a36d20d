import numpy as np
import pandas as pd
import pytest
from days import ODD, PLAIN, SECOND, START, by_account, fed, frame_of, state, values
from hypothesis import given, settings
from hypothesis import strategies as st

import kiwoom_nb as kn
from kiwoom_nb.scopes import by_position, check, turned
from kiwoom_nb.table import empty_frame

REALIZED = ["realized_pnl", "credit_realized_pnl"]
DAYS = {"plain": PLAIN, "odd": ODD}
FRAMES = {name: frame_of(day) for name, day in DAYS.items()}
ACCOUNTS = {name: by_account(frame, DAYS[name]) for name, frame in FRAMES.items()}
cases = st.sampled_from(list(FRAMES))
few = settings(max_examples=20, deadline=None)
LOT = {"f917": "03", "f916": "20261101"}
SUM = {"f917": "99", "f916": "00000000"}


def told(*entries, **options):
    """Return 990 of these entries by position."""
    return values(by_position(fed(*entries, **options).frame())["realized_pnl"].to_frame())


def won(*numbers):
    return [(number,) for number in numbers]


def own(frame):
    """Return what a frame says of positions: sums of loan lots that are known say nothing."""
    return values(frame[frame["credit_type"] != "99"], *REALIZED)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("plant", [(), ("duplicate", "loan_lots", "alphanumeric")])
def test_what_an_account_realized_is_told_of_each_position(seed, plant):
    """To the won, in cash and on credit, of several accounts, lots with their sums and a duplicate among them."""
    day = kn.simulate(seed, events=100, accounts=1 + seed % 2, plant=plant)
    frame = frame_of(day)
    accounts = by_account(frame, day)
    assert own(accounts) != own(frame)
    assert own(by_position(accounts)) == own(frame)


@given(cases, st.integers(0, 130))
@few
def test_a_frame_can_be_cut_anywhere(case, cut):
    """Also within a day: the values go on from those of the events before."""
    frame = ACCOUNTS[case]
    parts = by_position(frame.iloc[:cut]), by_position(frame.iloc[cut:], previous=frame.iloc[:cut])
    assert [*values(parts[0], *REALIZED), *values(parts[1], *REALIZED)] == values(by_position(frame), *REALIZED)


@given(cases, st.data())
@few
def test_a_row_that_is_sent_again_adds_nothing(case, data):
    """At once or later, be it one or several: it says of its position what it said the first time."""
    frame = ACCOUNTS[case]
    first = data.draw(st.integers(0, len(frame) - 1))
    last = data.draw(st.integers(first, min(len(frame) - 1, first + 3)))
    after = data.draw(st.integers(last, min(len(frame) - 1, last + 12)))
    rows = [*range(after + 1), *range(first, last + 1), *range(after + 1, len(frame))]
    again = frame.take(rows).reset_index(drop=True)
    again["received_at"] = frame["received_at"].iloc[np.maximum.accumulate(rows)].to_numpy()
    wanted = by_position(frame).take(rows)
    assert own(by_position(again)) == own(wanted)


def test_only_the_two_columns_are_new():
    """The others are shared and not copied; index and attrs stay, and the frame that was given is not written."""
    frame = ACCOUNTS["odd"].iloc[7:]
    before = frame.copy()
    found = by_position(frame)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(found.drop(columns=REALIZED), frame.drop(columns=REALIZED))
    assert found.attrs == frame.attrs
    assert np.shares_memory(found["cost"].array._data, frame["cost"].array._data)
    pd.testing.assert_series_equal(found.dtypes, frame.dtypes)
    assert len(by_position(empty_frame())) == 0
    assert values(by_position(frame, previous=frame.iloc[:0]), *REALIZED) == values(found, *REALIZED)


def test_a_blank_stays_blank_and_what_it_hid_belongs_to_the_next_event():
    """Which of the two realized it, nobody can tell; the sum of the account is right."""
    other = {"f9001": "000660"}
    entries = [
        state("sell", 100, 9, 900, 10, -1),
        state("sell", 100, 8, 800, None, -2),
        state("sell", 100, 5, 500, 35, -5, **other),
        state("sell", 100, 7, 700, 40, -3),
    ]
    assert told(*entries) == won(10, None, 25, 15)


def test_each_day_begins_at_zero():
    """What the account realized yesterday is no change of today, nor is yesterday's sum of the position."""
    table = fed(state("sell", 100, 9, 900, 10, -1), state("sell", 100, 5, 500, 30, -5, f9001="000660"))
    later = START + 86_400 * SECOND
    assert told(state("sell", 100, 8, 800, 7, -1), table=table, start=later) == won(10, 20, 7)


def test_a_sum_of_lots_hands_on_what_it_told():
    """To the first lot that is known; from then on the sum tells nothing that the lots do not tell."""
    only = [state("sell", 100, 9, 900, 10, -1, **SUM), state("sell", 100, 8, 800, 15, -2, **SUM)]
    assert told(*only) == won(10, 15)
    lot = [state("sell", 100, 8, 800, 15, -2, **LOT), state("sell", 100, 7, 700, 18, -3, **LOT)]
    assert told(*only, *lot) == won(10, 15, 15, 18)
    after = state("sell", 100, 7, 700, 18, -3, **SUM)
    assert told(*lot, after, state("sell", 100, 9, 900, 20, -1)) == won(15, 18, 0, 2)


def test_the_first_value_of_an_account_and_day_may_be_of_others():
    """No event says what the account had realized before it: it is marked unless it is 0."""
    later = START + 86_400 * SECOND
    table = fed(state("sell", 100, 9, 900, 10, -1), state("sell", 100, 8, 800, 12, -2))
    frame = fed(state("buy", 100, 9, 900, 0, 1), state("sell", 100, 8, 800, 5, 0), table=table, start=later).frame()
    assert turned(frame).unsure.tolist() == [True, False, False, False]
    assert turned(frame.iloc[1:], previous=frame.iloc[:1]).unsure.tolist() == [False] * 3
    assert turned(frame.iloc[1:]).unsure.tolist() == [True, False, False]


def test_what_changed_unseen_may_be_of_others():
    """While the line was down, or by an event that could not be read; a buy is known to have realized nothing."""
    other = {"f9001": "000660"}
    table = fed(state("sell", 100, 9, 900, 10, -1))
    table.line.connected(START - 1)
    table.line.disconnected(START + 1, "closed")
    table.line.connected(START + SECOND)
    after = [
        state("buy", 100, 10, 1000, 25, 0),
        state("sell", 100, 9, 900, 30, -1),
        state("sell", 100, 9, 900, None, -1, **other),
        state("sell", 100, 8, 800, 42, -2),
        state("sell", 100, 7, 700, 45, -3),
    ]
    frame = fed(*after, table=table, start=START + 2 * SECOND).frame()
    assert turned(frame).unsure.tolist() == [True, True, False, False, True, False]
    assert values(turned(frame).frame, "realized_pnl") == won(10, 10, 15, None, 27, 30)
    assert values(by_position(frame), "realized_pnl") == won(10, 25, 30, None, 42, 45)


@pytest.mark.parametrize("scope", [None, "accounts", 1, ["account"]])
def test_an_unknown_scope_is_refused_in_a_sentence(scope):
    """There are two."""
    with pytest.raises(ValueError) as caught:
        check(scope)
    assert str(caught.value) == f'scope={scope!r} is not known: give "position" or "account".'


def test_a_million_rows_are_turned_vectorised():
    """A loop over rows, or over positions in pandas, would take many seconds."""
    import time

    frame = pd.concat([ACCOUNTS["plain"]] * 2000, ignore_index=True)
    started = time.process_time()
    by_position(frame)
    assert time.process_time() - started < 2
