"""Zero-copy views that nobody can write to: a table's buffers, or a loaded frame, as the arrays of a DataFrame."""

from __future__ import annotations

import operator
import sys
from collections import deque
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from .schema import COLUMNS, RECEIVED_AT, TIMEZONE

STORED: Final = {
    "Int64": np.int64,
    "Int8": np.int8,
    "float64": np.float64,
    "datetime64[ms]": np.int64,
    f"datetime64[us, {TIMEZONE}]": np.int64,
}
"""What a column's buffer holds, by its dtype: days and moments as numbers since the epoch."""


class Whole:
    """A frame of the whole capacity, of which the frames handed out are views.

    pandas counts the owners of a buffer: it copies before a write only while another owner is alive, and ours are
    read-only. So this must outlive the views on it, even the table.
    """

    def __init__(self, version: object, frame: pd.DataFrame, arrays: list[npt.NDArray[Any]]) -> None:
        self.version = version
        self.frame = frame
        self._arrays = arrays
        self._references: list[int] = []

    def settle(self) -> None:
        """Note how often our arrays are held while there is no view; whoever made us must have let go of them."""
        self._references = self._count_references()

    def is_viewed(self) -> bool:
        """Tell whether any view is alive; each holds a reference to our array (see :func:`read_only_array`)."""
        return any(map(operator.gt, self._count_references(), self._references))

    def _count_references(self) -> list[int]:
        return [sys.getrefcount(array) for array in self._arrays]


_retired: deque[Whole] = deque()


def retire(newest: list[Whole]) -> None:
    """Empty ``newest``; what was in it stays alive for as long as there are views on it."""
    while newest:
        whole = newest.pop()
        if whole.is_viewed():
            _retired.append(whole)


def let_one_go() -> None:
    """Look at one of the retired, in turn, and let it go where nobody views it any more."""
    if _retired:
        whole = _retired.popleft()
        if whole.is_viewed():
            _retired.append(whole)


def read_only(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``frame`` on arrays that nobody can write to, as the source of views for a live frame; no copy."""
    columns = {name: _frozen(str(name), frame[name]) for name in frame}
    frozen = pd.DataFrame(columns, index=frame.index, copy=False)
    frozen.attrs = frame.attrs
    return frozen


def _frozen(name: str, column: pd.Series[Any]) -> Any:
    if COLUMNS.get(name) != str(column.dtype):
        return column  # the user's own
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes: Any = column.cat.codes.to_numpy()
        return pd.Categorical.from_codes(read_only_array(codes), dtype=column.dtype, validate=False)
    if COLUMNS[name].startswith("Int"):
        mask = column.isna().to_numpy()
        return array_of(name, read_only_array(column.to_numpy(STORED[COLUMNS[name]], na_value=1)), mask)
    values = column.to_numpy("M8[us]") if name == RECEIVED_AT else column.to_numpy()
    return array_of(name, read_only_array(values.view(STORED[COLUMNS[name]])), None)


def read_only_array(buffer: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of ``buffer`` that nobody can make writable again.

    It is made by way of a memoryview so that numpy, which looks for the last owner among arrays only, lets the views
    of this view hold this one: that is how :class:`Whole` knows of them.
    """
    return np.frombuffer(buffer.data.toreadonly(), buffer.dtype)


def categorical(codes: npt.NDArray[Any], labels: list[str]) -> pd.Categorical:
    """Return the column of these codes, no copy (their width must be the one pandas has for so many labels)."""
    dtype = pd.CategoricalDtype(pd.Index(labels, dtype="str"))
    return pd.Categorical.from_codes(codes, dtype=dtype, validate=False)


def array_of(name: str, values: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None) -> Any:
    """Return the column ``name`` on a read-only buffer of the kind that :data:`STORED` names, no copy."""
    if mask is not None:
        return pd.arrays.IntegerArray(values, read_only_array(mask), copy=False)
    if name == RECEIVED_AT:
        return pd.array(values, dtype=pd.DatetimeTZDtype("us", TIMEZONE), copy=False)
    return values.view(COLUMNS[name])
