import datetime as dt
import hashlib
import itertools
import json
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwoom_nb import krx
from kiwoom_nb.account import divide
from kiwoom_nb.trading_day import PLANTS, simulate

OFFICIAL_ORDER = "9201 9001 917 916 302 10 930 931 932 933 945 946 950 951 27 28 307 8019 957 958 918 990 991 992 993 959 924".split()  # noqa: SIM905 - one line to compare with the page
MIDNIGHT = int(dt.datetime(2026, 11, 20, tzinfo=dt.timezone(dt.timedelta(hours=9))).timestamp()) * 1_000_000

days = st.builds(
    simulate, st.integers(0, 2**40), plant=st.sampled_from([(), "all", *PLANTS]), accounts=st.integers(1, 2)
)
laws = settings(max_examples=12, deadline=None)


def entries(day):
    return [entry for _, raw in day.frames() for entry in json.loads(raw)["data"]]


def digest(day):
    state = hashlib.blake2b(digest_size=16)
    for received_at, raw in day.frames():
        state.update(b"%d %b\n" % (received_at, raw))
    state.update(day.truth.to_json().encode())
    return state.hexdigest()


def fills_of(day):
    return day.truth._fills


def by_position(fills):
    groups = defaultdict(list)
    for fill in fills:
        groups[fill.account, fill.symbol, fill.credit_type, fill.loan_date].append(fill)
    return groups


def test_the_default_day_is_pinned():
    """Seed 0 is the same day on every platform and version; a change here changes the samples."""
    assert digest(simulate()) == "98b01fbd3597e18709f1a56c1d29aed7"
    assert digest(simulate(plant="all", accounts=2)) == "f852adef61a9f2236b3bb4bdf49bf628"


def test_the_seed_and_the_date_make_the_day():
    """Equal arguments give equal bytes, another seed or date another day."""
    one = digest(simulate(1, date="2026-11-19"))
    assert one == digest(simulate(1, date=dt.datetime(2026, 11, 19, 12, 30)))  # noqa: DTZ001 - a user's naive one
    assert len({one, digest(simulate(2, date="2026-11-19")), digest(simulate(1, date="2026-11-18"))}) == 3


@laws
@given(days)
def test_a_frame_has_the_shape_of_the_official_example(day):
    """Compact JSON, keys in Kiwoom's order, 27 texts, one or two entries."""
    for _, raw in day.frames():
        frame = json.loads(raw)
        assert raw == json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()
        assert list(frame) == ["data", "trnm"]
        assert len(frame["data"]) in (1, 2)
        for entry in frame["data"]:
            assert list(entry) == ["values", "type", "name", "item"]
            assert list(entry["values"]) == OFFICIAL_ORDER
            assert all(isinstance(text, str) for text in entry["values"].values())


@laws
@given(days)
def test_money_is_conserved(day):
    """For each position realized P&L is proceeds minus payments plus the change of the cost held."""
    first = {event.key: event for event in day.holdings()}
    last = {event.key: event for event in day.holdings(MIDNIGHT + 24 * krx.HOUR)}
    for key, fills in by_position(fills_of(day)).items():
        cash = sum(fill.amount if fill.side == "sell" else -fill.amount for fill in fills)
        cost = [held[key].cost if key in held else 0 for held in (first, last)]
        assert sum(fill.realized_pnl for fill in fills) == cash + cost[1] - cost[0]
        shares = sum(fill.quantity if fill.side == "buy" else -fill.quantity for fill in fills)
        assert shares == sum(sign * held[key].quantity for sign, held in ((1, last), (-1, first)) if key in held)


@laws
@given(days)
def test_positions_are_possible(day):
    """Nothing is sold short, orderable shares are held, the average is the rounded cost of a share."""
    table = day.truth.positions
    assert (table[["quantity", "cost", "orderable_quantity", "credit_amount", "credit_interest"]] >= 0).all(axis=None)
    assert (table["orderable_quantity"] <= table["quantity"]).all()
    assert list(table["average_price"]) == [divide(c, q) for c, q in zip(table["cost"], table["quantity"], strict=True)]
    assert (table.loc[table["quantity"] == 0, "cost"] == 0).all()


@laws
@given(days)
def test_prices_are_on_tick_and_inside_the_limits(day):
    """Fills, quotes and last prices are prices the exchange accepts."""
    for row in day.truth.positions[["symbol", "price", "ask", "bid", "base_price"]].itertuples(index=False):
        etf = row.symbol == "069500"
        lower, upper = krx.price_limits(row.base_price, etf=etf)
        for price in row[1:]:
            assert price == krx.floor_to_tick(price, etf=etf)
            assert lower <= price <= upper
    for fill in fills_of(day):
        assert fill.price == krx.floor_to_tick(fill.price, etf=fill.symbol == "069500")
        assert fill.amount == fill.price * fill.quantity


@laws
@given(days)
def test_fills_happen_in_trading_hours(day):
    """The auctions trade at one price and moment; nothing trades while the closing auction collects."""
    single = defaultdict(set)
    for fill in fills_of(day):
        time = fill.time - MIDNIGHT
        if fill.venue == "NXT":
            assert krx.NXT_AFTER_OPEN <= time < krx.NXT_CLOSE
        else:
            assert krx.OPEN <= time < krx.CLOSING_AUCTION or krx.CLOSE <= time < krx.CLOSE + krx.SECOND
        if fill.venue == "KRX" and time >= krx.CLOSE:
            single[fill.symbol].add(fill.price)
    assert all(len(prices) == 1 for prices in single.values())


@laws
@given(days)
def test_frames_arrive_in_order_after_their_fills(day):
    """The receive time never decreases, and is a little later than the fill."""
    times = [received_at for received_at, _ in day.frames()]
    assert times == sorted(times)
    delay = day.truth.positions["received_at"] - day.truth.positions["time"]
    assert delay.dt.total_seconds().between(0.003, 0.5).all()


@laws
@given(days)
def test_entries_say_what_the_truth_says(day):
    """Entry k of the frames is row k of the positions, but for the values that are planted to be wrong."""
    wrong = {(row.event, row.fid) for row in day.truth.planted.itertuples() if row.fid}
    table = day.truth.positions
    said = entries(day)
    assert len(said) == len(table)
    fids = {
        "930": "quantity",
        "931": "average_price",
        "932": "cost",
        "933": "orderable_quantity",
        "950": "sell_pnl_today",
    }
    fids |= {"945": "net_bought_today", "307": "base_price", "957": "credit_amount", "958": "credit_interest"}
    prices = {"10": "price", "27": "ask", "28": "bid"}
    for number, (entry, row) in enumerate(zip(said, table.itertuples(), strict=True)):
        values = {fid: text for fid, text in entry["values"].items() if (number, fid) not in wrong}
        assert (values["9201"], values["9001"], values["917"]) == (row.account, row.symbol, row.credit_type)
        assert values["946"] == {"sell": "1", "buy": "2"}[row.side]
        assert {f: int(t) for f, t in values.items() if f in fids} == {
            f: getattr(row, c) for f, c in fids.items() if f in values
        }
        for fid in prices.keys() & values.keys():
            price = getattr(row, prices[fid])
            sign = "+" if price > row.base_price else "-" if price < row.base_price else ""
            assert values[fid] == f"{sign}{price}"
        assert round(float(values["8019"]) * 100) == row.realized_return


@laws
@given(days)
def test_the_parts_of_an_order_add_up_to_it(day):
    """Every order fills completely, on one side, in one position."""
    orders = defaultdict(list)
    for fill in fills_of(day):
        orders[fill.order_number].append(fill)
    for fills in orders.values():
        assert sum(fill.quantity for fill in fills) == fills[0].order_quantity
        assert len({(fill.account, fill.symbol, fill.credit_type, fill.side) for fill in fills}) == 1
        assert all(fill.quantity > 0 for fill in fills)


@laws
@given(days)
def test_credit_and_cash_pnl_are_told_apart(day):
    """990 is of cash, 992 of credit; together they are 950."""
    for entry in entries(day):
        values = entry["values"]
        assert int(values["950"]) == int(values["990"]) + int(values["992"])
        assert values["992" if values["917"] == "00" else "990"] == "0"


@pytest.mark.parametrize("seed", range(8))
def test_each_oddity_is_there_where_asked_for_and_absent_otherwise(seed):
    """What is planted is told in the truth and seen in the frames; nothing else is odd."""
    seen = {kind: kinds_of(simulate(seed, plant=kind, events=40)) for kind in PLANTS}
    assert seen == {kind: {kind} for kind in PLANTS}
    assert kinds_of(simulate(seed)) == set()
    assert kinds_of(simulate(seed, plant="all", events=40)) == set(PLANTS)


@pytest.mark.parametrize("seed", range(12))
def test_the_shortest_day_of_the_fewest_symbols_has_room_for_all_oddities(seed):
    """Planting never fails for want of an event to sit at."""
    day = simulate(seed, plant="all", events=40, symbols="005930", accounts=1 + seed % 3)
    assert set(day.truth.planted["kind"]) == set(PLANTS)
    fund = simulate(seed, plant=set(PLANTS) - {"loan_lots"}, events=40, symbols="069500", credit=False)
    assert set(fund.truth.planted["kind"]) == set(PLANTS) - {"loan_lots"}


def kinds_of(day):
    """Find the oddities by looking at the frames alone, and check that the truth names the same."""
    frames = [(raw, json.loads(raw)["data"]) for _, raw in day.frames()]
    flat = [entry for _, data in frames for entry in data]
    tests = {
        "alphanumeric": any(not entry["values"]["9001"].isdigit() for entry in flat),
        "nxt": any(entry["item"] == "005930_NX" for entry in flat),
        "loan_lots": any([e["values"]["917"] for e in data] == ["03", "99"] for _, data in frames),
        "blank": any("" in entry["values"].values() for entry in flat),
        "unreadable": any(entry["values"]["930"] == "1O2" for entry in flat),
        "duplicate": any(one[0] == two[0] for one, two in itertools.pairwise(frames)),
        "gap": bool(day.gaps) and bool(day.truth.fills["missed"].any()),
    }
    found = {kind for kind, is_there in tests.items() if is_there}
    assert found == set(day.truth.planted["kind"])
    return found


@laws
@given(st.integers(0, 2**40))
def test_an_aggregate_is_the_sum_of_its_lots_and_shares_their_frame(seed):
    """The 99 row comes second in the frame of a lot, and there are two lots."""
    day = simulate(seed, plant="loan_lots")
    lots = {e.loan_date: e.quantity for e in day.holdings() if e.symbol == "000660" and e.credit_type == "03"}
    assert len(lots) == 2
    for _, raw in day.frames():
        data = [entry["values"] for entry in json.loads(raw)["data"]]
        if data[-1]["917"] == "99":
            lots[data[0]["916"]] = int(data[0]["930"])
            assert int(data[1]["930"]) == sum(lots.values())


def test_a_gap_is_silent_and_its_fills_are_missed():
    """No frame arrives in it, fills happen in it, and the event named is the first one after it."""
    day = simulate(plant="gap")
    [(start, end)] = day.gaps
    times = [received_at for received_at, _ in day.frames()]
    assert not any(start <= time < end for time in times)
    assert day.truth.fills["missed"].sum() >= 3
    [event] = day.truth.planted["event"]
    after = day.truth.positions["received_at"].astype("int64")
    assert after[event - 1] < start < end <= after[event]


def test_a_default_day_has_what_a_day_has():
    """Both sides, cash and credit, pending sells, positions closed and opened again, shared frames."""
    day = simulate()
    table = day.truth.positions
    assert len(table) == 300
    assert set(table["side"]) == {"sell", "buy"}
    assert set(table["credit_type"]) == {"00", "03"}
    assert (table["orderable_quantity"] < table["quantity"]).any()
    closed = table[table["quantity"] == 0]
    assert any((table.loc[i:, "quantity"][table["symbol"] == row.symbol] > 0).any() for i, row in closed.iterrows())
    assert {raw.count(b'"type"') for _, raw in day.frames()} == {1, 2}
    assert repr(day) == f"<TradingDay 2026-11-20 of 1111111111: {len(list(day.frames()))} frames>"


def test_accounts_symbols_and_credit_are_as_asked():
    """Nothing else trades."""
    day = simulate(accounts=3, symbols=["035720", "069500"], credit=False)
    table = day.truth.positions
    assert set(table["account"]) == set(day.accounts) == {"1111111111", "2222222222", "3333333333"}
    assert set(table["symbol"]) == {"035720", "069500"}
    assert set(table["credit_type"]) == {"00"}
    assert set(simulate(symbols="005930").truth.positions["symbol"]) == {"005930"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"events": -1}, "events=-1 is negative"),
        ({"events": 5, "plant": "gap"}, "too few to plant"),
        ({"accounts": 0}, "accounts=0 is not between 1 and 9"),
        ({"accounts": 10}, "accounts=10 is not between 1 and 9"),
        ({"date": "2026-11-21"}, "2026-11-21 is a Saturday"),
        ({"date": dt.date(2026, 11, 22)}, "2026-11-22 is a Sunday"),
        ({"date": "20 Nov"}, "is not a date"),
        ({"plant": "hail"}, "Cannot plant 'hail'"),
        ({"plant": ["gap", "hail"]}, "Cannot plant 'hail'"),
        ({"symbols": ["999999"]}, "has no '999999'"),
        ({"symbols": []}, "needs at least one symbol"),
        ({"plant": "loan_lots", "credit": False}, "needs credit=True"),
        ({"plant": "loan_lots", "symbols": "069500"}, "a symbol that is not an ETF"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_by_name(arguments, text):
    """The sentence says which argument, and what it should be."""
    with pytest.raises(ValueError, match=text):
        simulate(**arguments)


def test_a_long_day_is_made_of_as_many_fills_as_asked_for():
    """A benchmark's day keeps its laws."""
    day = simulate(events=5_000, plant="all")
    assert len(day.truth.fills) == 5_000 + 3 + 3 + 2 + 3 + 4
    assert (day.truth.positions["quantity"] >= 0).all()
