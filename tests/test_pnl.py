import warnings

import numpy as np
import pandas as pd
import pytest
from days import by_account, values
from frames import entry, event, frame
from hypothesis import given, settings
from hypothesis import strategies as st

import kiwoom_nb as kn
from kiwoom_nb.errors import ScopeWarning
from kiwoom_nb.fills import fills
from kiwoom_nb.pnl import realized_pnl, summary
from kiwoom_nb.positions import positions
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable

MORNING = 1_763_596_800_000_000  # 2025-11-20 09:00 KST
SECOND = 1_000_000
DAY = 86_400 * SECOND


def table_of(*frames, at=MORNING, gaps=()):
    """Return the frame of events a second apart; ``gaps`` are (after, seconds) in which the line was down."""
    table = BalanceTable(mask_accounts=False, capacity=1024)
    table.line.connected(at - SECOND)
    for number, timed in enumerate(frames):
        moment, raw = (at + number * SECOND, timed) if isinstance(timed, bytes) else timed
        table.receive(parse(raw), moment)
        for after in gaps:
            if after == number:
                table.line.disconnected(moment + 1, "test")
                table.line.connected(moment + 2)
    return table.frame()


def day_of(seed=0, **options):
    """Return a synthetic day and the frame of its events."""
    day = kn.simulate(seed, **{"events": 120, **options})
    table = BalanceTable(mask_accounts=False, capacity=1 << 12)
    for at, raw in day.frames():
        table.receive(parse(raw), at)
    return day, table.frame()


def bought(quantity, *, pnl=0, symbol="005930", net=None, **fids):
    """Return an event after a buy at 100 won each."""
    net = quantity if net is None else net
    fids = {"f9001": symbol, "f930": str(quantity), "f932": str(100 * quantity), "f945": str(net), **fids}
    return event(symbol, f946="2", f990=str(pnl), **fids)


def sold(quantity, *, pnl, symbol="005930", net=None, **fids):
    net = quantity if net is None else net
    fids = {"f9001": symbol, "f930": str(quantity), "f932": str(100 * quantity), "f945": str(net), **fids}
    return event(symbol, f946="1", f990=str(pnl), **fids)


# --- over time --------------------------------------------------------------------------------------------------


def test_realized_pnl_steps_with_each_sale_and_stays_until_the_next():
    """One point for each arrival, whole won, time in KST."""
    df = table_of(bought(10), sold(6, pnl=400), bought(8, pnl=400), sold(0, pnl=1500))
    steps = realized_pnl(df)
    assert steps.tolist() == [0, 400, 400, 1500]
    assert (steps.dtype, steps.name, steps.index.name) == ("int64", "realized_pnl", "received_at")
    assert str(steps.index.dtype) == "datetime64[us, Asia/Seoul]"
    assert steps.index.tolist() == df["received_at"].tolist()


def test_cash_and_credit_count_together():
    """What was realized today is 990 in cash and 992 on credit."""
    df = table_of(bought(10), sold(5, pnl=100), event(f917="03", f916="20251001", f990="0", f992="-30", f946="1"))
    assert realized_pnl(df).tolist() == [0, 100, 70]


def test_it_begins_anew_with_each_day_in_korea():
    """Kiwoom's counters are of today: yesterday's do not leak into it, whatever the zone of the reader."""
    evening, morning = MORNING + 6 * 3600 * SECOND, MORNING + 15 * 3600 * SECOND  # 15:00 and 00:00 in Korea
    df = table_of((evening, sold(5, pnl=700)), (morning, sold(4, pnl=50)), (morning + DAY, bought(6)))
    assert realized_pnl(df).tolist() == [700, 50, 0]


def test_events_of_one_frame_are_one_point():
    """They arrived together, so nothing was between them."""
    two = frame(
        entry("005930", f946="1", f990="10", f930="1", f932="100"),
        entry("000660", f9001="000660", f946="1", f990="5", f930="1", f932="100"),
    )
    df = table_of(two, sold(0, pnl=30))
    assert realized_pnl(df).tolist() == [15, 35]
    assert realized_pnl(df, by="symbol").to_dict("list") == {"005930": [10, 30], "000660": [5, 5]}


@pytest.mark.parametrize("by", ["symbol", "account"])
def test_the_parts_add_up_to_the_total(by):
    """By symbol and by account the same won are only split up."""
    _, df = day_of(3, accounts=3)
    parts = realized_pnl(df, by=by)
    assert parts.columns.name == by
    assert list(parts.columns) == [name for name in df[by].cat.categories if (df[by] == name).any()]
    assert (parts.dtypes == "int64").all()
    pd.testing.assert_series_equal(parts.sum(axis=1).astype("int64"), realized_pnl(df), check_names=False)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), accounts=st.integers(1, 3), credit=st.booleans())
def test_it_ends_at_what_truly_was_realized(seed, accounts, credit):
    """To the won, for every account and symbol; positions say the same."""
    day, df = day_of(seed, accounts=accounts, credit=credit, events=60)
    sells = day.truth.fills[day.truth.fills["side"] == "sell"]
    assert realized_pnl(df).iloc[-1] == sells["realized_pnl"].sum()
    for by in ("account", "symbol"):
        told = realized_pnl(df, by=by).iloc[-1]
        expected = sells.groupby(by)["realized_pnl"].sum().reindex(told.index, fill_value=0)
        assert told.tolist() == expected.tolist()
    assert positions(df, closed=True)["realized_pnl_today"].sum() == sells["realized_pnl"].sum()


def test_it_is_right_after_every_event():
    """Not only at the end: each point is what the events so far say, added up over the positions."""
    _, df = day_of(5, events=50, plant=["loan_lots", "duplicate", "alphanumeric", "nxt"])
    steps = realized_pnl(df)
    for rows in range(1, len(df) + 1):
        assert steps.asof(df["received_at"].iloc[rows - 1]) == (
            positions(df.iloc[:rows], closed=True)["realized_pnl_today"].sum()
            if rows == len(df) or df["received_at"].iloc[rows] != df["received_at"].iloc[rows - 1]
            else steps.asof(df["received_at"].iloc[rows - 1])
        )


def test_sums_of_lots_are_never_added_to_the_lots():
    """A row of 99 counts while no lot is known, and is taken back as soon as one is."""
    total = {"f917": "99", "f990": "0", "f946": "1"}
    lot = {"f917": "03", "f916": "20251001", "f990": "0", "f946": "1"}
    df = table_of(
        event(**total, f992="70"), event(**lot, f992="50"), event(**total, f992="90"), event(**lot, f992="60")
    )
    assert realized_pnl(df).tolist() == [70, 50, 50, 60]
    assert realized_pnl(df.iloc[1:]).tolist() == [50, 50, 60]
    blank = table_of(event(**total, f992="70"), event(**total, f992="?"), event(**lot, f992="50"))
    assert realized_pnl(blank).tolist() == [70, 70, 50]


def test_a_blank_changes_nothing():
    """What cannot be read is no zero: the last known value stays good."""
    df = table_of(sold(5, pnl=100), sold(4, pnl="x"), sold(3, pnl=130))
    assert realized_pnl(df).tolist() == [100, 100, 130]


@pytest.mark.parametrize("row", [0, 17, 44, 59])
def test_a_duplicate_changes_nothing(row):
    """An event that comes twice is no second sale."""
    _, df = day_of(8, events=60)
    twice = pd.concat([df.iloc[: row + 1], df.iloc[row:]], ignore_index=True)
    pd.testing.assert_series_equal(realized_pnl(twice), realized_pnl(df))
    assert summary(twice).drop(columns="events").equals(summary(df).drop(columns="events"))


def sent_again(day, sent, row, later):
    """Return the frame of ``sent`` in which one of them comes again, after so many others."""
    again = sent[row + later][0], sent[row][1]
    return table_of(*sent[: row + later + 1], again, *sent[row + later + 1 :])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 24), part=st.floats(0, 1), later=st.sampled_from([1, 3, 10]))
def test_a_late_duplicate_changes_nothing(seed, part, later):
    """Where fills() sees that nothing was traded, nothing was realized either, and nobody doubts the scope."""
    day = kn.simulate(seed, events=60)
    sent = list(day.frames())
    once = table_of(*sent)
    twice = sent_again(day, sent, int(part * (len(sent) - later - 1)), later)
    if len(fills(twice)) > len(fills(once)):
        return  # nobody can tell
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pd.testing.assert_series_equal(realized_pnl(twice), realized_pnl(once))
        pd.testing.assert_frame_equal(realized_pnl(twice, by="symbol"), realized_pnl(once, by="symbol"))
        pd.testing.assert_frame_equal(summary(twice).drop(columns="events"), summary(once).drop(columns="events"))


def test_a_frame_of_several_events_that_is_sent_twice_changes_nothing():
    """Its first event comes again after its second one: no fall and no doubt."""
    two = frame(
        entry("005930", f946="2", f930="12", f932="1200", f990="0", f945="12", f10="100"),
        entry("005930", f946="1", f930="6", f932="600", f990="300", f945="6", f10="150"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        df = table_of(bought(10), two, two)
        assert realized_pnl(df).tolist() == [0, 300, 300]
        assert summary(df)[["realized_pnl", "max_drawdown", "fills"]].to_numpy().tolist() == [[300, 0, 3]]
        of_account = realized_pnl(df, scope="account")
    assert of_account.tolist() == [0, 300, 300]


def test_two_recordings_of_one_day_are_one_day():
    """A second recorder writes the same events a little later: each of them comes twice, among others."""
    _, df = day_of(11, events=120)
    second = df.assign(received_at=df["received_at"] + pd.Timedelta(milliseconds=30))
    both = pd.concat([df, second]).sort_values("received_at", kind="stable", ignore_index=True)
    told, wanted = summary(both), summary(df)
    pd.testing.assert_frame_equal(told.drop(columns="events"), wanted.drop(columns="events"))
    assert realized_pnl(both).iloc[-1] == realized_pnl(df).iloc[-1]


def test_an_empty_frame_gives_empty_results_of_the_right_dtypes():
    """Code written for a full frame runs on the first cell of Run All."""
    _, df = day_of()
    none = df.head(0)
    pd.testing.assert_series_equal(realized_pnl(none), realized_pnl(df).head(0))
    assert realized_pnl(none, by="symbol").shape == (0, 0)
    pd.testing.assert_series_equal(summary(none).dtypes, summary(df).dtypes)
    assert not len(summary(none))


# --- whose counters they are --------------------------------------------------------------------------------------


def of_account(df):
    """Return the frame that Kiwoom would send if 990 and 992 counted the whole account."""
    totals = realized_pnl(df, by="account")
    both = [totals[account].asof(at) for account, at in zip(df["account"], df["received_at"], strict=True)]
    return df.assign(realized_pnl=pd.array(both, dtype="Int64"), credit_realized_pnl=pd.array([0] * len(df), "Int64"))


def alone(day_frame):
    """Return only the rows that arrived alone: then each tells the total right after it."""
    return day_frame[~day_frame["received_at"].duplicated(keep=False)].reset_index(drop=True)


def test_counters_of_the_account_give_the_same_steps():
    """The same day told in the other way, and read in the other way, is the same day."""
    _, df = day_of(4, accounts=2, events=200)
    df = alone(df)
    told = of_account(df)
    pd.testing.assert_series_equal(realized_pnl(told, scope="account"), realized_pnl(df))
    pd.testing.assert_frame_equal(realized_pnl(told, by="symbol", scope="account"), realized_pnl(df, by="symbol"))


def test_data_that_contradict_the_scope_are_told():
    """A buy realizes nothing: where it seems to, the counters count something else, and who reads it must know."""
    _, df = day_of(4, events=200)
    df = alone(df)
    with pytest.warns(ScopeWarning, match=r'was bought at .* compare with scope="account"') as told:
        realized_pnl(of_account(df))
    assert len(told) == 1
    assert told[0].message.row in df.index
    with pytest.warns(ScopeWarning, match='scope="position"'):
        realized_pnl(df, scope="account")


def test_what_a_gap_explains_is_no_contradiction():
    """While the line was down something may have been sold, and the buy after it tells of both."""
    df = table_of(bought(10), bought(8, pnl=300), gaps=[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert realized_pnl(df).tolist() == [0, 300]
    with pytest.warns(ScopeWarning):
        realized_pnl(table_of(bought(10), bought(8, pnl=300)))


def test_a_symbol_that_was_only_bought_realizes_nothing():
    """Its first event tells what the account realized with another one: the example of KIWOOM.md, section 12."""
    others = [bought(10, pnl=1_000_000, symbol=f"00000{number}") for number in range(1, 10)]
    df = table_of(sold(5, pnl=1_000_000), *others)
    with pytest.warns(ScopeWarning, match=r'000001 was bought at .* compare with scope="account"') as told:
        realized_pnl(df)
    assert (len(told), told[0].message.row, told[0].message.change) == (1, 1, 1_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert realized_pnl(df, scope="account").iloc[-1] == 1_000_000


@pytest.mark.parametrize(
    "second",
    [
        bought(10, pnl=0, symbol="000660"),  # realizes nothing, as it should
        bought(10, pnl=70, symbol="000660"),  # was sold before the first event of the frame
        sold(10, pnl=100, symbol="000660"),  # may have realized just as much
        event("005930", f917="03", f916="20251001", f990="0", f992="100", f946="2"),  # a lot of what was summed up
    ],
)
def test_a_first_event_that_may_be_right_is_no_contradiction(second):
    """A warning that cries wolf is not read."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        df = table_of(event("005930", f917="99", f990="0", f992="100", f946="1"), second)
        realized_pnl(df)
        realized_pnl(pd.concat([table_of(sold(5, pnl=100)), table_of(second, at=MORNING + DAY)], ignore_index=True))


@pytest.mark.parametrize(("options", "text"), [({"by": "name"}, "by='name'"), ({"scope": "all"}, "scope='all'")])
def test_an_unknown_option_is_named(options, text):
    """The sentence says what there is instead."""
    with pytest.raises(ValueError, match=text):
        realized_pnl(day_of()[1], **options)


# --- by day ---------------------------------------------------------------------------------------------------------


def test_a_day_is_summed_up_by_account():
    """Against the synthetic truth: amounts, number of fills, win rate, best and worst symbol."""
    day, df = day_of(6, accounts=2, events=300)
    truth = day.truth.fills
    told = summary(df)
    assert told["account"].tolist() == list(day.accounts)
    assert (told["date"] == pd.Timestamp(day.date)).all()
    for _, row in told.iterrows():
        own = truth[truth["account"] == row["account"]]
        sells = own[own["side"] == "sell"]
        by_symbol = sells.groupby("symbol")["realized_pnl"].sum()
        assert row["realized_pnl"] == sells["realized_pnl"].sum()
        assert (row["best_symbol"], row["best_pnl"]) == (by_symbol.idxmax(), by_symbol.max())
        assert (row["worst_symbol"], row["worst_pnl"]) == (by_symbol.idxmin(), by_symbol.min())
        assert row["fills"] == len(own)
        assert row["events"] == (df["account"] == row["account"]).sum()


def test_with_opening_holdings_amounts_and_win_rate_are_the_truth():
    """Without them the first fill of a position is uncertain, and is counted as such."""
    df = kn.load("sample:calm")
    truth = kn.simulate(seed=11, date="2026-11-18", events=60).truth.fills
    row = summary(df).iloc[0]
    amounts = truth.groupby("side")["amount"].sum()
    sells = truth[truth["side"] == "sell"]
    assert (row["bought"], row["sold"], row["uncertain"]) == (amounts["buy"], amounts["sell"], 0)
    assert row["win_rate"] == pytest.approx((sells["realized_pnl"] > 0).mean())
    bare = df.copy()
    bare.attrs = {}
    assert summary(bare)["uncertain"].iloc[0] == 10


def test_the_drawdown_is_the_deepest_fall_below_the_highest():
    """Won, zero or less; the day begins at nothing, so a first loss is a drawdown."""
    pnls = [-100, 400, 150, 500, 250]
    df = table_of(*(sold(9 - number, pnl=pnl) for number, pnl in enumerate(pnls)))
    assert summary(df)["max_drawdown"].tolist() == [-250]
    assert summary(df.head(1))["max_drawdown"].tolist() == [-100]
    assert summary(table_of(bought(3)))["max_drawdown"].tolist() == [0]


def test_unrealized_pnl_is_that_of_the_end_of_each_day():
    """What was held after the day's last event, at the prices of then."""
    first = event(f930="10", f932="1000", f10="120", f946="2", f945="10")
    second = event(f930="10", f932="1000", f10="90", f946="2", f945="0")
    df = table_of((MORNING, first), (MORNING + DAY, second))
    assert summary(df)["unrealized_pnl"].tolist() == [200, -100]
    assert summary(df)["date"].dt.day.tolist() == [20, 21]


def test_events_that_arrive_together_are_no_drawdown():
    """A frame of several entries is one moment: what lies between two of them was never seen."""
    two = frame(
        entry("005930", f946="1", f990="-250", f930="1", f932="100"),
        entry("000660", f9001="000660", f946="1", f990="400", f930="1", f932="100"),
    )
    assert summary(table_of(two))["max_drawdown"].tolist() == [0]
    assert summary(table_of(two, sold(0, pnl=-300)))["max_drawdown"].tolist() == [-50]


def test_what_is_not_known_of_a_position_is_not_known_of_the_account():
    """The value of a holding whose quantity could not be read is no 0."""
    known = event("000660", f9001="000660", f930="10", f932="1000", f10="120", f946="2", f945="10")
    unread = event("005930", f930="?", f932="1000", f10="120", f946="2", f945="10")
    assert summary(table_of(known))["unrealized_pnl"].tolist() == [200]
    assert summary(table_of(known, unread))["unrealized_pnl"].isna().tolist() == [True]


def test_a_day_told_by_account_is_summed_up_the_same():
    """scope="account" counts for the fills as well: amounts, wins and losses are those of the same day by position."""
    day, df = day_of(2, accounts=2, credit=False)
    told = summary(by_account(df, day), scope="account")
    wanted = summary(df)
    money = ["date", "account", "realized_pnl", "unrealized_pnl", "bought", "fills", "max_drawdown", "events"]
    pd.testing.assert_frame_equal(told[money], wanted[money])
    sure = fills(df)["confidence"] == "exact"
    assert sure.sum() > 100
    pd.testing.assert_frame_equal(told[["sold", "win_rate"]], wanted[["sold", "win_rate"]])


@pytest.mark.parametrize("dtype", ["str", "object"])
@pytest.mark.parametrize("by", ["symbol", "account"])
def test_columns_need_not_be_categories(dtype, by):
    """As DuckDB and CSV give them back."""
    _, df = day_of(3, accounts=2)
    plain = df.astype({name: dtype for name in df if isinstance(df[name].dtype, pd.CategoricalDtype)})
    told, wanted = realized_pnl(plain, by=by), realized_pnl(df, by=by)
    pd.testing.assert_frame_equal(told[list(wanted)], wanted)
    days = [summary(frame).astype({"account": "str"}).sort_values("account") for frame in (plain, df)]
    assert values(days[0]) == values(days[1])


def test_a_symbol_that_realized_nothing_is_neither_best_nor_worst():
    """Where nothing was sold there is none."""
    row = summary(table_of(bought(3))).iloc[0]
    assert row[["best_symbol", "best_pnl", "worst_symbol", "worst_pnl"]].isna().all()
    assert np.isnan(row["win_rate"])
