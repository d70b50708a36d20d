"""What buying and selling costs: the fee, the tax on sales, and the price at which a position breaks even.

Won stay whole integers: a rate is so many parts of 10^9, and what it takes of an amount is cut to won right there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from .schema import TIMEZONE
from .schema import symbol as issue_code

Integers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SellTax:
    """The tax on sales in one market from a day on, in parts of 100 000 of the amount (5 parts are 0.005 %)."""

    law_from: date  # of the transfer, which is the settlement: 증권거래세법 제5조 (양도의 시기)
    sold_from: date  # the first trading day whose sales settle, two trading days later, under this rate
    market: str
    transaction: int  # 증권거래세
    rural: int  # 농어촌특별세

    @property
    def total(self) -> int:
        """Both taxes together."""
        return self.transaction + self.rural


# The exchange rests on the last weekday of a year and on 1 January, so the last sales of a year to settle within it
# are those of its third trading day from the end: the day before each sold_from. Two of these days were found in print
# (2020-12-29: KRX in edaily, 2020-12-29; 2024-12-27: a broker's notice), the others follow from the same calendar.
# 시행령 is 증권거래세법 시행령; the rates themselves were checked against newspapers and that notice.
# fmt: off
TAXES: Final = (
    #        law_from           sold_from            market    transaction rural
    SellTax(date(2021, 1, 1), date(2020, 12, 29), "KOSPI",   80, 150),  # 시행령 제5조, 농어촌특별세법 제5조: 0.23 %
    SellTax(date(2021, 1, 1), date(2020, 12, 29), "KOSDAQ", 230,   0),  # 시행령 제5조: 0.23 %
    SellTax(date(2021, 1, 1), date(2020, 12, 29), "KONEX",  100,   0),  # 시행령 제5조: 0.10 %, since 2019-06-03
    SellTax(date(2023, 1, 1), date(2022, 12, 28), "KOSPI",   50, 150),  # 시행령 제5조, 농어촌특별세법 제5조: 0.20 %
    SellTax(date(2023, 1, 1), date(2022, 12, 28), "KOSDAQ", 200,   0),  # 시행령 제5조: 0.20 %
    SellTax(date(2024, 1, 1), date(2023, 12, 27), "KOSPI",   30, 150),  # 시행령 제5조, 농어촌특별세법 제5조: 0.18 %
    SellTax(date(2024, 1, 1), date(2023, 12, 27), "KOSDAQ", 180,   0),  # 시행령 제5조: 0.18 %
    SellTax(date(2025, 1, 1), date(2024, 12, 27), "KOSPI",    0, 150),  # 시행령 제5조, 농어촌특별세법 제5조: 0.15 %
    SellTax(date(2025, 1, 1), date(2024, 12, 27), "KOSDAQ", 150,   0),  # 시행령 제5조: 0.15 %
    SellTax(date(2026, 1, 1), date(2025, 12, 29), "KOSPI",   50, 150),  # 시행령 제5조, 농어촌특별세법 제5조: 0.20 %
    SellTax(date(2026, 1, 1), date(2025, 12, 29), "KOSDAQ", 200,   0),  # 시행령 제5조: 0.20 %
)
# fmt: on
"""The tax on sales by market and day, oldest first; a line holds until the next one of its market."""

MARKETS: Final = ("KOSPI", "KOSDAQ", "KONEX", "ETF", "ETN", "ELW")
"""What a symbol can be; the last three are no shares, and only shares are taxed (증권거래세법 제1조의2, 제2조)."""

_SCALE = 10**9  # of rates: a percentage of seven decimals is a whole number of parts
_PARTS_OF_100_000 = _SCALE // 100_000
_HIGHEST_PCT = 10
_FEE_UNIT = 10  # won
_MOST = 10**18  # won, shares: with rates of at most 10 % nothing below leaves int64 up to here

_DAYS = np.array(sorted({tax.sold_from for tax in TAXES}), "datetime64[D]")
TAXED_FROM: Final = _DAYS[0]
"""The first day whose sales the table knows."""


def _rates_by_day(market: str) -> list[int]:
    """Return the tax in ``market`` from each day of ``_DAYS`` on, in parts of ``_SCALE``; 0 where there is none."""
    taxes = [tax for tax in TAXES if tax.market == market]
    return [
        max([(tax.sold_from, tax.total) for tax in taxes if tax.sold_from <= day] or [(day, 0)])[1] for day in _DAYS
    ]


_RATES = np.array([_rates_by_day(market) for market in MARKETS], np.int64) * _PARTS_OF_100_000
_TAXED = np.array([bool(rates.any()) for rates in _RATES])


@dataclass(frozen=True)
class Costs:
    """The fee and the tax that buying and selling costs.

    Parameters
    ----------
    fee_pct : float, str or Decimal
        The broker's fee in percent of the amount, on each side; Kiwoom's for online orders is 0.015.
    tax_pct : float, str or Decimal, optional
        Your own rate for all sales, in percent of the amount. Without it the rate is that of the symbol's market on
        the day of the sale (``kiwoom_nb.costs.TAXES``; 0.20 % for KOSPI and KOSDAQ shares in 2026, nothing for an
        ETF, ETN or ELW).
    market : mapping or pandas.Series of str, optional
        The market of each symbol: ``"KOSPI"``, ``"KOSDAQ"``, ``"KONEX"``, ``"ETF"``, ``"ETN"`` or ``"ELW"``. Type
        ``04`` does not tell it: a symbol that is not in here is taxed as a listed KOSPI share, and flagged assumed.

    Raises
    ------
    ValueError
        A rate that is not a number from 0 to 10 with at most seven decimals, an unknown market, a symbol that is not
        text.
    TypeError
        ``market`` is neither a mapping nor a Series.

    Notes
    -----
    A fee is cut to 10 won and a tax to won. This is derived from the example on Kiwoom's page of kt00018: 0.015 % of
    373500 won is 56 and the fee 50, of 177000 won 26 and the fee 20; 0.18 % of 177000 won is 318.6 and the tax 318.
    It is done for each fill here, and by brokers for each order: where an order filled in parts, the sums may differ by
    some won from those on the statement. (Whether the two taxes on a KOSPI share are cut apart or as a sum is not
    known; that would be one won.)

    The law dates the tax by settlement (증권거래세법 제5조), two trading days after the trade: sales of the last two
    trading days of a year bear the rate of the next one.

    Examples
    --------
    >>> costs = Costs(market={"005930": "KOSPI", "069500": "ETF"})
    >>> costs.fees([373500, 177000]).tolist()
    [50, 20]
    >>> costs.taxes([177000, 177000], ["005930", "069500"], "2026-11-20").tolist()
    [354, 0]
    """

    fee_pct: float | str | Decimal = "0.015"
    tax_pct: float | str | Decimal | None = None
    market: Mapping[str, str] | pd.Series[str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        own = None if self.tax_pct is None else _percent("tax_pct", self.tax_pct)
        # a frozen dataclass lets itself be filled in no other way
        object.__setattr__(self, "fee_pct", _percent("fee_pct", self.fee_pct))
        object.__setattr__(self, "tax_pct", own)
        object.__setattr__(self, "market", _checked(self.market))

    def fees(self, amounts: Any) -> Integers:
        """Return the fee on each of ``amounts``, for a buy as for a sale, cut to 10 won.

        Parameters
        ----------
        amounts : array-like or one value
            Won, whole, not negative.

        Returns
        -------
        int64 array
            Won.

        Raises
        ------
        ValueError
            An amount is missing or negative.
        """
        return self._fees(_amounts(amounts))

    def taxes(self, amounts: Any, symbols: Any, dates: Any) -> Integers:
        """Return the tax in won on sales of ``amounts`` (won, whole, not negative).

        Parameters
        ----------
        amounts, symbols, dates : array-like or one value
            Of one length, or one value for all. ``dates`` are the days or moments of the trades: those with a time
            zone are looked at in Korean time, those without are Korean already.

        Returns
        -------
        int64 array
            Won, cut to whole ones; 0 for what is not taxed.

        Raises
        ------
        ValueError
            A sale older than the table, or without a date; an amount that is missing or negative.
        """
        return _part(_amounts(amounts), self._tax_rates(symbols, dates))

    def assumed(self, symbols: Any) -> npt.NDArray[np.bool_]:
        """Return where a tax rests on an assumption: ``market`` does not tell the symbol, and no own rate is given.

        Parameters
        ----------
        symbols : array-like or one value
            As a frame has them.

        Returns
        -------
        bool array
            One for each symbol.
        """
        codes, names = _distinct(symbols)
        unknown = [self.tax_pct is None and name not in self.market for name in names]
        return np.array([*unknown, self.tax_pct is None], bool)[codes]

    def break_even(self, cost: Any, quantity: Any, symbols: Any, dates: Any) -> pd.api.extensions.ExtensionArray:
        """Return the price from which on selling a whole position loses nothing.

        It is the lowest whole price at which, and at every price above it, the amount less fee and tax of the sale
        is at least ``cost`` and the fee for having bought at ``cost``. (What is left does not rise with each won of the
        price: where the fee jumps by 10 won it falls by some, so that a single lower price may happen to be even too.)
        It is not rounded to the tick size.

        Parameters
        ----------
        cost, quantity, symbols, dates : array-like or one value
            Cost of the whole position in won, shares, and the symbol and day of the sale, as for :meth:`taxes`.

        Returns
        -------
        Int64 array
            Won; NA where quantity is 0, or where either is missing, negative or above 10^18.

        Raises
        ------
        ValueError
            A day is missing, or older than the table of taxes.
        """
        won, shares, taxes = np.broadcast_arrays(
            _numbers(cost, -1), _numbers(quantity, -1), self._tax_rates(symbols, dates)
        )
        known = (won >= 0) & (won <= _MOST) & (shares > 0) & (shares <= _MOST)
        price = self._even_price(np.where(known, won, 0), np.where(known, shares, 1), taxes)
        return pd.arrays.IntegerArray(price, ~known)

    def _even_price(self, cost: Integers, shares: Integers, taxes: Integers) -> Integers:
        target = cost + self._fees(cost)
        # Cutting only ever lowers fee and tax, so this price and all above it are even. Together they are cut by less
        # than 11 won: it takes a few steps down to the last price that is.
        price = -(-_grossed_up(target, _SCALE - self._fee_rate - taxes) // shares)
        while (lower := (price > 0) & (self._net((price - 1) * shares, taxes) >= target)).any():
            price = price - lower
        return price

    def _net(self, amounts: Integers, taxes: Integers) -> Integers:
        return amounts - self._fees(amounts) - _part(amounts, taxes)

    def _fees(self, amounts: Integers) -> Integers:
        return _part(amounts, np.int64(self._fee_rate)) // _FEE_UNIT * _FEE_UNIT

    @property
    def _fee_rate(self) -> int:
        return _rate(self.fee_pct)

    def _tax_rates(self, symbols: Any, dates: Any) -> Integers:
        """Return the rate of each sale in parts of ``_SCALE``."""
        codes, names = _distinct(symbols)
        if self.tax_pct is not None:
            return np.full(codes.shape, _rate(self.tax_pct), np.int64)
        numbers = [MARKETS.index(self.market.get(name, "KOSPI")) for name in names]
        markets = np.array([*numbers, MARKETS.index("KOSPI")])[codes]
        days = _days(dates)
        periods = np.searchsorted(_DAYS, days, side="right") - 1
        early = _TAXED[markets] & np.less(periods, 0)
        if early.any():
            raise ValueError(_too_early(np.broadcast_to(days, early.shape)[early].min()))
        rates: Integers = _RATES[markets, periods]
        return rates


def check(costs: object) -> None:
    """Raise a TypeError where ``costs`` is neither None nor :class:`Costs`."""
    if costs is not None and not isinstance(costs, Costs):
        raise TypeError(
            f"costs is a {type(costs).__name__}, not kn.Costs: give costs=kn.Costs(fee_pct=0.015), with the market of "
            'your symbols if you know it (market={"069500": "ETF"}).'
        )


def _part(amounts: Integers, rate: Integers | np.int64) -> Integers:
    """Return ``amounts * rate / _SCALE`` cut to won; in two steps, since the product would not fit into 64 bits."""
    whole, rest = np.divmod(amounts, _SCALE)
    return whole * rate + rest * rate // _SCALE


def _grossed_up(amounts: Integers, kept: Integers) -> Integers:
    """Return ``amounts * _SCALE / kept`` raised to won, in two steps as well."""
    whole, rest = np.divmod(amounts, kept)
    return whole * _SCALE - (-rest * _SCALE // kept)


def _percent(name: str, value: Any) -> Decimal:
    """Return ``value`` as the decimal that it is written as: 0.015 is meant, not the nearest binary fraction."""
    try:
        percent = Decimal(str(value))
    except InvalidOperation:
        percent = Decimal("NaN")
    if not (percent.is_finite() and 0 <= percent <= _HIGHEST_PCT and _rate(percent) == percent * _SCALE / 100):
        raise ValueError(
            f"{name}={value!r} is not a rate: give percent of the amount, a number from 0 to {_HIGHEST_PCT} with at "
            "most seven decimals (0.015 stands for 0.015 %)."
        )
    return percent


def _rate(percent: Any) -> int:
    return int(percent * _SCALE / 100)


def _checked(market: Any) -> dict[str, str]:
    """Return a copy of ``market`` by the symbols that a frame has, all its values known ones."""
    if not isinstance(market, Mapping | pd.Series):
        raise TypeError(
            f"market is a {type(market).__name__}: give the market of each symbol, as a dict or a Series such as "
            '{"069500": "ETF"}.'
        )
    markets = {}
    for symbol, name in market.items():
        if not isinstance(symbol, str):
            told = f'market holds the symbol {symbol!r}: symbols are text, such as "005930".'
            raise ValueError(told)  # noqa: TRY004 - a value is wrong, not the argument's type
        if not isinstance(name, str) or name not in MARKETS:
            raise ValueError(f"market[{symbol!r}] is {name!r}: it must be one of {', '.join(MARKETS)}.")
        markets[issue_code(symbol) or symbol] = name
    return markets


def _distinct(symbols: Any) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Return which of the distinct symbols each one is (-1, the last place of a list, where blank), and these."""
    if isinstance(symbols, list) and all(isinstance(name, str) for name in symbols):  # few, and pandas takes its time
        numbers: dict[str, int] = {}
        few = [numbers.setdefault(name, len(numbers)) for name in symbols]
        return np.array(few, np.intp), [issue_code(name) or "" for name in numbers]
    codes, names = pd.factorize(pd.Series([symbols] if isinstance(symbols, str) else symbols, dtype=None))
    return codes, [issue_code(str(name)) or "" for name in names]


def _days(dates: Any) -> npt.NDArray[np.datetime64]:
    """Return the Korean day of each of ``dates``."""
    if isinstance(dates, np.datetime64):
        return np.array([dates], "datetime64[D]")
    moments = pd.DatetimeIndex(pd.to_datetime(pd.Series(dates)))
    if moments.hasnans:
        raise ValueError("A sale has no date, and the tax on it depends on its day: fill the date in or drop the row.")
    if moments.tz is not None:
        moments = moments.tz_convert(TIMEZONE).tz_localize(None)
    return moments.to_numpy().astype("datetime64[D]")


def _too_early(day: np.datetime64) -> str:
    return (
        f"The table of taxes begins with sales of {_DAYS[0]}, and a sale of {day} is older: "
        "pass the rate of that time as Costs(tax_pct=...)."
    )


def _amounts(values: Any) -> Integers:
    """Return ``values`` as int64, refusing what is no amount of a trade."""
    amounts = _numbers(values, -1)
    if (amounts < 0).any():
        raise ValueError("An amount is missing or negative, and has no fee or tax: drop these rows first.")
    return amounts


def _numbers(values: Any, missing: int) -> Integers:
    """Return whole numbers as int64, ``missing`` in place of NA."""
    if isinstance(values, pd.arrays.IntegerArray):
        return values.to_numpy("int64", na_value=missing)
    numbers = pd.array([values] if pd.api.types.is_scalar(values) else values, dtype="Int64")
    return numbers.to_numpy("int64", na_value=missing)
