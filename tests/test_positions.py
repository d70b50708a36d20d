import frames
import numpy as np
import pandas as pd
import pytest
from days import ODD, PLAIN, SECOND, START, ask, fed, frame_of, state, table_of, values
from hypothesis import given, settings
from hypothesis import strategies as st

import kiwoom_nb as kn
from kiwoom_nb.costs import Costs
from kiwoom_nb.fills import fills
from kiwoom_nb.positions import positions
from kiwoom_nb.protocol import parse
from kiwoom_nb.repeats import latest_rows
from kiwoom_nb.table import BalanceTable, empty_frame

KEY = ["account", "symbol", "credit_type", "loan_date"]
HELD = ["quantity", "cost", "average_price"]
STATE = [*HELD, "price", "base_price", "orderable_quantity", "realized_pnl_today", "credit_amount", "credit_interest"]
THEIRS = [name if name != "realized_pnl_today" else "sell_pnl_today" for name in STATE]
DAYS = {"plain": PLAIN, "odd": ODD}
FRAMES = {(name, asked): frame_of(day, asked=asked) for name, day in DAYS.items() for asked in (True, False)}
few = settings(max_examples=20, deadline=None)
cases = st.sampled_from(list(FRAMES))


def kinds(table):
    return [(name, str(dtype)) for name, dtype in table.dtypes.items()]


def page(**fields):
    """Return one page of an account query with one row."""
    row = {"stk_cd": "A005930", "stk_nm": "삼성전자", "crd_tp": "00", "tdy_sellq": "0", "tdy_buyq": "0", **fields}
    return frames.dump({"acnt_evlt_remn_indv_tot": [row]})


# --- against the truth ------------------------------------------------------------------------------------------------


def _truth(day, rows):
    """The latest state of each position that was told in the first ``rows``, by position; without 99 rows."""
    told = day.truth.positions.iloc[:rows]
    told = told[~told["aggregate"]]
    return dict(zip(values(told, *KEY), values(told, *THEIRS), strict=True))


@pytest.mark.parametrize("seed", range(2))
def test_positions_are_the_truth_at_every_row(seed):
    """positions(frame[:k]) equals the generator's truth at k; what is closed shows on request."""
    day = kn.simulate(seed, events=60, accounts=1 + seed % 2)
    frame = frame_of(day, asked=False)
    for k in range(len(frame) + 1):
        found, wanted = positions(frame.iloc[:k], closed=True), _truth(day, k)
        assert dict(zip(values(found, *KEY), values(found, *STATE), strict=True)) == wanted
        held = positions(frame.iloc[:k])
        assert values(held, *KEY) == [key for key in values(found, *KEY) if wanted[key][0]]
        assert set(found["source"]) <= {"event"}


@pytest.mark.parametrize("seed", range(2))
def test_what_never_traded_is_there_from_the_start(seed):
    """Once the account was asked, holdings are complete at every row: events lie over what it told."""
    day = kn.simulate(seed, events=60, accounts=1 + seed % 2, plant="alphanumeric")
    frame, opening = frame_of(day), day.truth.opening
    held = dict(zip(values(opening, *KEY), values(opening, *HELD), strict=True))
    for k in range(len(frame) + 1):
        now = {**held, **{key: told[:3] for key, told in _truth(day, k).items()}}
        found = positions(frame.iloc[:k])
        assert dict(zip(values(found, *KEY), values(found, *HELD), strict=True)) == {
            key: told for key, told in now.items() if told[0]
        }
        assert ((found["source"] == "opening") == (found["events"] == 0)).all()
        assert not found["stale"].any()


def test_what_was_missed_in_a_gap_is_corrected():
    """By what the account told when the line was up again; such positions say that their events were missed."""
    frame = FRAMES["odd", True]
    end = ODD.gaps[0][1]
    heard = int((frame["received_at"] < pd.Timestamp(end, unit="us", tz="UTC")).sum())
    found = positions(frame.iloc[:heard])
    wanted = {tuple(values(pd.DataFrame([one.key]))[0]): one.quantity for one in ODD.holdings(end)}
    assert {(a, s, c): q for a, s, c, q in values(found, "account", "symbol", "credit_type", "quantity")} == {
        key[:3]: quantity for key, quantity in wanted.items()
    }
    missed = ODD.truth.fills
    missed = missed[missed["missed"]]
    assert set(values(found[found["stale"]], "account", "symbol")) == set(values(missed, "account", "symbol"))
    assert set(found.loc[found["stale"], "source"]) == {"opening"}
    before = positions(FRAMES["odd", False].iloc[:heard], closed=True)
    assert before["stale"].all()  # nobody was asked


def test_rows_keep_their_order_as_rows_arrive():
    """A table that grows only grows at its end."""
    for frame in FRAMES.values():
        before = []
        for k in range(0, len(frame) + 1, 5):
            now = values(positions(frame.iloc[:k], closed=True), *KEY)
            assert [key for key in now if key in before] == [key for key in before if key in now]
            assert set(before) - set(now) <= {key for key in before if key[2] == "99"}
            before = now


@pytest.mark.parametrize("name", list(DAYS))
@pytest.mark.parametrize("asked", [True, False])
def test_a_live_table_has_the_same_positions(name, asked):
    """Its latest rows are kept as they arrive, and nothing else is looked at: the same table at every length."""
    sent = list(DAYS[name].frames())
    table = BalanceTable(mask_accounts=name == "odd", capacity=16)
    for number, (at, raw) in enumerate(sent):
        table.receive(parse(raw), at)
        if asked and number in {0, 60}:
            ask(table, DAYS[name], at, at)
        if number % 5:
            continue
        rows = table.rows
        frame = table.frame()
        live = positions(frame, closed=True, latest=latest_of(table, rows))
        pd.testing.assert_frame_equal(live, positions(frame, closed=True))
        assert len(live) > 0
    whole = table_of(DAYS[name], asked=asked)
    frame = whole.frame()
    pd.testing.assert_frame_equal(positions(frame, latest=latest_of(whole, len(frame))), positions(frame))


@given(cases, st.sampled_from(sorted(set(PLAIN.truth.positions["symbol"]))))
@few
def test_a_selection_tells_only_its_own_positions(case, symbol):
    """As the whole frame tells them, but for their share of the whole."""
    frame = FRAMES[case]
    own = frame[frame["symbol"] == symbol]
    found, whole = positions(own, closed=True), positions(frame, closed=True)
    known = set(values(own, *KEY))
    wanted = [row for row in values(whole.drop(columns=["weight", "price", "stale"])) if row[:2] + row[3:5] in known]
    assert set(found["symbol"]) <= {symbol}
    if not isinstance(own.index, pd.RangeIndex):
        compared = values(found.drop(columns=["weight", "price", "stale"]))
        assert [row[:6] for row in compared] == [row[:6] for row in wanted]


@given(st.randoms(use_true_random=False))
@few
def test_the_order_of_symbols_changes_the_order_of_rows_only(random):
    """Each position is that of its own events."""
    frame = FRAMES["plain", False]
    times = np.zeros(len(frame))
    for places in frame.groupby("symbol", observed=True).indices.values():
        times[places] = sorted(random.random() for _ in places)
    other = frame.take(np.argsort(times, kind="stable"))
    columns = [*KEY, *STATE, "market_value", "unrealized_pnl", "weight", "events"]
    assert sorted(map(str, values(positions(other), *columns))) == sorted(map(str, values(positions(frame), *columns)))


@given(st.sampled_from(list(DAYS)), st.data())
@few
def test_an_event_that_is_sent_again_at_once_changes_nothing(name, data):
    """But that one more row is about the position, and when."""
    sent = list(DAYS[name].frames())
    again = data.draw(st.integers(0, len(sent) - 1))
    twice = positions(frame_of(DAYS[name], [*sent[: again + 1], sent[again], *sent[again + 1 :]]), closed=True)
    once = positions(FRAMES[name, True], closed=True)
    pd.testing.assert_frame_equal(twice.drop(columns="events"), once.drop(columns="events"))


def latest_of(table, rows):
    """Return what a live frame of so many rows gives: the latest rows, and the last few of each position."""
    return table.latest_rows(rows)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("later", [0, 1, 3, 10])
def test_a_late_duplicate_changes_nothing(seed, later):
    """Neither as it comes nor later; live as of a plain frame. It is counted, and that is all."""
    day = kn.simulate(seed, events=60)
    sent = list(day.frames())
    row = 7 * seed + 5
    table = table_of(day, sent[: row + later + 1])
    once = positions(table.frame(), closed=True)
    table.receive(parse(sent[row][1]), sent[row + later][0] + SECOND)
    frame = table.frame()
    twice = positions(frame, closed=True)
    assert len(fills(frame)) == len(fills(frame.iloc[:-1]))
    pd.testing.assert_frame_equal(twice.drop(columns="events"), once.drop(columns="events"))
    assert twice["events"].sum() == once["events"].sum() + 1
    live = positions(frame, closed=True, latest=latest_of(table, len(frame)))
    pd.testing.assert_frame_equal(live, twice)


def test_an_event_that_tells_of_no_fill_is_the_latest_one_all_the_same():
    """An order was placed, say: what can be ordered changed, and nothing else."""
    table = fed(*(state("buy", 1000, 5, 5000, net=5, f933=can) for can in ("5", "2")))
    frame = table.frame()
    (row,) = positions(frame).itertuples()
    assert (row.orderable_quantity, row.updated_at) == (2, frame["received_at"].iloc[1])
    pd.testing.assert_frame_equal(positions(frame, latest=latest_of(table, 2)), positions(frame))


def test_a_late_duplicate_does_not_undo_what_the_account_told():
    """The account was asked in between, and a fill had been missed."""
    table = fed(state("buy", 1000, 5, 5000, net=5), state("sell", 1000, 4, 4000, net=4))
    table.hold(START + 5 * SECOND, "1111111111", [page(rmnd_qty="3", pur_amt="3000", cur_prc="1000", tdy_sellq="2")])
    fed(state("sell", 1000, 4, 4000, net=4), table=table, start=START + 10 * SECOND)
    frame = table.frame()
    assert values(positions(frame), "quantity", "cost", "source", "stale") == [(3, 3000, "opening", True)]
    live = positions(frame, latest=latest_of(table, len(frame)))
    pd.testing.assert_frame_equal(live, positions(frame))


def test_an_unread_quantity_is_read_off_the_shares_bought_today():
    """As fills() does it (FID 945 against 930), also to know that nothing is held any more."""
    table = fed(state("buy", 100, 10, 1000, net=10), state("buy", 100, None, 2000, net=20))
    frame = table.frame()
    found = positions(frame)
    assert values(found, "quantity", "market_value", "unrealized_pnl") == [(20, 2000, 0)]
    pd.testing.assert_frame_equal(positions(frame, latest=latest_of(table, len(frame))), found)
    gone = fed(state("sell", 100, None, 0, net=0), table=table, start=START + 5 * SECOND).frame()
    assert values(positions(gone, closed=True), "quantity") == [(0,)]
    assert len(positions(gone)) == 0


# --- what is shown ------------------------------------------------------------------------------------------------------


def test_a_position_is_valued_at_the_price_of_its_last_fill():
    """Against the cost, which is exact, and never against the rounded average price."""
    frame = fed(state("buy", 1103, 3, 3301, net=3, f931="1100", f307="1000", f990="50", f992="-20")).frame()
    (row,) = positions(frame).itertuples()
    assert (row.quantity, row.cost, row.price, row.market_value) == (3, 3301, 1103, 3309)
    assert (row.unrealized_pnl, row.day_change, row.realized_pnl_today) == (8, 103, 30)
    assert row.unrealized_pnl_pct == pytest.approx(100 * 8 / 3301)
    assert row.day_change_pct == pytest.approx(10.3)
    assert (row.weight, row.price_source, row.source, row.stale, row.events) == (1, "fill", "event", False, 1)
    assert row.price_at == row.updated_at == frame["received_at"].iloc[0]
    assert row.break_even_price == Costs().break_even(3301, 3, "005930", "2026-05-29")[0]


def test_prices_of_the_user_come_first():
    """By symbol, in whole won, in any of the ways a symbol is written; blanks and others are left out."""
    frame = fed(state("buy", 1000, 3, 3000), state("buy", 500, 2, 1000, f9001="000660")).frame()
    found = positions(frame, prices=pd.Series({"A005930": 1200, "000660": pd.NA, "035420": 5}, dtype="Int64"))
    assert values(found, "symbol", "price", "price_source", "market_value", "unrealized_pnl") == [
        ("005930", 1200, "user", 3600, 600),
        ("000660", 500, "fill", 1000, 0),
    ]
    assert found["price_at"].isna().tolist() == [True, False]
    assert found["weight"].sum() == pytest.approx(1)


@pytest.mark.parametrize("wrong", [1.5, -1, float("inf"), 2**53, "1200", "-1200", [1, 2], True, pd.Series([1]), 1j])
def test_a_price_that_is_none_is_refused_by_name(wrong):
    """Text, a list, nothing, or so much that values would run over: in a sentence that says of which symbol."""
    frame = fed(state("buy", 1000, 3, 3000)).frame()
    with pytest.raises(ValueError, match=r"prices\['005930'\] is .*whole number of won") as told:
        positions(frame, prices={"005930": wrong})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("prices", "why"),
    [
        ({5930: 1200}, "5930 is no symbol"),
        (pd.Series([1200, 500]), "0 is no symbol"),
        (pd.Series([1200], pd.MultiIndex.from_tuples([("1111111111", "005930")])), r"'005930'\) is no symbol"),
        ({float("nan"): 1200}, "nan is no symbol"),
        ({"삼성전자": 1200, "KR7005930003": 1200}, "'삼성전자' is no symbol"),
        (pd.Series([1200, 1300], ["005930", "005930"]), r"'005930'\] is both 1200 and 1300"),
        ({"005930": 1200, "A005930": 1300}, r"'A005930'\] is both 1200 and 1300"),
        ([1200, 1300], "prices is of type list"),
        (1200, "prices is of type int"),
    ],
)
def test_prices_that_would_be_ignored_are_refused(prices, why):
    """What is not by symbol would leave the last prices in place, and nobody would see it."""
    frame = fed(state("buy", 1000, 3, 3000)).frame()
    with pytest.raises(ValueError, match=why) as told:
        positions(frame, prices=prices)
    assert '{"005930": 70000}' in str(told.value)


def test_prices_of_the_whole_market_are_taken():
    """Of what is not held as well, before the first event, and the same price twice."""
    frame = fed(state("buy", 1000, 3, 3000)).frame()
    market = pd.Series([5, 7, 1200, 1200.0], ["0001A0", "035420", "005930", "A005930"])
    for empty in ({}, pd.Series(dtype="Int64"), None):
        assert positions(frame, prices=empty)["price"].tolist() == [1000]
    assert positions(frame, prices=market)["price"].tolist() == [1200]
    assert positions(frame, prices={"035420": 5})["price"].tolist() == [1000]
    assert len(positions(frame.head(0), prices=market)) == 0


def test_a_value_that_would_run_over_is_refused():
    """Rather than shown as a large negative number."""
    frame = fed(state("buy", 1000, 10_000, 10_000_000)).frame()
    with pytest.raises(ValueError, match=r"prices\['005930'\] is 9007199254740991.*10,?000 shares"):
        positions(frame, prices={"005930": 2**53 - 1})


def test_weights_are_shares_of_all_that_is_held():
    """They sum up to 1."""
    for frame in FRAMES.values():
        assert positions(frame)["weight"].sum() == pytest.approx(1)


def test_a_sum_of_lots_stays_only_where_no_lot_is_known():
    """Lots and their sum are never added together."""
    lot = state("buy", 1000, 5, 5000, f917="03", f916="20261102")
    total = state("buy", 1000, 9, 9000, f917="99", f916="00000000")
    assert values(positions(fed(total).frame()), "credit_type", "quantity") == [("99", 9)]
    assert values(positions(fed(lot, total).frame()), "credit_type", "quantity") == [("03", 5)]
    closed = state("sell", 1000, 0, 0, f917="03", f916="20261102")
    assert len(positions(fed(closed, total).frame())) == 0


@pytest.mark.parametrize("kind", ["33", "01", "03"])
def test_a_loan_of_an_account_query_meets_its_lot_by_loan_date(kind):
    """Kiwoom's two sources class loans apart (crd_tp 33, 01, ... against FID 917 03)."""
    table = BalanceTable(mask_accounts=False, capacity=16)
    loan = page(crd_tp=kind, crd_loan_dt="20261102", rmnd_qty="7", pur_amt="7000", cur_prc="1100")
    table.hold(START - 5, "1111111111", [loan])
    opening = positions(table.frame())
    assert values(opening, "credit_type", "quantity", "source", "price_source") == [(kind, 7, "opening", "account")]
    found = positions(fed(state("sell", 1000, 5, 5000, f917="03", f916="20261102"), table=table).frame())
    assert values(found, "credit_type", "quantity", "source") == [("03", 5, "event")]
    table.hold(START + 5 * SECOND, "1111111111", [loan])
    found = positions(table.frame())
    assert values(found, "credit_type", "quantity", "source", "stale") == [("03", 7, "opening", True)]


def test_two_loans_of_one_day_are_one_lot():
    """Events do not tell them apart (917 is 03 for both), so what the account told of them is added up."""
    table = BalanceTable(mask_accounts=False, capacity=16)
    loans = [
        frames.dump(
            {
                "acnt_evlt_remn_indv_tot": [
                    {"stk_cd": "A005930", "stk_nm": "삼성전자", "crd_loan_dt": "20261102", "tdy_sellq": "0", **loan}
                    for loan in (
                        {"crd_tp": "01", "rmnd_qty": "5", "pur_amt": "500"},
                        {"crd_tp": "33", "rmnd_qty": "7", "pur_amt": "700"},
                    )
                ]
            }
        )
    ]
    fed(state("sell", 150, 11, 1100, f917="03", f916="20261102"), table=table)
    table.hold(START + 5 * SECOND, "1111111111", loans)
    found = positions(table.frame())
    assert values(found, "credit_type", "quantity", "cost", "stale") == [("03", 12, 1200, True)]


def test_holdings_of_an_unnamed_account_belong_to_the_only_one():
    """Where several accounts are known nobody can tell whose they are, and they are left out."""
    table = BalanceTable(mask_accounts=False, capacity=16)
    table.hold(START - 5, None, [page(rmnd_qty="7", pur_amt="7000", cur_prc="1100")])
    assert values(positions(table.frame()), "account", "quantity") == [(None, 7)]
    fed(state("buy", 1000, 5, 5000, f9001="000660"), table=table)
    one = [("1111111111", "005930", 7), ("1111111111", "000660", 5)]
    assert values(positions(table.frame()), "account", "symbol", "quantity") == one
    fed(state("buy", 1000, 5, 5000, f9001="000660", f9201="2222222222"), table=table, start=START + SECOND)
    assert positions(table.frame())["symbol"].tolist() == ["000660", "000660"]


def test_what_an_account_query_leaves_out_is_not_held_any_more():
    """It tells all that is held; what it does not tell, such as a price, stays as the events told it."""
    table = fed(state("buy", 1000, 5, 5000), state("buy", 1000, 5, 5000, f9001="000660"))
    table.hold(START + 5 * SECOND, "1111111111", [page(rmnd_qty="8", pur_amt="8500", cur_prc="")])
    found = positions(table.frame(), closed=True)
    columns = ["symbol", "quantity", "cost", "price", "price_source", "source", "stale"]
    assert values(found, *columns) == [
        ("005930", 8, 8500, 1000, "fill", "opening", True),
        ("000660", 0, 0, 1000, "fill", "opening", True),
    ]
    assert len(positions(table.frame())) == 1


def test_a_name_stays_when_what_was_held_at_the_open_is_gone():
    """Two account queries, and no event in between."""
    table = BalanceTable(mask_accounts=False, capacity=16)
    table.hold(START, "1111111111", [page(rmnd_qty="8", pur_amt="8500", cur_prc="1000")])
    table.hold(START + SECOND, "1111111111", [frames.dump({"acnt_evlt_remn_indv_tot": []})])
    assert values(positions(table.frame(), closed=True), "name", "quantity") == [("삼성전자", 0)]


def test_what_was_realized_on_an_earlier_day_is_over():
    """Be it that another position has an event today, or that the account was asked today."""
    table = fed(state("sell", 1000, 5, 5000, 300), state("sell", 1000, 5, 5000, 400, f9001="000660"))
    assert positions(table.frame())["realized_pnl_today"].tolist() == [300, 400]
    tomorrow = START + 86_400 * SECOND
    fed(state("sell", 1000, 4, 4000, 50, f9001="000660"), table=table, start=tomorrow)
    assert positions(table.frame())["realized_pnl_today"].tolist() == [0, 50]
    same, other = (
        page(rmnd_qty=quantity, pur_amt="5000", tdy_sellq=sold) for quantity, sold in (("5", "0"), ("5", "3"))
    )
    for told, wanted in ((same, 0), (other, None)):
        table = fed(state("sell", 1000, 5, 5000, 300))
        table.hold(tomorrow, "1111111111", [told])
        assert values(positions(table.frame()), "realized_pnl_today") == [(wanted,)]


def test_a_blank_is_no_contradiction():
    """A quantity that could not be read is something; what the account tells of it was not missed."""
    table = fed(state("buy", 1000, None, 5000))
    assert values(positions(table.frame()), "quantity", "market_value", "stale") == [(None, None, False)]
    table.hold(START + 5 * SECOND, "1111111111", [page(rmnd_qty="5", pur_amt="5000", cur_prc="1000")])
    assert values(positions(table.frame()), "quantity", "market_value", "stale") == [(5, 5000, False)]


# --- shape, robustness ----------------------------------------------------------------------------------------------------


def test_an_empty_frame_gives_an_empty_table_of_the_same_dtypes():
    """So that programs need no special case."""
    empty = positions(empty_frame())
    assert len(empty) == 0
    for frame in FRAMES.values():
        assert kinds(empty) == kinds(positions(frame)) == kinds(positions(frame, prices={"005930": 5}))


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.set_index(frame.index.map(str)),
        lambda frame: frame.set_index("received_at", drop=False),
        lambda frame: frame.sample(frac=1, random_state=1),
        lambda frame: frame.iloc[40:],
        lambda frame: frame.iloc[::3],
        lambda frame: frame.astype({"symbol": "str", "account": "object", "name": "object"}),
        lambda frame: pd.concat([frame, frame]),
        lambda frame: frame.assign(received_at=frame["received_at"].dt.tz_localize(None)),
    ],
)
def test_any_index_and_other_dtypes_will_do(change):
    """Rows are taken in the order of the frame; without numbers in order account queries say nothing."""
    found = positions(change(FRAMES["odd", True]))
    assert len(found)
    assert kinds(found) == kinds(positions(FRAMES["odd", True]))


def test_an_empty_frame_of_objects_has_no_positions():
    """As ``pd.DataFrame(columns=...)`` makes one."""
    assert len(positions(pd.DataFrame(columns=FRAMES["odd", True].columns))) == 0


@given(st.lists(st.tuples(st.integers(0, 10**12), frames.hostile_frames() | frames.balance_frames()), max_size=12))
@settings(max_examples=20, deadline=None)
def test_whatever_a_server_sends_nothing_is_raised(sent):
    """Nor does numpy warn of numbers that Kiwoom cannot have sent; the dtypes stay, live as of a plain frame."""
    table = BalanceTable(mask_accounts=False, capacity=16)
    for at, raw in sorted(sent, key=lambda one: one[0]):
        table.receive(parse(raw), at)
    frame = table.frame()
    found = positions(frame, closed=True)
    assert kinds(found) == kinds(positions(FRAMES["odd", True]))
    pd.testing.assert_frame_equal(found, positions(frame, closed=True, latest=latest_of(table, len(frame))))
    assert latest_rows(frame).counts.sum() == len(frame)
