import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwoom_nb import account, krx
from kiwoom_nb.account import Position, aggregate, divide, entry_of, fee_of, tax_of, values_of
from kiwoom_nb.krx import Quote

SAMSUNG = krx.LISTINGS["005930"]
OFFICIAL = (
    '{"values":{"9201":"1111111111","9001":"005930","917":"00","916":"00000000","302":"삼성전자","10":"-60150","930":"102",'
    '"931":"154116","932":"15719834","933":"102","945":"4","946":"2","950":"0","951":"0","27":"-60200","28":"-60100",'
    '"307":"60300","8019":"0.00","957":"0","958":"0","918":"00000000","990":"0","991":"0.00","992":"0","993":"0.00",'
    '"959":"0","924":"0"},"type":"04","name":"현물잔고","item":"005930"}'
)


def position(quantity=0, cost=0, base=60_300):
    made = Position("1111111111", SAMSUNG, base)
    made.hold(quantity, cost)
    return made


def lot(quantity, cost, days, loan_date="20261001"):
    made = Position("1111111111", SAMSUNG, 60_300)
    made.lend(loan_date, "20261230", days)
    made.hold(quantity, cost)
    return made


def sell(position, quantity, price):
    position.pending += quantity
    return position.sell(quantity, price)


def test_an_entry_is_written_byte_for_byte_as_in_the_official_example():
    """Key order, shape and spacing are those of Kiwoom's page of type 04."""
    held = position(98, 15_719_834 - 4 * 60_150)
    held.buy(4, 60_150)
    assert entry_of(held.event(0, "KRX", "buy", Quote(60_150, 60_200, 60_100))) == OFFICIAL


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [(4_043, 5, 809), (5, 2, 3), (-5, 2, -3), (-4, 3, -1), (7, 1, 7), (0, 9, 0), (3, 0, 0)],
)
def test_division_rounds_halves_away_from_zero(numerator, denominator, quotient):
    """4,043 won for 5 shares are 809 won a share, as Kiwoom says it."""
    assert divide(numerator, denominator) == quotient


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**9))
def test_a_quotient_is_off_by_half_at_most(numerator, denominator):
    """Whole-number division is exact, however large the amounts."""
    assert abs(2 * (divide(numerator, denominator) * denominator - numerator)) <= denominator


def test_the_fee_is_cut_to_ten_won():
    """0.015 % on each side; the two fees of the official example of kt00018."""
    assert [fee_of(amount) for amount in (373_500, 177_000, 66_666, 66_667, 99_999)] == [50, 20, 0, 10, 10]


def test_tax_is_cut_to_won():
    """0.20 % on sales, none on an ETF."""
    assert tax_of(99_999, etf=False) == 199
    assert tax_of(99_999, etf=True) == 0


@given(
    st.integers(1, 5_000),
    st.integers(0, 10**10),
    st.lists(st.tuples(st.booleans(), st.integers(1, 1_000), st.integers(1, 10**6)), max_size=30),
)
def test_money_is_conserved_to_the_won(quantity, cost, trades):
    """Realized P&L is what came in minus what went out plus the change of the cost held."""
    held = position(quantity, cost)
    cash = 0
    for buying, shares, price in trades:
        if buying:
            held.buy(shares, price)
            cash -= shares * price
        elif shares <= held.quantity:
            sell(held, shares, price)
            cash += shares * price
        assert held.cost >= 0
        assert held.quantity >= 0
        assert held.realized == cash + held.cost - cost


@given(st.lists(st.integers(1, 500), min_size=1, max_size=12), st.integers(0, 10**10))
def test_a_position_sold_in_parts_leaves_no_cost_behind(parts, cost):
    """The last part takes what is left, loan included."""
    held = lot(sum(parts), cost, 3)
    for part in parts:
        sell(held, part, 1_000)
    assert (held.cost, held.credit_amount, held.cost_sold, held.pending) == (0, 0, cost, 0)


def test_a_sell_takes_its_share_of_the_cost_rounded_to_won():
    """One of three shares that cost 1,000 won takes 333, the next 334."""
    held = position(3, 1_000)
    assert [sell(held, 1, 400) for _ in range(3)] == [(333, 67), (334, 66), (333, 67)]


def test_a_pending_sell_order_makes_shares_unorderable():
    """933 is below 930 until the order has filled."""
    held = position(10, 1_000)
    held.pending += 6
    held.sell(2, 100)
    values = values_of(held.event(0, "KRX", "sell", Quote(100, 101, 100)))
    assert (values["930"], values["933"], values["946"], values["945"]) == ("8", "4", "1", "-2")


def test_prices_carry_the_direction_against_the_base_price_as_a_sign():
    """Above is plus, below is minus, unchanged has none."""
    values = values_of(position(1, 1, base=100).event(0, "KRX", "buy", Quote(100, 101, 99)))
    assert (values["10"], values["27"], values["28"], values["307"]) == ("100", "+101", "-99", "100")


@pytest.mark.parametrize(
    ("price", "pnl", "percent"), [(900, "-1000", "-10.00"), (1_234, "2340", "23.40"), (999, "-10", "-0.10")]
)
def test_realized_pnl_of_cash_is_told_in_950_and_990(price, pnl, percent):
    """A loss has a minus sign, a gain has none; the rate is of the cost that was sold."""
    held = position(20, 20_000)
    sell(held, 10, price)
    values = values_of(held.event(0, "KRX", "sell", Quote(price, price, price)))
    assert [values[fid] for fid in ("950", "8019", "990", "991", "992", "993")] == [
        pnl,
        percent,
        pnl,
        percent,
        "0",
        "0.00",
    ]


def test_realized_pnl_of_credit_is_told_in_950_and_992():
    """A loan lot has its dates, its loan and the interest for the days since."""
    held = lot(10, 1_000_000, 73)
    sell(held, 5, 110_000)
    values = values_of(held.event(0, "KRX", "sell", Quote(1, 1, 1)))
    assert [values[fid] for fid in ("950", "990", "991", "992", "993")] == ["50000", "0", "0.00", "50000", "10.00"]
    assert [values[fid] for fid in ("917", "916", "918")] == ["03", "20261001", "20261230"]
    assert [values[fid] for fid in ("957", "958")] == ["300000", "5700"]


def test_an_aggregate_is_the_sum_of_its_lots_without_dates():
    """Average and rate are computed from the sums, not averaged."""
    first, second = lot(10, 1_000, 3), lot(5, 2_000, 9, "20260901")
    sell(first, 5, 150)
    events = [held.event(7, "KRX", "sell", Quote(150, 151, 150)) for held in (first, second)]
    both = aggregate(events[0], events)
    assert (both.credit_type, both.loan_date, both.maturity_date) == ("99", "00000000", "00000000")
    assert (both.quantity, both.cost, both.average_price) == (10, 2_500, 250)
    assert (both.sell_pnl_today, both.realized_return, both.credit_amount) == (250, 5_000, 1_500)
    assert (both.time, both.side, both.price) == (7, "sell", 150)


def test_an_opening_holding_has_no_side_and_its_base_price():
    """Nothing traded yet."""
    event = position(3, 1_000).opening(5)
    assert (event.time, event.side, event.price, event.average_price) == (5, "", 60_300, 333)
    assert event.key == ("1111111111", "005930", account.CASH, account.NO_DATE)


def test_a_venue_is_a_suffix_of_the_item_only():
    """Nextrade is `_NX` in `item`; 9001 stays the plain code."""
    entry = json.loads(entry_of(position(1, 1).event(0, "NXT", "buy", Quote(1, 1, 1)), {"930": "1O2"}))
    assert (entry["item"], entry["values"]["9001"], entry["values"]["930"]) == ("005930_NX", "005930", "1O2")
