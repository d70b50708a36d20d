"""The trading floor of a synthetic day: what the accounts hold at the open, which orders come, how they fill.

Times are microseconds since midnight in Korea; a fill is booked with microseconds since the epoch (UTC).
"""

from __future__ import annotations

import datetime as dt
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from kiwoom_nb import krx
from kiwoom_nb.account import CASH, Fill, Position, aggregate, fee_of, tax_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from kiwoom_nb.account import BalanceEvent
    from kiwoom_nb.krx import Listing, Quote

_SATURDAY: Final = 5
_MATURITY: Final = dt.timedelta(days=90)
_TWINS: Final = (47, 12)  # days since the loan dates of the two lots that are planted
_ROUND: Final = 50  # larger orders are in tens
_PHASES: Final = ("open", "close", *["continuous"] * 23)
_MID_MORNING: Final = 10 * krx.HOUR


class _Order:
    """An order that fills in ``parts`` parts; what it trades is decided when it comes up, unless it is preset."""

    __slots__ = ("crossing", "number", "parts", "phase", "position", "quantity", "remaining", "side")

    def __init__(self, phase: str, parts: int, position: Position, side: str = "") -> None:
        self.phase = phase
        self.parts = parts
        self.position = position
        self.side = side
        self.number = ""
        self.quantity = self.remaining = 0
        self.crossing = False

    def take(self, rng: Random) -> int:
        """Draw the size of the next part; the last part is what remains."""
        self.parts -= 1
        taken = self.remaining
        if self.parts:
            taken = 1 + int(rng.random() * min(taken - self.parts, 2 * taken // (self.parts + 1)))
        self.remaining -= taken
        return taken


_Slice = tuple[int, int, _Order]  # when a part of the order fills; what settles who is first; the order


class Floor:
    """The market and the accounts while a day is made.

    ``opening``, ``fills`` and ``told`` are what comes of it: the opening holdings, the fills, and for each fill
    the balance events that tell it (one, or that of a loan lot and of all lots together).
    """

    def __init__(
        self, seed: int, day: dt.date, listings: Sequence[Listing], accounts: tuple[str, ...], midnight: int
    ) -> None:
        self.rng = krx.random_stream("orders", seed, day)
        self.day = day
        self.midnight = midnight
        self.accounts = accounts
        self.paths = {
            listing.symbol: krx.PricePath(listing, krx.random_stream("path", seed, day, listing.symbol))
            for listing in listings
        }
        self.positions: list[Position] = []
        self.opening: list[BalanceEvent] = []
        self.fills: list[Fill] = []
        self.told: list[tuple[BalanceEvent, ...]] = []
        self._lots: dict[tuple[str, str], list[Position]] = {}
        self._number = 0

    def open(self, lots: dict[str, tuple[int, ...]]) -> None:
        """Give each account its opening holdings; ``lots`` are the days that each symbol's loan lots are lent."""
        for account in self.accounts:
            for symbol, path in self.paths.items():
                self._open_cash(Position(account, path.listing, path.base), known=not self.positions)
                for days in lots.get(symbol, ()):
                    self._open_lot(Position(account, path.listing, path.base), days)
        self.opening = [position.opening(self.midnight) for position in self.positions if position.quantity]

    def trade(self, events: int, planted: frozenset[str], silence: int) -> None:
        """Trade ``events`` fills, and those of the orders that ``planted`` needs; the gap starts at ``silence``."""
        slices = self._ordinary(events)
        for serial, (order, times) in enumerate(self._preset(planted, silence), len(slices)):
            slices += [(time, serial, order) for time in times]
        for time, _, order in sorted(slices, key=itemgetter(0, 1)):
            self._fill(time, order)

    def _open_cash(self, position: Position, *, known: bool) -> None:
        if position.symbol.isdigit() and (known or krx.chance(self.rng, 65)):
            self._hold(position)
        self.positions.append(position)

    def _open_lot(self, position: Position, days: int) -> None:
        lent = self.day - dt.timedelta(days=days)
        lent -= dt.timedelta(days=max(0, lent.weekday() - _SATURDAY + 1))  # nothing is lent on a weekend
        position.lend(f"{lent:%Y%m%d}", f"{lent + _MATURITY:%Y%m%d}", (self.day - lent).days)
        if days:
            self._hold(position)
        self.positions.append(position)
        self._lots.setdefault((position.account, position.symbol), []).append(position)

    def _hold(self, position: Position) -> None:
        draw, base = self.rng.random, position.base_price
        quantity = max(20, int((1_500_000 + draw() * 25_000_000) / base))
        paid = base * (72 + int(draw() * 60)) // 100
        position.hold(quantity, quantity * paid + int(draw() * quantity))  # an average seldom is a whole price

    def _draw(self, positions: Sequence[Position]) -> Position:
        return positions[int(self.rng.random() * len(positions))]

    def _ordinary(self, events: int) -> list[_Slice]:
        slices: list[_Slice] = []
        draw = self.rng.random
        while (left := events - len(slices)) > 0:
            parts = min(left, 1 + int(draw() * draw() * 12))
            phase = _PHASES[int(draw() * len(_PHASES))]
            order = _Order(phase, parts, self._draw(self.positions))
            serial = len(slices)
            slices += [(time, serial, order) for time in krx.fill_times(self.rng, phase, parts)]
        return slices

    def _preset(self, planted: frozenset[str], silence: int) -> Iterator[tuple[_Order, list[int]]]:
        cash = [position for position in self.positions if position.credit_type == CASH]
        stock = next((held for held in cash if not held.etf and held.symbol.isdigit()), cash[0])
        if "alphanumeric" in planted:
            novel = next(position for position in cash if not position.symbol.isdigit())
            yield _Order("continuous", 3, novel, "buy"), krx.burst(self.rng, _MID_MORNING, 3)
        if "gap" in planted:
            yield _Order("continuous", 3, stock, "buy"), krx.burst(self.rng, silence + krx.MINUTE, 3)
        if "nxt" in planted:
            yield _Order("nxt", 2, stock, "buy"), krx.fill_times(self.rng, "nxt", 2)
        for number in range(len(planted & {"blank", "duplicate", "unreadable"})):  # plain events to sit at
            start = _MID_MORNING + (number + 1) * 10 * krx.MINUTE
            yield _Order("continuous", 1, stock, "buy"), krx.burst(self.rng, start, 1)
        if "loan_lots" in planted:
            for lot in next(lots for lots in self._lots.values() if len(lots) > 1):
                yield _Order("continuous", 2, lot, "sell"), krx.burst(self.rng, krx.OPEN + krx.MINUTE, 2)

    def _fill(self, time: int, order: _Order) -> None:
        if not order.quantity:
            self._decide(order, self.paths[order.position.symbol].at(time))
        path = self.paths[order.position.symbol]
        if order.phase in krx.AUCTIONS:
            price, quote = path.auction(time)
        else:
            price, quote = path.trade(time, self.rng, buying=order.side == "buy", crossing=order.crossing)
        self._book(self.midnight + time, order, price, quote)

    def _decide(self, order: _Order, bid: int) -> None:
        # A sell needs a share for each part; where there are too few, the order buys, if need be something else.
        position = order.position
        side = order.side or self._lean(position, bid)
        if side == "sell" and position.orderable >= order.parts:
            order.quantity = self._sell_quantity(position.orderable, order.parts)
            position.pending += order.quantity
        else:
            side = "buy"
            if not position.can_buy:
                order.position = self._draw([other for other in self.positions if other.can_buy])
            order.quantity = self._buy_quantity(order.position.base_price, order.parts)
        order.side, order.remaining, order.crossing = side, order.quantity, krx.chance(self.rng, 60)
        self._number += 1 + int(self.rng.random() * 30)  # the numbers are the broker's: others order, too
        order.number = f"{self._number:07d}"

    def _lean(self, position: Position, bid: int) -> str:
        if not position.can_buy:
            return "sell"
        losing = bid * position.quantity < position.cost  # averaged down more often than not
        return "buy" if krx.chance(self.rng, 60 if losing else 35) else "sell"

    def _sell_quantity(self, orderable: int, parts: int) -> int:
        if krx.chance(self.rng, 30):
            return orderable
        return max(parts, orderable * (10 + int(self.rng.random() * 80)) // 100)

    def _buy_quantity(self, price: int, parts: int) -> int:
        draw = self.rng.random
        quantity = int((300_000 + draw() * draw() * 12_000_000) / price)
        return max(parts, quantity - quantity % 10 if quantity > _ROUND else quantity)

    def _book(self, time: int, order: _Order, price: int, quote: Quote) -> None:
        position, side, quantity = order.position, order.side, order.take(self.rng)
        amount = quantity * price
        tax = removed = realized = 0
        if side == "buy":
            position.buy(quantity, price)
        else:
            removed, realized = position.sell(quantity, price)
            tax = tax_of(amount, etf=position.etf)
        event = position.event(time, "NXT" if order.phase == "nxt" else "KRX", side, quote)
        money = (price, amount, fee_of(amount), tax, removed, realized)
        self.fills.append(Fill(time, *event.key, event.venue, side, quantity, *money, order.number, order.quantity))
        self.told.append(self._tell(event, position, quote))

    def _tell(self, event: BalanceEvent, position: Position, quote: Quote) -> tuple[BalanceEvent, ...]:
        lots = self._lots[position.account, position.symbol] if position.credit_type != CASH else ()
        if len(lots) < 2:  # noqa: PLR2004 - a single lot has no sum
            return (event,)
        return event, aggregate(event, [lot.event(event.time, event.venue, event.side, quote) for lot in lots])


def lots_of(listings: Sequence[Listing], *, twins: bool) -> dict[str, tuple[int, ...]]:
    """Return for the symbols with margin-loan lots how many days ago each lot was lent (0: it may be, today).

    No symbol has two lots but the planted ``twins``, so that no ``99`` row is missing.
    """
    stocks = [listing.symbol for listing in listings if not listing.etf and listing.symbol.isdigit()]
    wanted = [*([_TWINS] if twins else []), (33,), (0,)]
    return dict(zip(stocks[1:] + stocks[:1], wanted, strict=False))
