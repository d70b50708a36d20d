"""Which position each row of a frame is about, and its columns as plain arrays: what all analysis begins with."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .latest import KEY
from .schema import SIDES

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Key = tuple[str | None, str | None, str | None, int | None]
"""Account, symbol, credit type and loan date (milliseconds since the epoch) of a position, None where blank."""

DAY: Final = 86_400_000_000
_KST: Final = 9 * 3_600_000_000
NONE: Final = -1
_NAT: Final = np.iinfo(np.int64).min
_DENSE: Final = 1 << 22  # so many combinations of codes are counted in an array; more are hashed
_SMALL: Final = 1 << 15  # numpy sorts 16-bit numbers in linear time
SIDE_CODES: Final = {name: code for code, name in enumerate(SIDES.values())}
SELL: Final = SIDE_CODES["sell"]
BUY: Final = SIDE_CODES["buy"]


class Keys(NamedTuple):
    """Which position each row of a frame is about: ``ids`` count the positions in order of first sight."""

    ids: Ints
    firsts: Ints

    def labels(self, frame: pd.DataFrame) -> list[Key]:
        """Return the positions by name."""
        return names_of(pd.DataFrame({name: frame[name].array.take(self.firsts) for name in KEY}, copy=False))


def keys_of(frame: pd.DataFrame) -> Keys:
    """Return which position each row of ``frame`` is about."""
    combined, blank, size = np.zeros(len(frame), np.int64), 0, 1
    for name in KEY:
        codes, count = _codes(frame[name])
        if count > 1:
            combined *= count
            combined += codes
            blank, size = blank * count + 1, size * count
    combined += blank  # the blanks of all columns together are 0
    if size <= _DENSE:
        return _number(combined, size)
    ids, _ = pd.factorize(combined)
    return _number(ids.astype(np.int64, copy=False), int(ids.max(initial=-1)) + 1)


def _codes(column: pd.Series[Any]) -> tuple[npt.NDArray[np.integer[Any]], int]:
    """Return a code for each value of ``column`` (-1: blank) and how many codes there are: 1, if all are the same."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, count = column.cat.codes.to_numpy(), len(column.cat.categories)
        is_one = len(codes) > 0 and codes.min() == codes.max()
        return codes, 1 if is_one else count + 1
    blank = column.isna().to_numpy()
    codes = np.full(len(column), NONE)
    given = np.flatnonzero(~blank)  # the loan date of few rows is given
    codes[given], uniques = pd.factorize(column.array.take(given))
    is_one = not len(given) or (len(uniques) == 1 and len(given) == len(column))
    return codes, 1 if is_one else len(uniques) + 1


def _number(combined: Ints, size: int) -> Keys:
    """Give each value of ``combined`` (0 to ``size``) its number in order of first sight."""
    rows = len(combined)
    first = np.full(size, rows, np.int64)
    first[combined[::-1]] = np.arange(rows - 1, -1, -1)  # of several the last one written stays
    present = np.flatnonzero(first < rows)
    present = present[np.argsort(first[present])]
    numbers = np.zeros(size, np.int64)
    numbers[present] = np.arange(len(present))
    return Keys(numbers[combined], first[present])


def names_of(few: pd.DataFrame) -> list[Key]:
    """Return the position that each row is about, by name."""
    texts = [[None if pd.isna(value) else str(value) for value in few[name]] for name in KEY[:3]]
    days = few[KEY[3]].to_numpy("M8[ms]").astype(np.int64).tolist()
    return list(zip(*texts, [None if day == _NAT else day for day in days], strict=True))


def order_of(ids: Ints) -> Ints:
    """Return the order of the rows by ``ids``, those of one id in the order in which they are."""
    return np.argsort(ids.astype(np.int16) if ids.max(initial=0) < _SMALL else ids, kind="stable")


def previous_of(ids: Ints, counts: Bools, order: Ints) -> Ints:
    """Return for each row the last one before it of the same id that ``counts``, -1 where there is none."""
    sorted_ids = ids[order]
    before = np.full(len(ids), NONE)
    if counts.all():
        before[1:] = np.where(sorted_ids[1:] == sorted_ids[:-1], order[:-1], NONE)
    else:
        last = np.maximum.accumulate(np.where(counts[order], np.arange(len(ids)), NONE))[:-1]
        before[1:] = np.where((last >= 0) & (sorted_ids[last] == sorted_ids[1:]), order[last], NONE)
    previous = np.empty(len(ids), np.int64)
    previous[order] = before
    return previous


# --- numbers of columns -----------------------------------------------------------------------------------------


def moments(column: pd.Series[Any]) -> Ints:
    """Return times as microseconds since the epoch (UTC); those without a zone are Korean, as exports write them."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.to_numpy("M8[us]").astype(np.int64, copy=False)
    if not isinstance(column.dtype, np.dtype) or column.dtype.kind != "M":  # text, as CSV holds it
        column = pd.to_datetime(column, format="ISO8601")
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            return moments(column)
    at = column.to_numpy("M8[us]").astype(np.int64)
    at[at != _NAT] -= _KST
    return at


def days_of(at: Ints) -> Ints:
    """Return the KST day (since the epoch) of each of the moments."""
    return (at + _KST) // DAY


def day_of(at: int) -> np.datetime64:
    """Return the KST day of a moment."""
    return np.datetime64((at + _KST) // DAY, "D")


def numbers(column: pd.Series[Any]) -> tuple[Ints, Bools | None]:
    """Return whole numbers and where they are blank (None: nowhere)."""
    blank = column.isna().to_numpy()
    if not blank.any():
        return column.to_numpy(np.int64), None
    return column.to_numpy(np.int64, na_value=0), blank


def sides(column: pd.Series[Any]) -> npt.NDArray[Any]:
    """Return 0 for a sell, 1 for a buy, -1 where it is blank (int8)."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.dtype.categories
        if len(categories) == len(SIDE_CODES) and all(categories[code] == name for name, code in SIDE_CODES.items()):
            return np.asarray(column.array.codes)
    return column.astype("object").map(SIDE_CODES).astype("Int8").to_numpy(np.int8, na_value=NONE)
