"""Whether a student's answer is the expected one, whatever type it came in and whatever order it is in.

Each kind of answer has one function here: it takes the expected answer and the given one, and returns what is wrong
with the given one as a word of :data:`WORDS` with its values, or None where it is right. What cannot be read as that
kind of answer at all raises :class:`Unreadable`.
"""

from __future__ import annotations

import math
import numbers
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

_DECORATION: Final = re.compile(r"[₩원주건회배개%,\s]")
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
_KST: Final = "Asia/Seoul"
_NAMED: Final = 3  # how many of many differences are told by name


class Unreadable(Exception):
    """An answer that is not of the kind that was asked for; ``wanted`` and ``given`` name both."""

    def __init__(self, wanted: str, given: object) -> None:
        self.wanted = wanted
        self.given = type(given).__name__
        super().__init__(f"The answer should be a {wanted}, not a {self.given}.")


@dataclass(frozen=True)
class Fault:
    """What is wrong with an answer: a word of the verdict's language, and what to put into it."""

    word: str
    values: dict[str, Any] = field(default_factory=dict)


Compare = Callable[[Any, Any, float], Fault | None]


def number(expected: Any, given: Any, tolerance: float) -> Fault | None:
    """Compare two numbers; ``"₩1,234"``, a numpy scalar and a Series of one value are numbers too."""
    wanted, got = _as_number(expected), _as_number(given)
    if _is_close(wanted, got, tolerance):
        return None
    if wanted and _is_close(-wanted, got, tolerance):
        return Fault("sign")
    return Fault("larger" if got > wanted else "smaller")


def text(expected: Any, given: Any, _: float) -> Fault | None:
    """Compare two texts, or a text with several that are all right; case and spaces around do not count."""
    wanted = {_as_text(one) for one in (expected if isinstance(expected, list | tuple | set) else [expected])}
    got = _as_text(_single(given))
    if got in wanted:
        return None
    return Fault("code" if got in {one.lstrip("0") for one in wanted} else "other")


def collection(expected: Any, given: Any, _: float) -> Fault | None:
    """Compare what is in two collections; neither order nor repetition counts."""
    wanted, got = set(map(_as_key, _items(expected))), set(map(_as_key, _items(given)))
    return _of_counts(len(got - wanted), len(wanted - got))


def sequence(expected: Any, given: Any, tolerance: float) -> Fault | None:
    """Compare two sequences, in order."""
    wanted, got = list(_items(expected)), list(_items(given))
    if len(wanted) != len(got):
        return Fault("length", {"count": len(got)})
    wrong = [place for place, pair in enumerate(zip(wanted, got, strict=True), 1) if not _same(*pair, tolerance)]
    if not wrong:
        return None
    is_shuffled = Counter(map(_as_key, wanted)) == Counter(map(_as_key, got))
    return Fault("order") if is_shuffled else Fault("place", {"place": wrong[0], "count": len(wrong)})


def mapping(expected: Any, given: Any, tolerance: float) -> Fault | None:
    """Compare values by key: dicts, Series, DataFrames of one column or of two (key and value)."""
    wanted, got = _pairs(expected), _pairs(given)
    if fault := _of_counts(len(got.keys() - wanted.keys()), len(wanted.keys() - got.keys())):
        return fault
    wrong = [key for key, value in wanted.items() if not _same(value, got[key], tolerance)]
    return Fault("values", {"count": len(wrong), "keys": _listed(wrong)}) if wrong else None


def table(expected: Any, given: Any, tolerance: float) -> Fault | None:
    """Compare the rows of two tables in the columns that were asked for; neither order nor further columns count."""
    if not isinstance(given, pd.DataFrame):
        raise Unreadable("table", given)
    wanted, got = _flat(expected), _flat(given)
    missing = [name for name in wanted.columns if name not in got.columns]
    if missing:
        return Fault("columns", {"names": _listed(missing)})
    if len(wanted) != len(got):
        return Fault("length", {"count": len(got)})
    rows, theirs = _sorted_rows(wanted), _sorted_rows(got[list(wanted.columns)])
    wrong = sum(
        not all(_same(one, other, tolerance) for one, other in zip(row, their, strict=True))
        for row, their in zip(rows, theirs, strict=True)
    )
    return Fault("rows", {"count": wrong}) if wrong else None


def moment(expected: Any, given: Any, tolerance: float) -> Fault | None:
    """Compare two moments, ``tolerance`` in seconds; without a zone it is Korean time, a bare clock is of that day."""
    wanted = _as_time(_single(expected), None)
    got = _as_time(_single(given), wanted)
    if abs((got - wanted).total_seconds()) <= max(tolerance, 1.0):
        return None
    return Fault("later" if got > wanted else "earlier")


KINDS: Final[dict[str, Compare]] = {
    "number": number,
    "text": text,
    "set": collection,
    "sequence": sequence,
    "mapping": mapping,
    "table": table,
    "time": moment,
}


def is_missing(value: Any) -> bool:
    """Tell whether there is no answer: None, ``...``, NA, or empty text."""
    if value is None or value is ... or (isinstance(value, str) and not value.strip()):
        return True
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


# --- reading what was given -------------------------------------------------------------------------------------------


def _single(value: Any) -> Any:
    """Return what a Series, array or list of one value holds; anything else as it is."""
    if isinstance(value, pd.DataFrame):
        return value.iloc[0, 0] if value.shape == (1, 1) else value
    if isinstance(value, pd.Series | pd.Index | np.ndarray | list | tuple | set) and len(value) == 1:
        return next(iter(value))
    return value


def _as_number(value: Any) -> float:
    value = _single(value)
    if isinstance(value, str):
        try:
            return float(_DECORATION.sub("", value).replace("−", "-"))
        except ValueError:
            raise Unreadable("number", value) from None
    if isinstance(value, pd.Timedelta):
        return value.total_seconds()
    if isinstance(value, numbers.Real | np.number | np.bool_):
        return float(value)
    raise Unreadable("number", value)


def _is_close(wanted: float, got: float, tolerance: float) -> bool:
    return math.isclose(wanted, got, rel_tol=1e-9, abs_tol=max(tolerance, 1e-9))


def _as_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str | numbers.Integral | np.bool_):
        return str(value).strip().casefold()
    raise Unreadable("text", value)


def _as_time(value: Any, day: pd.Timestamp | None) -> pd.Timestamp:
    if isinstance(value, str) and day is not None and _CLOCK.fullmatch(value.strip()):
        return day.normalize() + pd.Timedelta(value if value.count(":") > 1 else f"{value}:00")
    try:
        time = pd.Timestamp(value)
    except (TypeError, ValueError):
        raise Unreadable("time", value) from None
    return time.tz_localize(_KST) if time.tzinfo is None else time.tz_convert(_KST)


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, pd.DataFrame):
        return list(value.iloc[:, 0]) if value.shape[1] == 1 else list(value.itertuples(index=False, name=None))
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise Unreadable("list", value)
    return value


def _pairs(value: Any) -> dict[Hashable, Any]:
    if isinstance(value, pd.DataFrame):
        if value.shape[1] not in {1, 2}:
            raise Unreadable("mapping", value)
        value = value.iloc[:, 0] if value.shape[1] == 1 else value.set_index(value.columns[0]).iloc[:, 0]
    if not isinstance(value, Mapping | pd.Series):
        raise Unreadable("mapping", value)
    return {_as_key(key): one for key, one in value.items()}


def _as_key(value: Any) -> Hashable:
    """Return ``value`` so that equal ones of different types are one key."""
    if is_missing(value):
        return ""
    if isinstance(value, tuple):
        return tuple(map(_as_key, value))
    if isinstance(value, pd.Timestamp) or hasattr(value, "isoformat"):
        time = pd.Timestamp(value)
        return str(time.date()) if time == time.normalize() else time.isoformat()
    if isinstance(value, numbers.Real | np.number):
        return round(float(value), 6)
    return str(value).strip().casefold()


def _same(wanted: Any, got: Any, tolerance: float) -> bool:
    """Tell whether two values are one; missing ones are, too."""
    if is_missing(wanted) or is_missing(got):
        return is_missing(wanted) and is_missing(got)
    if isinstance(wanted, numbers.Real | np.number):
        try:
            return _is_close(float(wanted), _as_number(got), tolerance)
        except Unreadable:
            return False
    return _as_key(wanted) == _as_key(got)


def _flat(given: Any) -> pd.DataFrame:
    frame = pd.DataFrame(given)
    is_named = any(name is not None and name not in frame.columns for name in frame.index.names)
    return frame.reset_index(drop=not is_named)


def _sorted_rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    rows = frame.astype(object).itertuples(index=False, name=None)
    return sorted(rows, key=lambda row: tuple(str(_as_key(value)) for value in row))


def _of_counts(extra: int, lacking: int) -> Fault | None:
    if extra and lacking:
        return Fault("mixed", {"extra": extra, "lacking": lacking})
    if extra:
        return Fault("extra", {"extra": extra})
    return Fault("lacking", {"lacking": lacking}) if lacking else None


def _listed(values: list[Any]) -> str:
    shown = ", ".join(map(str, values[:_NAMED]))
    return f"{shown}, …" if len(values) > _NAMED else shown
