"""The Korean stock market of a synthetic day: tick sizes, price limits, trading hours, price paths.

Times are microseconds since midnight in Korea, prices are whole won. Names and codes are those of the
exchange; every price is made up.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

NXT_PRE_OPEN: Final = 8 * HOUR  # Nextrade trades 08:00-08:50 and, after the KRX close, 15:40-20:00
NXT_AFTER_OPEN: Final = 15 * HOUR + 40 * MINUTE
NXT_CLOSE: Final = 20 * HOUR
OPEN: Final = 9 * HOUR  # the opening auction collects from 08:30 and trades at one price at 09:00
CLOSING_AUCTION: Final = 15 * HOUR + 20 * MINUTE  # continuous trading ends, the closing auction collects
CLOSE: Final = 15 * HOUR + 30 * MINUTE  # it trades at one price

_BANDS: Final = (2_000, 5_000, 20_000, 50_000, 200_000, 500_000)
_TICKS: Final = (1, 5, 10, 50, 100, 500, 1_000)
_ETF_BANDS: Final = (2_000,)
_ETF_TICKS: Final = (1, 5)

STEP: Final = 10 * SECOND  # a path moves this often; the fills in between move around it by a tick
_STEPS: Final = (CLOSING_AUCTION - OPEN) // STEP

# Trading is busiest after the open and before the close: a parabola over the minutes, in whole weights.
_MINUTES: Final = (CLOSING_AUCTION - OPEN) // MINUTE
_MIDDLE: Final = _MINUTES // 2
_STRETCH: Final = (CLOSING_AUCTION - 30 * SECOND - OPEN) // _MINUTES  # the last order's parts still end in time
_LAST_SLOW_START: Final = CLOSING_AUCTION - 30 * MINUTE
AUCTIONS: Final = {"open": OPEN, "close": CLOSE}
_BUSY: Final = tuple(accumulate(25 + 125 * (m - _MIDDLE) ** 2 // _MIDDLE**2 for m in range(_MINUTES)))


class Quote(NamedTuple):
    """The market as a balance event reports it: last price, best ask, best bid (won)."""

    last: int
    ask: int
    bid: int


class Listing(NamedTuple):
    """A listed stock: code, name, a price to start from (won), volatility of a day (basis points)."""

    symbol: str
    name: str
    reference: int
    volatility: int
    etf: bool = False


LISTINGS: Final = {
    listing.symbol: listing
    for listing in (
        Listing("005930", "삼성전자", 98_000, 190),
        Listing("000660", "SK하이닉스", 560_000, 280),
        Listing("035420", "NAVER", 246_000, 210),
        Listing("035720", "카카오", 58_600, 240),
        Listing("005380", "현대차", 264_000, 180),
        Listing("069500", "KODEX 200", 54_000, 120, etf=True),
        Listing("034020", "두산에너빌리티", 76_000, 320),
        Listing("068270", "셀트리온", 182_000, 170),
        Listing("003490", "대한항공", 22_400, 140),
        Listing("024110", "기업은행", 19_900, 110),
        Listing("088350", "한화생명", 3_120, 260),
        Listing("008350", "남선알미늄", 1_985, 300),
    )
}
# The code has the letters that new listings carry; the name is invented.
ALPHANUMERIC: Final = Listing("0004V0", "가상새내기", 13_400, 420)


def random_stream(*key: object) -> Random:
    """Return a generator whose stream depends on ``key`` only: not on the platform, not on the version.

    Only its ``random()`` may be called. That is the one method whose stream the standard library promises to
    keep for a given seed; numpy's ``Generator`` promises none (NEP 19). Whole numbers come from
    ``int(random() * n)``, which IEEE 754 defines to the last bit.
    """
    digest = hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=16).digest()
    return Random(int.from_bytes(digest, "big"))  # noqa: S311 - a reproducible day is the point, no secret


def chance(rng: Random, percent: int) -> bool:
    """Draw whether something happens that happens ``percent`` times in a hundred."""
    return rng.random() * 100 < percent


def tick_size(price: int, *, etf: bool = False) -> int:
    """Return the tick (won) of the band that ``price`` (won) lies in, by the table in force since 2023-01-25.

    ETFs have their own since 2023-12-11: 1 won below 2,000, else 5.
    """
    if etf:
        return _ETF_TICKS[bisect_right(_ETF_BANDS, price)]
    return _TICKS[bisect_right(_BANDS, price)]


def on_tick(prices: npt.NDArray[np.int64], *, etf: bool = False) -> npt.NDArray[np.bool_]:
    """Tell which of ``prices`` (won) are prices at which a share, or an ETF, can trade."""
    import numpy as np

    bands, ticks = (_ETF_BANDS, _ETF_TICKS) if etf else (_BANDS, _TICKS)
    on: npt.NDArray[np.bool_] = prices % np.array(ticks)[np.searchsorted(bands, prices, side="right")] == 0
    return on


def floor_to_tick(price: int, *, etf: bool = False) -> int:
    """Return the highest price on tick that is not above ``price`` (won)."""
    return price - price % tick_size(price, etf=etf)


def tick_up(price: int, *, etf: bool = False) -> int:
    """Return the next price above ``price``, which is on tick."""
    return price + tick_size(price, etf=etf)


def tick_down(price: int, *, etf: bool = False) -> int:
    """Return the next price below ``price``, on tick: at a band's edge the lower band's tick counts."""
    return price - tick_size(price - 1, etf=etf)


def price_limits(base: int, *, etf: bool = False) -> tuple[int, int]:
    """Return the lowest and the highest price (won) of a day with the base price ``base``.

    The width is 30 % of the base price, cut to the base price's tick; the upper limit is cut to its own.
    """
    tick = tick_size(base, etf=etf)
    width = base * 3 // 10 // tick * tick
    return base - width, floor_to_tick(base + width, etf=etf)


def fill_times(rng: Random, phase: str, parts: int) -> list[int]:
    """Draw when the ``parts`` fills of one order happen, in order.

    ``phase`` is ``"open"`` or ``"close"`` (the auctions: all within a moment of 09:00 and 15:30), ``"nxt"`` (the
    after-market of Nextrade) or ``"continuous"``: busier after the open and before the close than at noon, most
    orders filling within seconds, some resting for minutes.
    """
    draw = rng.random
    if phase in AUCTIONS:
        return _spaced(draw, AUCTIONS[phase] + int(draw() * 400_000), 20_000, parts)
    if phase == "nxt":
        return _spaced(draw, NXT_AFTER_OPEN + int(draw() * 4 * HOUR), 2 * SECOND, parts)
    minute = bisect_right(_BUSY, int(draw() * _BUSY[-1]))
    start = OPEN + int((minute + draw()) * _STRETCH)
    slow = chance(rng, 15) and start < _LAST_SLOW_START
    return _spaced(draw, start, 2 * MINUTE if slow else 2 * SECOND, parts)


def burst(rng: Random, start: int, parts: int) -> list[int]:
    """Draw when the ``parts`` fills of one order happen within seconds after ``start``."""
    return _spaced(rng.random, start, 2 * SECOND, parts)


def _spaced(draw: Callable[[], float], start: int, widest: int, parts: int) -> list[int]:
    times = [start]
    while len(times) < parts:
        times.append(times[-1] + 1_000 + int(draw() * draw() * widest))
    return times


class PricePath:
    """The best bid of one stock over one day, a price on tick for each ten seconds of continuous trading.

    ``base`` is the base price (기준가), ``lower`` and ``upper`` are its limits. The best ask is one tick
    above, so a path stays below the upper limit.
    """

    __slots__ = ("base", "bids", "etf", "listing", "lower", "upper")

    def __init__(self, listing: Listing, rng: Random) -> None:
        self.listing = listing
        self.etf = listing.etf
        start = listing.reference * (900 + int(rng.random() * 200)) // 1000
        self.base = floor_to_tick(start, etf=self.etf)
        self.lower, self.upper = price_limits(self.base, etf=self.etf)
        self.bids = self._walk(rng.random)

    def at(self, time: int) -> int:
        """Return the bid at ``time``: the opening price before 09:00, the closing price after 15:20."""
        return self.bids[min(max(0, (time - OPEN) // STEP), _STEPS)]

    def auction(self, time: int) -> tuple[int, Quote]:
        """Return the single price of an auction and the quote after it."""
        price = self.at(time)
        return price, Quote(price, tick_up(price, etf=self.etf), price)

    def trade(self, time: int, rng: Random, *, buying: bool, crossing: bool) -> tuple[int, Quote]:
        """Draw the price of a fill and the quote after it; ``crossing`` orders take, the others wait.

        A sixth of the fills push the market by a tick, and a tenth are followed by another trade before the
        balance event is sent, so that its last price is not the fill's.
        """
        bid = self.at(time)
        if chance(rng, 16):
            bid = self._above(bid) if buying else self._below(bid)
        ask = bid + tick_size(bid, etf=self.etf)
        price, other = (ask, bid) if buying == crossing else (bid, ask)
        return price, Quote(other if chance(rng, 10) else price, ask, bid)

    def _above(self, bid: int) -> int:
        # the ask must stay inside the upper limit
        higher = bid + tick_size(bid, etf=self.etf)
        return higher if higher < self.upper else bid

    def _below(self, bid: int) -> int:
        return tick_down(bid, etf=self.etf) if bid > self.lower else bid

    def _walk(self, draw: Callable[[], float]) -> tuple[int, ...]:
        # In thousandths of a won, so that a step may be smaller than a tick. The sum of three draws is
        # bell-shaped with a deviation of 1/2, and the square root of 2,280 steps is 48: a 24th for each step
        # adds up to the day's volatility. No logarithm or cosine: those differ between C libraries.
        lowest, highest = self.lower * 1000, tick_down(self.upper, etf=self.etf) * 1000
        scale = self.base * self.listing.volatility // 10 // 24
        value = self.base * 1000 + 8 * int((draw() + draw() + draw() - 1.5) * scale)  # the opening gap
        bids = []
        for _ in range(_STEPS + 1):
            value += int((draw() + draw() + draw() - 1.5) * scale)
            value = min(max(value, lowest), highest)
            bids.append(floor_to_tick(value // 1000, etf=self.etf))
        return tuple(bids)
