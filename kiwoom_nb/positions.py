"""Positions: what is held now, from the latest event of each position and what the account told when it was asked."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from .costs import TAXED_FROM, Costs
from .holdings import AGGREGATE, Holding
from .keyed import NONE, Bools, Ints, Key, day_of, days_of
from .latest import KEY, LatestRows
from .queries import is_lot, is_whole, lots_of, queries_of, told_positions
from .repeats import latest_rows, settled
from .schema import INT64_MAX, RECEIVED_AT, TIMEZONE, symbol
from .small_tables import Floats, Integers, framed, index_of
from .told import told_by

SOURCES: Final = ("event", "opening")
PRICE_SOURCES: Final = ("fill", "account", "user")
_EVENT, _OPENING = range(2)
_FILL, _ACCOUNT, _USER = range(3)
_NUMBERS: Final = (
    "quantity",
    "orderable_quantity",
    "average_price",
    "cost",
    "price",
    "base_price",
    "credit_amount",
    "credit_interest",
)
_MOMENT: Final = pd.DatetimeTZDtype("us", TIMEZONE)
_VALUES: Final = ("name", "maturity_date", *_NUMBERS, "realized_pnl_today")
_NAT: Final = np.iinfo(np.int64).min


def positions(
    frame: pd.DataFrame,
    closed: bool = False,
    prices: Mapping[str, int] | pd.Series[Any] | None = None,
    *,
    costs: Costs | None = None,
    latest: LatestRows | None = None,
) -> pd.DataFrame:
    """Return one row for each (account, symbol, credit_type, loan_date): its latest state, in order of first sight.

    Parameters
    ----------
    frame
        Balance events in order of arrival: the last row of a position tells its state. Of a selection of rows only the
        positions in it are told.
    closed
        Also those of which nothing is held any more.
    prices
        Prices to mark to, by symbol (whole won; a dict or a Series); those not in it, or blank, keep the price of
        their last fill. It may hold those of a whole market.
    costs
        For the break-even price; default: Kiwoom's online fee and the tax of the day.
    latest
        The latest rows of ``frame``, where somebody kept them: then the cost does not depend on its length.

    Returns
    -------
    pandas.DataFrame
        ``account``, ``symbol``, ``name``, ``credit_type`` (category), ``loan_date``; ``quantity``,
        ``orderable_quantity``, ``average_price``, ``cost`` (Int64: shares, won); ``price`` (Int64, won) with
        ``price_source`` (``fill``: of the last fill, ``account``: when the account was asked, ``user``) and
        ``price_at`` (KST); ``base_price``, ``day_change`` (won), ``day_change_pct`` (against FID 307);
        ``market_value``, ``unrealized_pnl`` (Int64, won: against ``cost``, which is exact, before fee and tax) and
        ``unrealized_pnl_pct``; ``weight`` (float64, of the market value of all that is held, 0 to 1);
        ``realized_pnl_today`` (990 + 992 as the row told them); ``break_even_price`` (Int64, won: the lowest at which a
        sale of all pays the cost, fees and tax); ``maturity_date``, ``credit_amount``, ``credit_interest``;
        ``updated_at`` (KST); ``stale`` (bool: the line was down since, or fills were missed then); ``source``
        (``event``, or ``opening``: the account told it when it was asked); ``events`` (int64: rows of the frame that
        are about it). Percentages are float64.

    Raises
    ------
    ValueError
        A price is not a whole number of won, 0 or more; the keys of ``prices`` are no symbols; a symbol has two prices.

    Notes
    -----
    Loan lots (``03``) stand for themselves; the row that sums them up (``99``) is left out where a lot is known.
    An event that is sent again, at once or late, changes nothing but ``events``. A quantity (930) that could not be
    read follows the shares bought today (945), where these were told before and after.

    ``realized_pnl_today`` is of the position where 990 and 992 count by position. Should they count by account
    (``scope="account"`` in :func:`kiwoom_nb.pnl.realized_pnl`), it is what the account had realized at that event: not
    to be added up.
    """
    lines = _lines(frame, settled(frame, latest_rows(frame) if latest is None else latest))
    lots = {line.key[:2] for line in lines if is_lot(line.key)}
    shown = [line for line in lines if (closed or line.quantity) and not (line.is_sum and line.key[:2] in lots)]
    as_of = max((line.updated_at for line in lines), default=0)
    return _table(shown, frame, as_of, _checked(prices), costs or Costs())


class _Line:
    """What is known of one position: the values of its latest event, and what the account told after it."""

    def __init__(self, key: Key, first: tuple[int, int, int]) -> None:
        self.key = key
        self.first = first  # after which row it was known, by which query, and where among those that it told
        self.told: dict[str, Any] = dict.fromkeys(_VALUES)
        self.updated_at = self.price_at = 0
        self.events = 0
        self.source = self.price_source = _EVENT
        self.missed = False  # the account told another state than the events: fills were missed

    @property
    def is_sum(self) -> bool:
        """Whether it adds up loan lots."""
        return self.key[2] == AGGREGATE

    @property
    def quantity(self) -> int | None:
        """What is held; an unknown number of shares is something."""
        quantity = self.told["quantity"]
        return 1 if quantity is None else int(quantity)

    def tell(self, values: dict[str, Any], at: int, events: int) -> None:
        """Take the latest event."""
        self.told, self.updated_at, self.price_at, self.events = values, at, at, events

    def ask(self, at: int, held: Holding | None) -> None:
        """Take what the account told since; where that is nothing, nothing is held."""
        values, was_known = self.told, self.events > 0
        if not was_known or day_of(at) != day_of(self.updated_at):  # events tell what was realized on their own day
            sold = values["quantity"] if held is None else held.sold_today
            values["realized_pnl_today"] = 0 if sold == 0 else None
        self.updated_at = at
        if held is not None:
            self._price(at, held)
        quantity, cost = (held.quantity, held.cost) if held is not None and held.quantity else (0, 0)
        was = values["quantity"], values["cost"] if quantity else 0
        if was_known and was == (quantity, cost):
            return
        self.missed = was_known and (was[0] not in {None, quantity} or was[1] not in {None, cost})
        self.source = _OPENING
        values |= {"quantity": quantity, "cost": cost}
        if held is None:
            values |= {"orderable_quantity": 0, "average_price": 0}
            return
        values |= {
            "name": values["name"] or held.name,
            "orderable_quantity": held.orderable_quantity,
            "average_price": held.average_price,
        }

    def _price(self, at: int, held: Holding) -> None:
        if held.price is not None:
            self.told |= {"price": held.price, "base_price": held.base_price or self.told["base_price"]}
            self.price_at, self.price_source = at, _ACCOUNT


def _lines(frame: pd.DataFrame, latest: LatestRows) -> list[_Line]:
    """Return what is known of each position, in order of first sight."""
    columns = latest.columns
    keys = list(zip(*(columns[name] for name in KEY), strict=True))
    lines = {key: _Line(key, (2 * first + 1, 0, 0)) for key, first in zip(keys, latest.firsts.tolist(), strict=True)}
    both = zip(columns["realized_pnl"], columns["credit_realized_pnl"], strict=True)
    realized = [None if cash is None or credit is None else cash + credit for cash, credit in both]
    values = zip(*(columns[name] for name in _VALUES[:-1]), realized, strict=True)
    told = zip(values, columns[RECEIVED_AT], latest.counts.tolist(), strict=True)
    for line, (row, at, events) in zip(lines.values(), told, strict=True):
        line.tell(dict(zip(_VALUES, row, strict=True)), at, events)
    _ask(frame, lines, dict(zip(lines, latest.rows.tolist(), strict=True)))
    return sorted(lines.values(), key=lambda line: line.first)


def _ask(frame: pd.DataFrame, lines: dict[Key, _Line], rows: dict[Key, int]) -> None:
    """Lay under the events what the account told: the last of its queries is newer than the rows before it."""
    queries = queries_of(frame, {key[0] for key in lines if key[0] is not None})
    lots, tells_all = lots_of(lines), is_whole(frame)
    last = {query.account: query for query in queries}
    for asked, query in enumerate(queries):
        told = told_positions(query, lots)
        for number, key in enumerate(told):
            if key in lines:
                lines[key].first = min(lines[key].first, (2 * query.place, asked, number))
            elif tells_all:
                lines[key] = _Line(key, (2 * query.place, asked, number))
                lines[key].told["name"] = told[key].name
        if last[query.account] is query:
            for key, line in lines.items():
                if key[0] == query.account and not line.is_sum and rows.get(key, -1) < query.place:
                    line.ask(query.at, told.get(key))


def _checked(prices: Any) -> dict[str, int]:
    """Return the user's prices by symbol; blanks are left out."""
    if prices is None:
        return {}
    if not isinstance(prices, Mapping | pd.Series):
        what = f"prices is of type {type(prices).__name__}"
        raise ValueError(f"positions(): {what}: {_BY_SYMBOL}")  # noqa: TRY004 - as for any wrong price
    found: dict[str, int] = {}
    is_any = False  # any that looks like a symbol: of names or of ISINs none does
    for name, price in prices.items():
        if not isinstance(name, str):
            raise ValueError(f"positions(): the key {name!r} is no symbol: {_BY_SYMBOL}")  # noqa: TRY004 - as above
        if _is_blank(price):
            continue
        own = symbol(name) or ""
        if found.setdefault(own, won := _won(name, price)) != won:
            raise ValueError(f"positions(): prices[{name!r}] is both {found[own]} and {won}: {_ONE_EACH}")
        is_any |= _SYMBOL.fullmatch(own) is not None
    if found and not is_any:
        raise ValueError(f"positions(): the key {next(iter(found))!r} is no symbol, nor is any other: {_BY_SYMBOL}")
    return found


_SYMBOL: Final = re.compile("[0-9A-Z]{6}")
_ONE_EACH: Final = (
    'give one price for each symbol, which is a text of six characters: {"005930": 70000}, or a Series with such an '
    "index."
)
_BY_SYMBOL: Final = f"no position would be marked to it; {_ONE_EACH}"
_TOO_MUCH: Final = 1 << 53


def _is_blank(price: Any) -> bool:
    return price is None or bool(pd.api.types.is_scalar(price) and pd.isna(price))


def _won(name: str, price: Any) -> int:
    """Return a price as whole won."""
    is_number = isinstance(price, int | float | np.number | Decimal) and not isinstance(price, bool)
    if not is_number or not 0 <= price < _TOO_MUCH or price != int(price):
        shown = " ".join(str(price).split())
        raise ValueError(
            f"positions(): prices[{name!r}] is {shown} ({type(price).__name__}): a price is a whole number of won, "
            "0 or more. Leave out what has no price, and turn text into numbers."
        )
    return int(price)


def _table(lines: list[_Line], frame: pd.DataFrame, as_of: int, prices: dict[str, int], costs: Costs) -> pd.DataFrame:
    """Return ``lines`` as a table, valued at the last prices or the user's."""
    keys = [line.key for line in lines]
    _mark(lines, prices)
    numbers = {name: _integers([line.told[name] for line in lines]) for name in (*_NUMBERS, "realized_pnl_today")}
    quantity, cost, price, base = (numbers[name] for name in ("quantity", "cost", "price", "base_price"))
    value = quantity.times(price)
    pnl, day_change = value.minus(cost), price.minus(base)
    updated = np.array([line.updated_at for line in lines], np.int64)
    realized = numbers["realized_pnl_today"]
    today = day_of(as_of)
    earlier = days_of(updated) != today.astype(np.int64)
    realized.numbers[earlier] = 0  # what was told on an earlier day is over
    realized.blank[earlier] = False
    at = _moments([*(line.price_at or _NAT for line in lines), *updated.tolist()])
    columns = {
        "account": _category(keys, 0, frame),
        "symbol": _category(keys, 1, frame),
        "name": _named([line.told["name"] for line in lines], frame["name"].dtype),
        "credit_type": _category(keys, 2, frame),
        "loan_date": _dates([key[3] for key in keys]),
        "quantity": quantity.column(),
        "orderable_quantity": numbers["orderable_quantity"].column(),
        "average_price": numbers["average_price"].column(),
        "cost": cost.column(),
        "price": price.column(),
        "price_source": _coded([line.price_source for line in lines], PRICE_SOURCES),
        "price_at": at[: len(lines)],
        "base_price": base.column(),
        "day_change": day_change.column(),
        "day_change_pct": 100 * _ratio(day_change.floats(), base.floats()),
        "market_value": value.column(),
        "unrealized_pnl": pnl.column(),
        "unrealized_pnl_pct": 100 * _ratio(pnl.floats(), cost.floats()),
        "weight": _ratio(value.floats(), np.array(value.numbers[~value.blank].sum(), np.float64)),
        "realized_pnl_today": realized.column(),
        "break_even_price": costs.break_even(
            cost.column(), quantity.column(), [key[1] or "" for key in keys], max(today, TAXED_FROM)
        ),
        "maturity_date": _dates([line.told["maturity_date"] for line in lines]),
        "credit_amount": numbers["credit_amount"].column(),
        "credit_interest": numbers["credit_interest"].column(),
        "updated_at": at[len(lines) :],
        "stale": _is_stale(frame, updated) | np.array([line.missed for line in lines], np.bool_),
        "source": _coded([line.source for line in lines], SOURCES),
        "events": np.array([line.events for line in lines], np.int64),
    }
    return framed(columns)


def _mark(lines: list[_Line], prices: dict[str, int]) -> None:
    """Put the user's prices in place of the last ones."""
    for line in lines if prices else ():
        own = prices.get(line.key[1] or "")
        if own is not None:
            if own * (line.told["quantity"] or 0) > INT64_MAX:
                raise ValueError(
                    f"positions(): prices[{line.key[1]!r}] is {own}: the value of {line.told['quantity']} shares would "
                    "be more than 64 bits hold. Give the price of one share in won."
                )
            line.told["price"], line.price_at, line.price_source = own, 0, _USER


def _is_stale(frame: pd.DataFrame, updated: Ints) -> Bools:
    """Tell of each moment whether the line was down at any time since."""
    gaps = told_by(frame).gaps
    last = max((np.iinfo(np.int64).max if gap.end is None else gap.end for gap in gaps), default=0)
    stale: Bools = updated < last
    return stale


def _ratio(parts: Floats, wholes: Floats) -> Floats:
    """Return parts over wholes, NaN where either is unknown or there is no whole."""
    ratios = np.full(len(parts), np.nan)
    np.divide(parts, wholes, out=ratios, where=wholes != 0)
    return ratios


def _category(keys: list[Key], place: int, frame: pd.DataFrame) -> pd.Categorical:
    return _named([key[place] for key in keys], frame[KEY[place]].dtype)


def _named(values: list[Any], dtype: Any) -> pd.Categorical:
    """Return a column with the categories that the frame has, and more where an account query told of more."""
    known = list(dtype.categories) if isinstance(dtype, pd.CategoricalDtype) else []
    codes = {name: code for code, name in enumerate(known)}
    for value in values:
        if value is not None:
            codes.setdefault(value, len(codes))
    numbers = np.array([NONE if value is None else codes[value] for value in values], np.int64)
    is_kept = isinstance(dtype, pd.CategoricalDtype) and len(codes) == len(known)
    wanted = dtype if is_kept else pd.CategoricalDtype(pd.Index(list(codes), dtype="str"))
    return pd.Categorical.from_codes(numbers, dtype=wanted, validate=False)


def _coded(codes: list[int], names: tuple[str, ...]) -> pd.Categorical:
    return pd.Categorical.from_codes(np.array(codes, np.int8), dtype=_dtype_of(names), validate=False)


@functools.cache
def _dtype_of(names: tuple[str, ...]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(index_of(names))


def _integers(values: list[int | None]) -> Integers:
    blank = np.array([value is None for value in values], np.bool_)
    return Integers(np.array([value or 0 for value in values], np.int64), blank)


def _dates(values: list[int | None]) -> npt.NDArray[np.datetime64]:
    return np.array([_NAT if value is None else value for value in values], np.int64).view("M8[ms]")


def _moments(at: Any) -> Any:
    return pd.array(np.asarray(at, np.int64), dtype=_MOMENT)
