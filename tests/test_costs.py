import pickle
import time
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kiwoom_nb.costs import MARKETS, TAXES, Costs

DAY = "2026-11-20"
SYMBOLS = dict(zip(("100001", "100002", "100003", "100004", "100005", "100006"), MARKETS, strict=True))
LARGE = 10**13
UNKNOWN = "000000"

RATES = {  # percent, by market and by year of settlement
    "KOSPI": {2021: "0.23", 2022: "0.23", 2023: "0.20", 2024: "0.18", 2025: "0.15", 2026: "0.20"},
    "KOSDAQ": {2021: "0.23", 2022: "0.23", 2023: "0.20", 2024: "0.18", 2025: "0.15", 2026: "0.20"},
    "KONEX": dict.fromkeys(range(2021, 2027), "0.10"),
    "ETF": dict.fromkeys(range(2021, 2027), "0"),
    "ETN": dict.fromkeys(range(2021, 2027), "0"),
    "ELW": dict.fromkeys(range(2021, 2027), "0"),
}

percents = st.decimals(0, 10, places=7).map(str) | st.sampled_from(["0", "0.015", "0.2", "10"])


def cut(amount, percent, unit=1):
    """What a percentage takes of an amount, in Python's unbounded integers and fractions."""
    return int(Fraction(amount) * Fraction(percent) / 100) // unit * unit


def left(amount, fee, tax):
    return amount - cut(amount, fee, 10) - cut(amount, tax)


def lowest_price_above_which_all_are_even(cost, shares, fee, tax):
    """Search downwards, from a price that is high beyond doubt, for the last one that loses."""
    target = cost + cut(cost, fee, 10)
    price = (target * 2 + 100) // shares + 1
    high = price
    # halve as far as cutting, by less than 11 won in all, cannot blur it: below a price that loses 100 won all lose
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        if left(middle * shares, fee, tax) < target - 100:
            low = middle
        else:
            high = middle
    even = [left(p * shares, fee, tax) >= target for p in range(low, low + 400)]
    assert all(even[-100:])
    losing = [p for p, is_even in enumerate(even, low) if not is_even]
    return max(losing, default=-1) + 1


def test_the_example_of_kt00018_is_met():
    """Fees are cut to 10 won and taxes to won: the numbers on Kiwoom's page of kt00018 come out."""
    assert Costs().fees([373500, 177000]).tolist() == [50, 20]
    assert Costs(tax_pct="0.18").taxes([177000], "005930", DAY).tolist() == [318]
    assert Costs().taxes([177000], "005930", "2024-06-03").tolist() == [318]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("year", range(2021, 2027))
def test_the_tax_of_each_market_and_year_is_the_law_s(market, year):
    """In the middle of each year a sale of 10^7 won bears the rate of that year in its market."""
    tax = Costs(market={"005930": market}).taxes(10_000_000, "005930", date(year, 6, 15))
    assert tax.tolist() == [int(Decimal(RATES[market][year]) * 100_000)]


@pytest.mark.parametrize(
    ("last", "first", "before", "after"),
    [
        ("2022-12-27", "2022-12-28", 2300, 2000),
        ("2023-12-26", "2023-12-27", 2000, 1800),
        ("2024-12-26", "2024-12-27", 1800, 1500),
        ("2025-12-26", "2025-12-29", 1500, 2000),
    ],
)
@pytest.mark.parametrize("market", ["KOSPI", "KOSDAQ"])
def test_a_sale_that_settles_next_year_bears_next_year_s_tax(market, last, first, before, after):
    """The law dates the tax by settlement, two trading days after the trade."""
    costs = Costs(market={"005930": market})
    assert costs.taxes(1_000_000, "005930", [last, first]).tolist() == [before, after]


def test_each_change_begins_with_the_sales_that_settle_first():
    """``sold_from`` is the second-last trading day before ``law_from``; the last weekday of a year is none."""
    for tax in TAXES:
        weekdays = [tax.law_from - timedelta(days) for days in range(1, 8)]
        weekdays = [day for day in weekdays if day.weekday() < 5 and (day.month, day.day) != (12, 25)]
        assert tax.sold_from == weekdays[2]


def test_the_table_is_sorted_and_tells_each_market_once_a_day():
    """A line holds until the next one of its market, so two of one day would contradict each other."""
    assert [tax.law_from for tax in TAXES] == sorted(tax.law_from for tax in TAXES)
    assert len({(tax.law_from, tax.market) for tax in TAXES}) == len(TAXES)
    assert {tax.rural for tax in TAXES if tax.market == "KOSPI"} == {150}
    assert {tax.rural for tax in TAXES if tax.market != "KOSPI"} == {0}


def test_a_sale_before_the_table_is_refused_in_a_sentence():
    """A rate that is not known is not made up."""
    with pytest.raises(ValueError) as caught:
        Costs().taxes([1000, 1000, 1000], "005930", ["2020-12-29", "2020-12-28", "2019-06-03"])
    assert str(caught.value) == (
        "The table of taxes begins with sales of 2020-12-29, and a sale of 2019-06-03 is older: "
        "pass the rate of that time as Costs(tax_pct=...)."
    )


def test_what_is_never_taxed_needs_no_table():
    """An ETF has no tax on any day, and an own rate holds on every day."""
    assert Costs(market={"069500": "ETF"}).taxes(10**6, "069500", "2010-01-04").tolist() == [0]
    assert Costs(tax_pct=0.3).taxes(10**6, "069500", "2010-01-04").tolist() == [3000]


def test_a_sale_without_a_date_is_refused():
    """The tax depends on the day."""
    with pytest.raises(ValueError, match="A sale has no date"):
        Costs().taxes([1000, 1000], "005930", pd.Series([pd.Timestamp(DAY), pd.NaT]))


def test_an_amount_that_is_missing_or_negative_is_refused():
    """Neither has a fee or a tax."""
    for amounts in ([-1], pd.array([1, None], dtype="Int64")):
        with pytest.raises(ValueError, match="An amount is missing or negative"):
            Costs().fees(amounts)
        with pytest.raises(ValueError, match="An amount is missing or negative"):
            Costs().taxes(amounts, "005930", DAY)


def test_the_day_of_a_moment_is_the_korean_one():
    """A moment in UTC may be of the next day in Korea; one without a zone is Korean."""
    moments = [datetime.fromisoformat("2025-12-28T15:00+00:00"), datetime.fromisoformat("2025-12-28T14:59+00:00")]
    assert Costs().taxes(10**6, "005930", moments).tolist() == [2000, 1500]
    korean = pd.to_datetime(pd.Series(["2025-12-29 00:00", "2025-12-28 23:59"]))
    assert Costs().taxes(10**6, "005930", korean).tolist() == [2000, 1500]
    assert Costs().taxes(10**6, "005930", korean.dt.tz_localize("Asia/Seoul")).tolist() == [2000, 1500]


def test_columns_of_a_frame_are_taken_as_they_are():
    """Int64 amounts, categorical symbols with blanks and received_at go in; int64 comes out."""
    frame = pd.DataFrame(
        {
            "amount": pd.array([1_000_000, 1_000_000, 1_000_000, 0], dtype="Int64"),
            "symbol": pd.Categorical(["069500", "005930", None, "005930"]),
            "received_at": pd.date_range(DAY, periods=4, tz="Asia/Seoul", unit="us"),
        },
        index=[7, 7, 8, 9],
    )
    costs = Costs(market=pd.Series({"069500": "ETF", "005930": "KONEX"}))
    taxes = costs.taxes(frame["amount"], frame["symbol"], frame["received_at"])
    fees = costs.fees(frame["amount"])
    assert (taxes.tolist(), fees.tolist()) == ([0, 1000, 2000, 0], [150, 150, 150, 0])
    assert (taxes.dtype, fees.dtype) == ("int64", "int64")
    assert costs.assumed(frame["symbol"]).tolist() == [False, False, True, False]
    empty = frame.iloc[:0]
    assert costs.taxes(empty["amount"], empty["symbol"], empty["received_at"]).shape == (0,)
    assert costs.fees(empty["amount"]).shape == costs.assumed(empty["symbol"]).shape == (0,)
    even = costs.break_even(empty["amount"], empty["amount"], empty["symbol"], empty["received_at"])
    assert (len(even), even.dtype) == (0, "Int64")


def test_an_unknown_symbol_is_taxed_as_a_listed_share_and_flagged():
    """04 does not tell the market; with an own rate nothing is assumed."""
    costs = Costs(market=SYMBOLS)
    symbols = [*SYMBOLS, UNKNOWN, None]
    assert costs.assumed(symbols).tolist() == [False] * 6 + [True, True]
    assert costs.taxes(10**6, symbols, DAY).tolist() == [2000, 2000, 1000, 0, 0, 0, 2000, 2000]
    assert not Costs(tax_pct=0.2).assumed(symbols).any()
    assert Costs(tax_pct=0.25, market=SYMBOLS).taxes(10**6, symbols, DAY).tolist() == [2500] * 8


def test_symbols_are_matched_as_a_frame_writes_them():
    """Codes with the letter before them or the venue behind them are the same issue."""
    costs = Costs(market={"A069500": "ETF", "0000D0_NX": "ETN"})
    assert costs.assumed(["069500", "A069500", "0000D0", "069500_AL"]).tolist() == [False] * 4


@pytest.mark.parametrize("value", ["KOSPI200", "kospi", None, float("nan"), 1])
def test_an_unknown_market_is_refused_in_a_sentence(value):
    """A slip of the pen must not become another tax."""
    with pytest.raises(ValueError) as caught:
        Costs(market=pd.Series({"005930": value}, dtype=object))
    assert str(caught.value) == (
        f"market['005930'] is {value!r}: it must be one of KOSPI, KOSDAQ, KONEX, ETF, ETN, ELW."
    )


def test_a_symbol_that_lost_its_zeros_is_refused():
    """A CSV file read carelessly makes 5930 of 005930, which no row would match."""
    with pytest.raises(ValueError, match="market holds the symbol 5930: symbols are text"):
        Costs(market=pd.Series(["KOSPI"], index=[5930]))


@pytest.mark.parametrize("market", [["005930"], "KOSPI", 5930, None])
def test_markets_that_name_no_symbols_are_refused_in_a_sentence(market):
    """A market belongs to a symbol."""
    with pytest.raises(TypeError) as caught:
        Costs(market=market)
    assert str(caught.value) == (
        f"market is a {type(market).__name__}: give the market of each symbol, as a dict or a Series such as "
        '{"069500": "ETF"}.'
    )


@pytest.mark.parametrize("name", ["fee_pct", "tax_pct"])
@pytest.mark.parametrize("value", [-0.1, 10.1, float("nan"), "inf", "", "0.015%", "0.01234567", 0.1 + 0.2, True])
def test_a_rate_that_is_none_is_refused_in_a_sentence(name, value):
    """Percent from 0 to 10 with at most seven decimals: that far the arithmetic is exact."""
    with pytest.raises(ValueError) as caught:
        Costs(**{name: value})
    assert str(caught.value) == (
        f"{name}={value!r} is not a rate: give percent of the amount, a number from 0 to 10 with at most seven "
        "decimals (0.015 stands for 0.015 %)."
    )


def test_equal_costs_are_equal_however_they_are_written():
    """A float stands for the decimal that it is written as; costs hash and travel to another process."""
    costs = Costs(0.015, market={"069500": "ETF"})
    assert costs == Costs("0.015", market={"A069500": "ETF"}) == Costs(Decimal("0.0150"), market={"069500": "ETF"})
    assert costs == pickle.loads(pickle.dumps(costs))  # noqa: S301 - our own bytes
    assert hash(costs) == hash(Costs(np.float64(0.015)))
    assert costs != Costs(0.015)


def test_later_changes_of_the_mapping_do_not_reach_the_costs():
    """What was checked is what is used."""
    market = {"069500": "ETF"}
    costs = Costs(market=market)
    market["069500"] = "nonsense"
    assert costs.taxes(10**6, "069500", DAY).tolist() == [0]


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1), percents, percents)
@example([LARGE, 2**63 - 1], "9.9999999", "9.9999999")
@example([0, 1, 9, 66_666, 66_667], "0.015", "0.2")
def test_fees_and_taxes_are_exact_up_to_the_limit_of_int64(amounts, fee, tax):
    """The vectorised arithmetic equals that of Python's unbounded integers."""
    costs = Costs(fee, tax)
    assert costs.fees(amounts).tolist() == [cut(amount, fee, 10) for amount in amounts]
    assert costs.taxes(amounts, UNKNOWN, DAY).tolist() == [cut(amount, tax) for amount in amounts]


@given(
    st.lists(
        st.tuples(st.integers(0, LARGE), st.sampled_from([*SYMBOLS, UNKNOWN]), st.integers(2021, 2026)), min_size=1
    )
)
def test_each_sale_is_taxed_by_its_own_symbol_and_day(sales):
    """Rows do not touch each other."""
    amounts, symbols, years = zip(*sales, strict=True)
    taxes = Costs(market=SYMBOLS).taxes(amounts, symbols, [date(year, 3, 2) for year in years])
    assert taxes.tolist() == [cut(amount, RATES[SYMBOLS.get(symbol, "KOSPI")][year]) for amount, symbol, year in sales]


@given(st.integers(0, LARGE) | st.integers(0, 10**5), st.integers(1, 10**7) | st.integers(1, 20), percents, percents)
@example(0, 1, "0.015", "0.2")
@example(1, 1, "0.015", "0.2")
@example(LARGE, 1, "10", "10")
@example(66_660, 1, "0.015", "0")  # 66,666 is even, 66,667 is not: there the fee begins
def test_the_break_even_price_is_the_last_before_which_a_price_loses(cost, shares, fee, tax):
    """The price and all above it leave at least what was paid, and the price below leaves less."""
    price = int(Costs(fee, tax).break_even(cost, shares, UNKNOWN, DAY)[0])
    assert price == lowest_price_above_which_all_are_even(cost, shares, fee, tax)
    target = cost + cut(cost, fee, 10)
    assert all(left(p * shares, fee, tax) >= target for p in range(price, price + 200))
    assert price == 0 or left((price - 1) * shares, fee, tax) < target


def test_break_even_is_told_for_each_position_by_its_own_market():
    """Ten shares at 10,000 won: sold at 10,022 they leave 100,220 - 10 - 200, and 100,010 was paid."""
    costs = Costs(market={"069500": "ETF"})
    price = costs.break_even([100_000, 100_000], [10, 10], ["005930", "069500"], DAY)
    assert (price.tolist(), price.dtype) == ([10022, 10002], "Int64")


def test_what_is_not_held_has_no_break_even():
    """NA where nothing is held, or cost or quantity cannot be: one odd row does not stop the others."""
    cost = pd.array([1000, 1000, None, -1, 10**18 + 1, 1000, 1000], dtype="Int64")
    quantity = pd.array([0, None, 1, 1, 1, -5, 1], dtype="Int64")
    price = Costs().break_even(cost, quantity, UNKNOWN, DAY)
    assert pd.isna(price).tolist() == [True] * 6 + [False]
    assert price[-1] == 1002


def test_break_even_does_not_overflow_at_its_limits():
    """The highest cost, quantity and rates that are let in stay exact."""
    costs = Costs(10, 10)
    cost, shares = [10**18, 10**18, 1, LARGE], [1, 10**18, 10**18, 7]
    expected = [lowest_price_above_which_all_are_even(c, s, "10", "10") for c, s in zip(cost, shares, strict=True)]
    assert costs.break_even(cost, shares, UNKNOWN, DAY).tolist() == expected


def test_a_million_sales_take_no_longer_than_a_second():
    """Everything is vectorised: a loop over rows would take ten times that."""
    n = 1_000_000
    amounts = pd.Series(np.arange(n), dtype="Int64")
    symbols = pd.Series(pd.Categorical.from_codes(np.arange(n) % 6, list(SYMBOLS)))
    dates = pd.Series(pd.date_range(DAY, periods=n, freq="ms", tz="Asia/Seoul", unit="us"))
    costs = Costs(market=SYMBOLS)
    started = time.process_time()
    costs.fees(amounts)
    costs.taxes(amounts, symbols, dates)
    assert time.process_time() - started < 1
