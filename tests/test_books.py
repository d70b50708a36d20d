import days
import pandas as pd
import pytest
from days import by_account, fed, frame_of
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


def net_of_costs(frame, fills):
    """Return the frame of a broker that books fee and tax of each sell into 990."""
    sells = fills[fills["side"] == "sell"]
    costs = dict(zip(sells["event"], sells["fee"] + sells["tax"], strict=True))
    so_far, told = {}, []
    for row, *key, realized in zip(frame.index, frame["account"], frame["symbol"], frame["realized_pnl"], strict=True):
        so_far[*key] = so_far.get((*key,), 0) + costs.get(row, 0)
        told.append(realized - so_far[*key])
    return frame.assign(realized_pnl=pd.array(told, dtype="Int64"))


@pytest.mark.parametrize("seed", range(6))
def test_fees_and_taxes_in_990_show_at_the_price_though_not_in_the_difference(seed):
    """The amount of a sell is the one that 990 implies: only the price that the event showed knows better."""
    day = kn.simulate(seed, events=120, credit=False)
    fills, frame = day.truth.fills, frame_of(day)
    of_fills = fills.set_index("event")["price"]
    frame = frame.assign(price=of_fills.reindex(frame.index).astype("Int64"))  # of the fill, wherever the market is
    net = net_of_costs(frame, fills)
    books, found = reconcile(net), net.kn.fills()
    assert (books["difference"] == 0).all()
    chance = found[(found["confidence"] == "exact") & (found["quantity"] > 1)]  # what is left happens to be a price
    sells = fills[(fills["side"] == "sell") & ~fills["event"].isin(chance["row"])]
    assert len(sells) > 0.9 * (fills["side"] == "sell").sum()
    costs = (sells["fee"] + sells["tax"]).groupby(sells["symbol"]).sum()
    hidden = (books["at_price"] - books["theirs"]).set_axis(books["symbol"])
    assert hidden[hidden != 0].astype("int64").to_dict() == costs[costs != 0].to_dict()
    gross = reconcile(frame)
    assert gross["at_price"].equals(gross["ours"])


def test_at_the_price_exact_fills_are_worth_their_amount():
    """The market may have moved on before the event told its price; of a blank price nothing is known."""
    held = told("buy", 0, 0, 0, 0), told("buy", 10, 1000, 0, 10)
    moved = told("sell", 8, 800, 40, 8, f10="130")  # two at 120
    assert reconcile(table_of(*held, moved))["at_price"].tolist() == [40]
    blank = told("sell", 8, 800, 41, 8, f10="")
    books = reconcile(table_of(*held, blank))
    assert books["ours"].tolist() == [41]
    assert books["at_price"].isna().all()
    one = told("sell", 9, 900, 99_650, 9, f10="100000")  # one share at 100000, less 350
    assert reconcile(table_of(*held, one))["at_price"].tolist() == [99_900]


@pytest.mark.parametrize("seed", range(3))
def test_what_the_whole_account_realized_is_set_beside_our_books_as_well(seed):
    """With scope="account" theirs is what the account's value changed by with the events of the position."""
    day = kn.simulate(seed, events=120, accounts=2)
    frame = frame_of(day)
    books = reconcile(by_account(frame, day), scope="account")
    wanted = reconcile(frame)
    assert books["theirs"].tolist() == wanted["theirs"].tolist()
    complete = books["complete"]
    assert complete.sum() >= len(wanted) - 2
    pd.testing.assert_frame_equal(books[complete], wanted[complete])
    with pytest.raises(ValueError, match="scope='all' is not known"):
        reconcile(frame, scope="all")


def test_a_sum_of_lots_has_its_own_books_until_a_lot_is_known():
    """Of a position of which only the sum is told, that is set beside what the broker said."""
    total, lot = {"f917": "99", "f916": "00000000"}, {"f917": "03", "f916": "20261101"}
    alone = [
        days.state("buy", 100, 0, 0, net=0, f992="0", **total),
        days.state("buy", 100, 10, 1000, net=10, f992="0", **total),
        days.state("sell", 150, 5, 500, net=5, f992="250", **total),
    ]
    columns = ["credit_type", "ours", "theirs", "difference", "fills"]
    frame = fed(*alone).frame()
    assert reconcile(frame)[columns].to_numpy().tolist() == [["99", 250, 250, 0, 3]]
    later = [
        days.state("sell", 150, 4, 400, net=4, f992="300", **lot),
        days.state("sell", 150, 4, 400, net=4, f992="300", **total),
        days.state("sell", 150, 3, 300, net=3, f992="350", **lot),
        days.state("sell", 150, 3, 300, net=3, f992="350", **total),
    ]
    books = reconcile(fed(*alone, *later).frame())
    assert books[columns].to_numpy().tolist() == [["99", 250, 250, 0, 3], ["03", 50, 350, -300, 2]]
    assert books["complete"].tolist() == [False, False]
    both = reconcile(fed(*later).frame())
    assert both[columns[:3]].to_numpy().tolist() == [["03", 50, 350]]


def test_any_index_will_do():
    """Events are found by their place where they bear no numbers."""
    frame = kn.load("sample:calm")
    held = frame.assign()
    held.attrs = {}
    named = held.set_index(held.index.map(str))
    pd.testing.assert_frame_equal(reconcile(named), reconcile(held))


def test_an_empty_frame_gives_an_empty_table_of_the_same_dtypes():
    """Code written for a full frame runs on an empty one."""
    df = kn.load("sample:calm")
    pd.testing.assert_series_equal(reconcile(df.head(0)).dtypes, reconcile(df).dtypes)
    assert not len(reconcile(df.head(0)))
