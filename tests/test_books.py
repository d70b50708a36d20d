import pandas as pd
import pytest
from frames import event
from hypothesis import given, settings
from hypothesis import strategies as st

import kiwoom_nb as kn
from kiwoom_nb.books import reconcile
from kiwoom_nb.protocol import parse
from kiwoom_nb.samples import DAYS
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.told import told_by

MORNING = 1_763_596_800_000_000  # 2025-11-20 09:00 KST
SECOND = 1_000_000
KEY = ["account", "symbol", "credit_type", "loan_date"]


def table_of(*frames, first=MORNING):
    table = BalanceTable(mask_accounts=False, capacity=64)
    for number, raw in enumerate(frames):
        table.receive(parse(raw), first + number * SECOND)
    return table.frame()


def told(side, quantity, cost, pnl, net, **fids):
    """Return an event that tells this state."""
    numbers = {"f930": str(quantity), "f932": str(cost), "f990": str(pnl), "f945": str(net)}
    return event(f946={"sell": "1", "buy": "2"}[side], **numbers, **fids)


@pytest.mark.parametrize("name", ["calm", "busy"])
def test_a_clean_day_agrees_to_the_won(name):
    """The synthetic broker keeps a moving average; so do we, from the fills alone."""
    books = reconcile(kn.load(f"sample:{name}", mask_accounts=False))
    assert books["complete"].all()
    assert (books["difference"] == 0).all()
    fills = DAYS[name]().truth.fills
    assert books["fills"].sum() == len(fills)
    expected = fills[fills["side"] == "sell"].groupby(KEY, dropna=False)["realized_pnl"].sum()
    sold = books[books["theirs"] != 0].set_index(KEY)["ours"]
    expected = expected[expected != 0]
    assert {str(key): int(won) for key, won in sold.items()} == {str(key): int(won) for key, won in expected.items()}


def test_what_a_gap_hid_is_told_and_everything_else_agrees():
    """A difference is ours to explain only where every fill of the day is known."""
    df = kn.load("sample:oddities", mask_accounts=False)
    books = reconcile(df)
    assert (books.loc[books["complete"], "difference"] == 0).all()
    missed = DAYS["oddities"]().truth.fills.query("missed")
    hidden = books.loc[~books["complete"]]
    assert set(hidden["symbol"]) == set(missed["symbol"])
    assert hidden["difference"].abs().sum() == missed.loc[missed["side"] == "sell", "realized_pnl"].abs().sum()


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_synthetic_day_agrees(seed):
    """Also without opening holdings: the first fill of a position is then not known, and the books begin after it."""
    day = kn.simulate(seed, events=60)
    df = table_of()
    table = BalanceTable(mask_accounts=False, capacity=128)
    for at, raw in day.frames():
        table.receive(parse(raw), at)
    df = table.frame()
    assert not told_by(df).holdings
    books = reconcile(df)
    assert (books.loc[books["complete"], "difference"] == 0).all()


def test_a_broker_that_rounds_otherwise_shows_in_won():
    """Cost taken at the rounded average price: the difference is the rounding, and nothing else."""
    df = table_of(
        told("buy", 3, 1000, 0, 3),  # 333.33 a share
        told("sell", 1, 334, 134, 1),  # two at 400: 666 of cost taken, where a moving average takes 667
    )
    books = reconcile(df)
    assert books[["ours", "theirs", "difference", "complete"]].to_numpy().tolist() == [[133, 134, -1, False]]


def test_first_in_first_out_shows_as_a_difference():
    """A broker that takes the oldest shares first realizes something else than the average."""
    df = table_of(told("buy", 0, 0, 0, 0), told("buy", 10, 1000, 0, 10), told("buy", 20, 3000, 0, 20))
    assert reconcile(df)["difference"].tolist() == [0]
    df = table_of(
        told("buy", 0, 0, 0, 0),
        told("buy", 10, 1000, 0, 10),
        told("buy", 20, 3000, 0, 20),
        told("sell", 10, 2000, 500, 10),  # 10 at 150: the first ten cost 1000, the average of ten is 1500
    )
    books = reconcile(df)
    assert books["theirs"].tolist() == [500]
    assert not books["complete"].any()


def test_each_day_is_a_row_of_its_own():
    """Positions go on over night, what was realized does not."""
    day = 86_400 * SECOND
    table = BalanceTable(mask_accounts=False, capacity=64)
    states = [("buy", 0, 0, 0, 0), ("buy", 10, 1000, 0, 10), ("sell", 5, 500, 200, 5)]
    for number, state in enumerate(states):
        table.receive(parse(told(*state)), MORNING + number)
    table.receive(parse(told("sell", 0, 0, 100, -5)), MORNING + day)
    books = reconcile(table.frame())
    assert books["date"].dt.day.tolist() == [20, 21]
    assert books["ours"].tolist() == books["theirs"].tolist() == [200, 100]
    assert books["complete"].tolist() == [False, True]  # before the first event there may have been more


def test_an_empty_frame_gives_an_empty_table_of_the_same_dtypes():
    """Code written for a full frame runs on an empty one."""
    df = kn.load("sample:calm")
    pd.testing.assert_series_equal(reconcile(df.head(0)).dtypes, reconcile(df).dtypes)
    assert not len(reconcile(df.head(0)))
