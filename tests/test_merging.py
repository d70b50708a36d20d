"""Frames cut and put together: what they tell follows their rows."""

from __future__ import annotations

import pandas as pd
import pytest
from frames import balance_frames, event
from holding_pages import page, row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from kiwoom_nb.holdings import Holding, Holdings, with_times
from kiwoom_nb.line import Gap
from kiwoom_nb.merging import day_of, days_in, masked, merged, selected, shown_as
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.told import Told, told_by

DAY = 24 * 3600 * 1_000_000
MIDNIGHT = int(pd.Timestamp("2026-11-18", tz="Asia/Seoul").timestamp()) * 1_000_000
HELD = Holding("005930", "삼성전자", "00", None, 1, 1, 1, 1, 1, 1, 0, 0)
SECONDS = st.integers(0, 3 * 24 * 3600 - 1).map(lambda second: MIDNIGHT + second * 1_000_000)

ENDS = st.booleans()


@st.composite
def recorded(draw, ends=ENDS):
    """Draw a frame of up to three days, with gaps, rejects and holdings."""
    table = BalanceTable(mask_accounts=False, capacity=4)
    moments = sorted(draw(st.lists(SECONDS, min_size=1, max_size=8)))
    for moment in moments:
        table.receive(parse(draw(balance_frames(2) | st.just(event(f930="x")) | st.just(b"noise"))), moment)
    frame = table.frame().copy()
    told = told_by(frame)
    starts = draw(st.lists(SECONDS, max_size=3, unique=True))
    gaps = [Gap(start, start + DAY // 2 if draw(ends) else None, "closed") for start in sorted(starts)]
    times = frame["received_at"].to_numpy("M8[us]").astype("int64")
    asked = sorted(draw(st.lists(SECONDS.map(lambda at: at + 1), max_size=2)))
    held = [with_times(Holdings(at, int(times.searchsorted(at)), "5012345678", [HELD]), times) for at in asked]
    return Told(gaps, told.rejected, held).attach(frame)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recorded())
def test_days_put_together_are_the_whole(frame):
    """Each row, gap, reject and query of holdings is of one day, and none is lost."""
    days = days_in(frame)
    parts = [selected("test", frame, dates=day) for day in days]
    assert sum(map(len, parts)) == len(frame)
    assert {day_of(reject.received_at) for part in parts for reject in told_by(part).rejected} <= set(days)
    whole = merged("test", parts) if parts else frame
    assert_frame_equal(whole, frame, check_categorical=False)
    assert told_by(whole) == told_by(frame)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recorded(ends=st.just(True)), recorded(ends=st.just(True)))
def test_choosing_from_many_is_putting_together_what_was_chosen_from_each(one, other):
    """Rows and what is told.

    Only a gap that lasts in one and ended in the other belongs to two days, as each of them knows it.
    """
    both = selected("test", merged("test", [one, other]), symbols="005930", dates=["2026-11-18", "2026-11-19"])
    parts = [selected("test", part, symbols="005930", dates=["2026-11-18", "2026-11-19"]) for part in (one, other)]
    assert_frame_equal(both, merged("test", parts), check_categorical=False)
    assert told_by(both) == told_by(merged("test", parts))


@pytest.mark.parametrize("other", [slice(1, None), slice(None, None, -1)])
def test_what_was_asked_is_left_out_where_the_rows_were_numbered_anew(other):
    """Nobody knows before which of them it was; else it would be told of rows that came later."""
    table = BalanceTable(mask_accounts=False, capacity=4)
    table.hold(1, "5012345678", [page(row())])
    for second in (2, 3, 4):
        table.receive(parse(event()), second * 1_000_000)
    frame = table.frame()
    anew = frame.iloc[other].reset_index(drop=True)
    assert told_by(selected("test", frame, symbols="005930")) == told_by(merged("test", [frame])) == told_by(frame)
    assert told_by(selected("test", anew, symbols="005930")).holdings == []
    assert told_by(merged("test", [anew])).holdings == []


def test_a_gap_that_ended_elsewhere_does_not_last():
    """The file of the first day could not know its end."""
    frames = [
        Told([gap], [], []).attach(BalanceTable(capacity=1).frame().copy())
        for gap in (Gap(1, None, "closed"), Gap(1, DAY, "closed"), Gap(DAY + 1, None, "closed"))
    ]
    assert told_by(merged("test", frames)).gaps == [Gap(1, DAY, "closed"), Gap(DAY + 1, None, "closed")]


def test_holdings_of_an_account_without_rows_are_masked():
    """It is known by its holdings alone."""
    table = BalanceTable(mask_accounts=False, capacity=1)
    table.receive(parse(event(f9201="1234561111")), 1)
    frame = Told([], [], [Holdings(2, 1, "6543211111", [HELD])]).attach(table.frame().copy())
    assert [held.account for held in told_by(masked(frame)).holdings] == ["xxxxx11111"]
    assert masked(frame)["account"].tolist() == ["xxxxx61111"]
    assert frame["account"].tolist() == ["1234561111"]


@pytest.mark.parametrize(
    "derive", [lambda frame: frame.set_index("account"), lambda frame: frame.astype({"account": "str"})]
)
def test_accounts_are_masked_wherever_they_stand(derive):
    """In an index and as plain texts too."""
    table = BalanceTable(mask_accounts=False, capacity=1)
    table.receive(parse(event(f9201="1234561111")), 1)
    frame = derive(table.frame().copy())
    assert "1234561111" in frame.to_csv()
    assert "1234561111" not in masked(frame).to_csv()
    assert "mine" in shown_as(frame, {"1234561111": "mine"}).to_csv()
