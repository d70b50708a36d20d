"""What the account of the simulator holds: what its recording says, and the balance events pushed so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import msgspec

from . import schema
from .account_pages import holding_of
from .holdings import AGGREGATE, CASH, Holding
from .schema import Unreadable

if TYPE_CHECKING:
    from .account import BalanceEvent

NOBODY: Final = "1111111111"
"""The account where nothing has named one: that of Kiwoom's examples."""

_MANY: Final = 64  # frames that wait to be read: so few that reading them makes no client wait
_Key: TypeAlias = tuple[str, str, str, int | None]


class Told(NamedTuple):
    """What a recording tells that an account held at ``at`` (microseconds since the epoch); None: its only one."""

    at: int
    account: str | None
    holdings: list[Holding]


class Day(Protocol):
    """A synthetic day, which knows at any moment what is held."""

    accounts: Sequence[str]

    def holdings(self, at: int | None = None) -> list[BalanceEvent]:
        """Return what is held after the fills up to ``at``; None: before the first."""


class Book:
    """What the accounts of one recording hold while it plays.

    A ``day`` is asked for what is held at the time of the last frame, fills that no frame tells included. Otherwise the
    last of ``told`` counts, and each event after it. What is pushed by hand comes on top. An event whose account,
    symbol, quantity or cost cannot be read changes nothing, nor does a frame of another shape than the documented one.

    Parameters
    ----------
    day
        A synthetic day.
    told
        What a journal tells that was held, in order of time.
    begins
        The time of the first frame: what was told up to it is held from the start.
    """

    def __init__(self, day: Day | None = None, told: Sequence[Told] = (), begins: int = 0) -> None:
        self._day = day
        self._told = told
        self._begins = begins
        self._fresh: deque[tuple[int | None, bytes]] = deque()
        self._accounts = dict.fromkeys([] if day is None else day.accounts)
        self._accounts.update(dict.fromkeys(one.account for one in told if one.account is not None))
        self.restart()

    def restart(self) -> None:
        """Begin anew, as before the first frame."""
        self._fresh.clear()
        self._at: int | None = None
        self._held: dict[_Key, Holding | _Values] = {}
        self._next = 0
        self._turn_to(self._begins)

    def take(self, raw: bytes, at: int | None) -> None:
        """Take a frame that is pushed: of the recording, at its time, or by hand (None)."""
        if at is not None and self._day is not None and not (self._held or self._fresh):
            self._at = at  # the day knows what came of it
            return
        self._fresh.append((at, raw))
        if len(self._fresh) >= _MANY:
            self._read_fresh()

    @property
    def account(self) -> str:
        """The first account: the one that queries are answered for."""
        self._read_fresh()
        return next(iter(self._accounts), NOBODY)

    def holdings(self) -> list[Holding]:
        """Return what the first account holds now, in order of first sight."""
        account = self.account
        held: dict[_Key, Holding] = {}
        for event in () if self._day is None else self._day.holdings(self._at):
            holding = holding_of(event)
            held[event.account, holding.symbol, holding.credit_type, holding.loan_date] = holding
        for key, told in self._held.items():
            held[key] = told if isinstance(told, Holding) else _holding(key, told)
        return [holding for (owner, *_), holding in held.items() if owner == account and holding.quantity]

    def _read_fresh(self) -> None:
        while self._fresh:
            at, raw = self._fresh.popleft()
            if at is not None:
                self._at = at
                self._turn_to(at)
            for key, values in _read(raw):
                self._accounts.setdefault(key[0])
                if at is not None and self._day is not None:
                    self._held.pop(key, None)  # the day knows better what came of it
                else:
                    self._held[key] = values

    def _turn_to(self, at: int) -> None:
        """Take what was told up to ``at``; it replaces all that the account held."""
        while self._next < len(self._told) and self._told[self._next].at <= at:
            told = self._told[self._next]
            account = told.account or next(iter(self._accounts), NOBODY)
            self._held = {key: holding for key, holding in self._held.items() if key[0] != account}
            for holding in told.holdings:
                self._held[account, holding.symbol, holding.credit_type, holding.loan_date] = holding
            self._next += 1


class _Values(msgspec.Struct):
    account: str = msgspec.field(default="", name="9201")
    symbol: str = msgspec.field(default="", name="9001")
    name: str = msgspec.field(default="", name="302")
    credit_type: str = msgspec.field(default="", name="917")
    loan_date: str = msgspec.field(default="", name="916")
    quantity: str = msgspec.field(default="", name="930")
    orderable: str = msgspec.field(default="", name="933")
    average_price: str = msgspec.field(default="", name="931")
    cost: str = msgspec.field(default="", name="932")
    price: str = msgspec.field(default="", name="10")
    base_price: str = msgspec.field(default="", name="307")
    net_bought: str = msgspec.field(default="", name="945")


class _Entry(msgspec.Struct):
    values: _Values
    type: str = ""


class _Frame(msgspec.Struct):
    data: list[_Entry]


_decode_frame: Final[Callable[[bytes], _Frame]] = msgspec.json.Decoder(_Frame).decode


def _read(raw: bytes) -> Iterator[tuple[_Key, _Values]]:
    """Yield the positions that a frame tells of; their numbers are read once somebody asks, but for what must be."""
    try:
        entries = _decode_frame(raw).data
    except (ValueError, RecursionError):
        return
    for entry in entries:
        values = entry.values
        try:
            key = _read_key(values.account, values.symbol, values.credit_type, values.loan_date)
            is_told = schema.integer(values.quantity) is not None and schema.integer(values.cost) is not None
        except Unreadable:
            continue
        if entry.type == "04" and key is not None and is_told:
            yield key, values


@lru_cache(maxsize=4096)
def _read_key(account: str, symbol: str, credit_type: str, loan_date: str) -> _Key | None:
    issue, kind = schema.symbol(symbol), schema.code(credit_type) or CASH
    if issue is None or not account.strip() or kind == AGGREGATE:
        return None
    return account.strip(), issue, kind, schema.date(loan_date)


def _holding(key: _Key, values: _Values) -> Holding:
    _, symbol, credit_type, loan_date = key
    net = _number(values.net_bought)
    return Holding(
        symbol,
        schema.name(values.name),
        credit_type,
        loan_date,
        _number(values.quantity) or 0,
        _number(values.orderable),
        _magnitude(values.average_price),
        _number(values.cost) or 0,
        _magnitude(values.price),
        _magnitude(values.base_price),
        None if net is None else max(net, 0),
        None if net is None else max(-net, 0),
    )


def _number(text: str) -> int | None:
    try:
        return schema.integer(text)
    except Unreadable:
        return None


def _magnitude(text: str) -> int | None:
    number = _number(text)
    return None if number is None else abs(number)
