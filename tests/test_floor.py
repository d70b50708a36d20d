import datetime as dt

import pytest

from kiwoom_nb import krx
from kiwoom_nb.floor import Floor, lots_of

LISTINGS = list(krx.LISTINGS.values())


def floor(listings=LISTINGS, lots=None):
    made = Floor(3, dt.date(2026, 11, 20), listings, ("1111111111",), 0)
    made.open(lots or {})
    return made


def test_no_symbol_has_two_lots_unless_twins_are_planted():
    """Two lots without their aggregate would be a lie about Kiwoom."""
    assert sorted(lots_of(LISTINGS, twins=False).values()) == [(0,), (33,)]
    assert sorted(lots_of(LISTINGS, twins=True).values()) == [(0,), (33,), (47, 12)]


@pytest.mark.parametrize(("symbols", "lots"), [(["005930"], {"005930": (33,)}), (["069500"], {})])
def test_an_etf_is_not_lent_on_and_one_stock_has_one_kind_of_lot(symbols, lots):
    """Short lists of symbols stay consistent."""
    assert lots_of([krx.LISTINGS[symbol] for symbol in symbols], twins=False) == lots


def test_nothing_is_lent_on_a_weekend():
    """A loan date is a weekday, and the days lent are counted from it."""
    made = floor(lots={"005930": (5, 6)})  # 2026-11-15 is a Sunday, 2026-11-14 a Saturday
    lots = [position for position in made.positions if position.credit_type == "03"]
    assert [(lot.loan_date, lot.maturity_date, lot.days_lent) for lot in lots] == [("20261113", "20270211", 7)] * 2


def test_the_first_stock_is_always_held_at_the_open():
    """A day starts with something to sell, a new listing never is."""
    made = floor([krx.LISTINGS["005930"], krx.ALPHANUMERIC])
    assert [event.symbol for event in made.opening] == ["005930"]


def test_an_order_that_cannot_sell_buys_instead():
    """Where there are fewer shares than parts nothing is sold short."""
    made = floor([krx.LISTINGS["005930"]], lots={"005930": (0,)})
    made.trade(400, frozenset(), 0)
    assert len(made.fills) == 400
    assert all(event.quantity >= 0 and event.orderable_quantity >= 0 for told in made.told for event in told)
