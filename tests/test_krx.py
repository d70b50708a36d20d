import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwoom_nb import krx

prices = st.integers(min_value=10, max_value=3_000_000)
seeds = st.integers(min_value=0, max_value=2**32)
listings = st.sampled_from([*krx.LISTINGS.values(), krx.ALPHANUMERIC])


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        (1_999, 1),
        (2_000, 5),
        (4_995, 5),
        (5_000, 10),
        (19_990, 10),
        (20_000, 50),
        (49_950, 50),
        (50_000, 100),
        (199_900, 100),
        (200_000, 500),
        (499_500, 500),
        (500_000, 1_000),
        (2_000_000, 1_000),
    ],
)
def test_a_tick_is_that_of_the_table_in_force_since_january_2023(price, tick):
    """Each band starts at its lower edge."""
    assert krx.tick_size(price) == tick


def test_an_etf_ticks_by_one_below_two_thousand_won_and_by_five_above():
    """ETFs do not follow the table of shares."""
    assert [krx.tick_size(price, etf=True) for price in (1_999, 2_000, 54_000)] == [1, 5, 5]


@pytest.mark.parametrize(
    ("base", "limits"),
    [(60_300, (42_300, 78_300)), (1_985, (1_390, 2_580)), (19_900, (13_930, 25_850)), (560_000, (392_000, 728_000))],
)
def test_price_limits_are_thirty_percent_cut_to_ticks(base, limits):
    """The width is cut to the base price's tick, the upper limit to its own."""
    assert krx.price_limits(base) == limits


@given(prices, st.booleans())
def test_limits_are_on_tick_and_within_thirty_percent(price, etf):
    """No limit lies off the grid or too far away."""
    base = krx.floor_to_tick(price, etf=etf)
    lower, upper = krx.price_limits(base, etf=etf)
    assert lower == krx.floor_to_tick(lower, etf=etf)
    assert upper == krx.floor_to_tick(upper, etf=etf)
    assert base * 7 <= lower * 10 <= base * 10 <= upper * 10 <= base * 13


@given(prices, st.booleans())
def test_a_tick_up_and_a_tick_down_cancel(price, etf):
    """Neighbours on the grid are each other's neighbours, across band edges too."""
    price = krx.floor_to_tick(price, etf=etf)
    assert krx.tick_down(krx.tick_up(price, etf=etf), etf=etf) == price
    assert krx.tick_up(krx.tick_down(price, etf=etf), etf=etf) == price


@settings(max_examples=30, deadline=None)
@given(listings, seeds)
def test_a_path_stays_on_tick_and_leaves_room_for_the_ask(listing, seed):
    """Bid and ask are both valid prices at any time."""
    path = krx.PricePath(listing, krx.random_stream(seed))
    for bid in path.bids:
        assert bid == krx.floor_to_tick(bid, etf=path.etf)
        assert path.lower <= bid < krx.tick_up(bid, etf=path.etf) <= path.upper


@settings(max_examples=30, deadline=None)
@given(listings, seeds, st.booleans(), st.booleans(), st.integers(krx.OPEN, krx.CLOSE))
def test_a_fill_trades_at_the_bid_or_the_ask(listing, seed, buying, crossing, time):
    """Crossing buys pay the ask, waiting ones get the bid; sells the other way round."""
    rng = krx.random_stream(seed)
    price, quote = krx.PricePath(listing, rng).trade(time, rng, buying=buying, crossing=crossing)
    assert price == (quote.ask if buying == crossing else quote.bid)
    assert quote.last in (quote.ask, quote.bid)
    assert krx.tick_up(quote.bid, etf=listing.etf) == quote.ask


def test_a_path_at_its_upper_limit_is_not_pushed_beyond_it():
    """A buy at the highest bid and a sell at the lowest find the same market."""
    path = krx.PricePath(krx.LISTINGS["005930"], krx.random_stream(0))
    highest = krx.tick_down(path.upper)
    path.bids = (highest,)
    assert {path.trade(0, krx.random_stream(i), buying=True, crossing=True)[0] for i in range(40)} == {path.upper}
    path.bids = (path.lower,)
    assert {path.trade(0, krx.random_stream(i), buying=False, crossing=True)[0] for i in range(40)} == {path.lower}


@given(seeds, st.sampled_from(["open", "continuous", "close", "nxt"]), st.integers(1, 12))
def test_fills_happen_in_order_and_within_the_hours_of_their_phase(seed, phase, parts):
    """Auctions trade at 09:00 and 15:30, nothing trades while the closing auction collects."""
    times = krx.fill_times(krx.random_stream(seed), phase, parts)
    start, end = {
        "open": (krx.OPEN, krx.OPEN + krx.SECOND),
        "continuous": (krx.OPEN, krx.CLOSING_AUCTION),
        "close": (krx.CLOSE, krx.CLOSE + krx.SECOND),
        "nxt": (krx.NXT_AFTER_OPEN, krx.NXT_CLOSE),
    }[phase]
    assert times == sorted(set(times))
    assert len(times) == parts
    assert all(start <= time < end for time in times)


def test_trading_is_busier_after_the_open_and_before_the_close_than_at_noon():
    """The intensity over the day is U-shaped."""
    rng = krx.random_stream("u")
    starts = [krx.fill_times(rng, "continuous", 1)[0] for _ in range(6_000)]
    third = (krx.CLOSING_AUCTION - krx.OPEN) // 3
    counts = [sum((start - krx.OPEN) // third == part for start in starts) for part in range(3)]
    assert counts[0] > 1.5 * counts[1] < counts[2]


def test_a_random_stream_is_pinned_for_all_platforms_and_versions():
    """A change here would change every recorded sample."""
    rng = krx.random_stream("orders", 0, "2026-11-20")
    assert [int(rng.random() * 2**53) for _ in range(3)] == [7375913967085147, 4987144646138152, 5899742809450072]
