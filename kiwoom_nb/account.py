"""The books of a synthetic account: moving-average positions in whole won, and what Kiwoom says about them.

Every division that rounds goes through :func:`divide`. The accounting is the one that the facts about type ``04``
imply: ``932`` is the exact cost of the whole holding and ``931`` that cost for a share, rounded to won. Where Kiwoom
documents nothing, the choices are:

* a sell takes ``divide(cost * sold, held)`` won of cost with it, and its realized P&L is proceeds minus that cost,
  so money is conserved to the won and closing a position leaves no remainder;
* realized P&L (``950``, ``990``, ``992``) is gross of fee and tax and counts one position today, a position being
  (account, symbol, credit type, loan date); ``990`` and ``991`` are filled for cash, ``992`` and ``993`` for credit;
* rates (``8019``, ``991``, ``993``) are that P&L in percent of the cost that today's sells took, to two decimals,
  halves away from zero; gains carry no plus sign, in won and in percent;
* a margin loan is 60 % of the purchase and shrinks with the position as its cost does; interest is 9.5 % a year of
  the loan for the days since the loan date, cut to won.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kiwoom_nb.krx import Quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kiwoom_nb.krx import Listing

CASH: Final = "00"
LOAN: Final = "03"  # one margin-loan lot
LOANS: Final = "99"  # all lots of a symbol together; never to be added to them
NO_DATE: Final = "00000000"
_SIDES: Final = {"sell": "1", "buy": "2", "": ""}
_SUFFIXES: Final = {"KRX": "", "NXT": "_NX"}


def divide(numerator: int, denominator: int) -> int:
    """Return the quotient rounded to a whole number, halves away from zero; nothing of nothing is 0."""
    if not denominator:
        return 0
    quotient = (2 * abs(numerator) + denominator) // (2 * denominator)
    return quotient if numerator >= 0 else -quotient


def fee_of(amount: int) -> int:
    """Return the fee (won) of a fill of ``amount`` won: 0.015 % online on each side, cut to 10 won for each fill.

    Kiwoom's example of kt00018 cuts it so: 50 on 373,500 (56.0) and 20 on 177,000 (26.6).
    """
    return amount * 15 // 1_000_000 * 10


def tax_of(amount: int, *, etf: bool) -> int:
    """Return the tax (won) on a sale of ``amount`` won: 0.20 % (from 2026-01-01), cut to won; none on an ETF."""
    return 0 if etf else amount * 20 // 10_000


class Fill(NamedTuple):
    """The part of an order that traded; money is whole won, ``time`` microseconds since the epoch (UTC)."""

    time: int
    account: str
    symbol: str
    credit_type: str
    loan_date: str
    venue: str
    side: str
    quantity: int
    price: int
    amount: int
    fee: int
    tax: int
    cost_removed: int
    realized_pnl: int
    order_number: str
    order_quantity: int


class BalanceEvent(NamedTuple):
    """One entry of type ``04`` before it is written: the state of a position after a fill.

    ``time`` is that of the fill in microseconds since the epoch (UTC), ``side`` its side (empty for an opening
    holding), ``realized_return`` hundredths of a percent; the rest is shares and whole won.
    """

    time: int
    account: str
    symbol: str
    venue: str
    name: str
    credit_type: str
    loan_date: str
    maturity_date: str
    side: str
    price: int
    ask: int
    bid: int
    base_price: int
    quantity: int
    cost: int
    average_price: int
    orderable_quantity: int
    net_bought_today: int
    bought_today: int
    sell_pnl_today: int
    cost_sold_today: int
    realized_return: int
    credit_amount: int
    credit_interest: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The position that the event is about: account, symbol, credit type, loan date."""
        return self.account, self.symbol, self.credit_type, self.loan_date


class Position:
    """What one account holds of one symbol, in cash or in one loan lot, and what it did with it today."""

    __slots__ = (
        "account",
        "base_price",
        "bought",
        "cost",
        "cost_sold",
        "credit_amount",
        "credit_type",
        "days_lent",
        "etf",
        "loan_date",
        "maturity_date",
        "name",
        "pending",
        "quantity",
        "realized",
        "sold",
        "symbol",
    )

    def __init__(self, account: str, listing: Listing, base_price: int) -> None:
        self.account = account
        self.symbol, self.name, self.etf = listing.symbol, listing.name, listing.etf
        self.base_price = base_price
        self.credit_type, self.loan_date, self.maturity_date, self.days_lent = CASH, NO_DATE, NO_DATE, 0
        self.quantity = self.cost = self.credit_amount = 0
        self.pending = 0  # shares in sell orders that have not filled yet
        self.bought = self.sold = self.cost_sold = self.realized = 0

    def lend(self, loan_date: str, maturity_date: str, days: int) -> None:
        """Make this a margin-loan lot of ``loan_date`` (``YYYYMMDD``), lent for ``days`` days up to today."""
        self.credit_type, self.days_lent = LOAN, days
        self.loan_date, self.maturity_date = loan_date, maturity_date

    def hold(self, quantity: int, cost: int) -> None:
        """Add ``quantity`` shares that cost ``cost`` won, as bought before today."""
        self.quantity += quantity
        self.cost += cost
        if self.credit_type == LOAN:
            self.credit_amount += cost * 60 // 100

    @property
    def orderable(self) -> int:
        """Shares that no sell order claims."""
        return self.quantity - self.pending

    @property
    def can_buy(self) -> bool:
        """Whether more can be bought: in cash, or on a loan of today."""
        return self.days_lent == 0

    def buy(self, quantity: int, price: int) -> None:
        """Book a bought part of ``quantity`` shares at ``price`` won."""
        self.hold(quantity, quantity * price)
        self.bought += quantity

    def sell(self, quantity: int, price: int) -> tuple[int, int]:
        """Book a sold part, of an order that :attr:`pending` counts; return cost removed and realized P&L."""
        removed = divide(self.cost * quantity, self.quantity)
        realized = quantity * price - removed
        self.credit_amount -= divide(self.credit_amount * quantity, self.quantity)
        self.cost -= removed
        self.quantity -= quantity
        self.pending -= quantity
        self.sold += quantity
        self.cost_sold += removed
        self.realized += realized
        return removed, realized

    def opening(self, midnight: int) -> BalanceEvent:
        """Return the state before the open: at the base price, by no side."""
        return self.event(midnight, "KRX", "", Quote(self.base_price, self.base_price, self.base_price))

    def event(self, time: int, venue: str, side: str, quote: Quote) -> BalanceEvent:
        """Return the balance event that tells the present state after a fill at ``time`` on ``side``."""
        return BalanceEvent(
            time,
            self.account,
            self.symbol,
            venue,
            self.name,
            self.credit_type,
            self.loan_date,
            self.maturity_date,
            side,
            quote.last,
            quote.ask,
            quote.bid,
            self.base_price,
            self.quantity,
            self.cost,
            divide(self.cost, self.quantity),
            self.quantity - self.pending,
            self.bought - self.sold,
            self.bought,
            self.realized,
            self.cost_sold,
            divide(self.realized * 10_000, self.cost_sold),
            self.credit_amount,
            self.credit_amount * 95 * self.days_lent // 365_000,
        )


_SUMMED: Final = (
    "quantity",
    "cost",
    "orderable_quantity",
    "net_bought_today",
    "bought_today",
    "sell_pnl_today",
    "cost_sold_today",
    "credit_amount",
    "credit_interest",
)


def aggregate(event: BalanceEvent, lots: Sequence[BalanceEvent]) -> BalanceEvent:
    """Return the ``99`` row that goes with ``event``, the event of one of ``lots``: their sum, without dates."""
    sums = {column: sum(getattr(lot, column) for lot in lots) for column in _SUMMED}
    return event._replace(
        credit_type=LOANS,
        loan_date=NO_DATE,
        maturity_date=NO_DATE,
        average_price=divide(sums["cost"], sums["quantity"]),
        realized_return=divide(sums["sell_pnl_today"] * 10_000, sums["cost_sold_today"]),
        **sums,
    )


def _directed(price: int, base: int) -> str:
    return f"+{price}" if price > base else f"-{price}" if price < base else f"{price}"


def _percent(hundredths: int) -> str:
    whole, rest = divmod(abs(hundredths), 100)
    return f"{'-' if hundredths < 0 else ''}{whole}.{rest:02d}"


def values_of(event: BalanceEvent) -> dict[str, str]:
    """Return the 27 FIDs of ``event`` as Kiwoom writes them, in the order of the official example."""
    base, pnl, percent = event.base_price, str(event.sell_pnl_today), _percent(event.realized_return)
    cash = event.credit_type == CASH
    return {
        "9201": event.account,
        "9001": event.symbol,
        "917": event.credit_type,
        "916": event.loan_date,
        "302": event.name,
        "10": _directed(event.price, base),
        "930": str(event.quantity),
        "931": str(event.average_price),
        "932": str(event.cost),
        "933": str(event.orderable_quantity),
        "945": str(event.net_bought_today),
        "946": _SIDES[event.side],
        "950": pnl,
        "951": "0",
        "27": _directed(event.ask, base),
        "28": _directed(event.bid, base),
        "307": str(base),
        "8019": percent,
        "957": str(event.credit_amount),
        "958": str(event.credit_interest),
        "918": event.maturity_date,
        "990": pnl if cash else "0",
        "991": percent if cash else "0.00",
        "992": "0" if cash else pnl,
        "993": "0.00" if cash else percent,
        "959": "0",
        "924": "0",
    }


def entry_of(event: BalanceEvent, instead: Mapping[str, str] | None = None) -> str:
    """Return the JSON of the entry for ``event`` in a frame's ``data``; ``instead`` replaces texts of FIDs."""
    values = values_of(event)
    if instead:
        values |= instead
    # None of these texts needs an escape, and writing them out is five times as quick as an encoder.
    fields = '","'.join([f'{fid}":"{text}' for fid, text in values.items()])
    return f'{{"values":{{"{fields}"}},"type":"04","name":"현물잔고","item":"{event.symbol}{_SUFFIXES[event.venue]}"}}'
