"""Frames to give away: accounts become salted pseudonyms, names of this machine go, nothing else changes."""

from __future__ import annotations

import contextlib
import getpass
import re
import socket
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from numbers import Number
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from .paths import pseudonym_of
from .relabelling import account_columns, accounts_of, from_levels, relabelled, text_of, with_categories
from .schema import COLUMNS
from .table import mask_reject
from .told import ATTRS_KEY, Told, told_by

REMOVED: Final = "(removed)"
"""What stands for a name of this machine in a text."""

_PSEUDONYM: Final = re.compile(r"account-[0-9a-f]{8}")
_MASKED: Final = re.compile(r"x{4,}[0-9#]+")
_ADDRESS: Final = re.compile(
    r"\(?'?(\d{1,3}(\.\d{1,3}){3}|\[?[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F]*\]?)'?((:|, )\d+)*\)?"  # IPv4, IPv6
    r"|\b[A-Za-z][A-Za-z0-9.-]*:\d{2,5}\b"  # host:port
)


_NUMBER: Final = r"(?<![0-9])[0-9]{10}(?![0-9])"  # what an account looks like where nobody says that it is one
_LONG: Final = 8  # digits of an account that no code or price has by chance
_LONGEST: Final = 20  # digits of the greatest whole number that a column can hold
_NO_TEXT: Final = "biufcmM"  # kinds of dtypes
_NUMBERS: Final = "iuf"


def anonymized(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``frame`` with a salted pseudonym for each account, and without names of this machine in what it carries.

    Accounts are known from columns, index levels and column labels ``account`` and from holdings. There, in texts of
    rejects, and in whatever text there is else (cells, unused categories, labels, names, ``attrs``) they are replaced.
    Outside of the 30 columns of a balance event ten digits by themselves are taken for an account too. In the user's
    own ``attrs`` host, user and home folder of this machine go as well, in reasons of gaps addresses too. A masked
    account becomes the pseudonym of its label, a pseudonym stays as it is. ``frame`` itself is not changed.

    Raises
    ------
    ValueError
        A column of numbers holds an account: a number has no pseudonym.
    """
    labels = {account: _pseudonym(account) for account in accounts_of(frame)}
    told = told_by(frame)
    clean = _Cleaner(labels, numbers=True)
    shown = _without_accounts(relabelled(frame, labels), labels)
    shown.attrs = {clean(key): clean.nameless(value) for key, value in frame.attrs.items() if key != ATTRS_KEY}
    texts = _Cleaner(labels, numbers=False)
    return Told(
        [gap._replace(reason=texts.nameless(_ADDRESS.sub(REMOVED, gap.reason))) for gap in told.gaps],
        [reject._replace(text=texts.nameless(mask_reject(reject, labels).text)) for reject in told.rejected],
        [held._replace(account=held.account and labels[held.account]) for held in told.holdings],
    ).attach(shown)


def _pseudonym(account: str) -> str:
    return account if _PSEUDONYM.fullmatch(account) else pseudonym_of(account)


# --- values -------------------------------------------------------------------------------------------------------


class _Cleaner:
    """Replaces accounts in a value and in all that it holds: known ones, and where ``numbers`` any that looks so."""

    def __init__(self, labels: Mapping[str, str], *, numbers: bool, shortest: int = 1) -> None:
        self._labels = {known: label for known, label in labels.items() if known != label and len(known) >= shortest}
        longest_first = sorted(self._labels, key=len, reverse=True)  # one may be a part of another
        self._pattern = re.compile(
            "|".join([*map(re.escape, longest_first), *([_NUMBER] if numbers else [])]) or "(?!)"
        )
        self._machine = _names_of_this_machine()

    def __call__(self, value: Any) -> Any:
        return self._within(value, self._text)

    def nameless(self, value: Any) -> Any:
        """Return ``value`` without names of this machine and without what was masked, too."""
        return self._within(value, lambda text: self._machine.sub(REMOVED, _MASKED.sub(_found, self._text(text))))

    def _text(self, text: str) -> str:
        return self._pattern.sub(lambda found: self._labels.get(found[0]) or pseudonym_of(found[0]), text)

    def _within(self, value: Any, text: Callable[[str], str]) -> Any:
        if isinstance(value, str):
            return text(value)
        if isinstance(value, bytes):
            return text(value.decode("latin-1")).encode("latin-1")
        if isinstance(value, dict):
            return {self._within(key, text): self._within(one, text) for key, one in value.items()}
        if isinstance(value, list | tuple | set | frozenset | np.ndarray):
            kind = next((kind for kind in (tuple, set, frozenset) if isinstance(value, kind)), list)
            return kind(self._within(one, text) for one in value)
        return self._other(value)

    def _other(self, value: Any) -> Any:
        """Return ``value``, which is no text, as text where an account is in it."""
        if isinstance(value, date | timedelta):
            return value
        if isinstance(value, Number):
            number = text_of(value)
            return self._labels.get(number, value) if len(number) >= _LONG else value
        shown = str(value)
        cleaned = self._text(shown)
        return value if cleaned == shown else cleaned


def _found(masked: re.Match[str]) -> str:
    return _pseudonym(masked[0])


# --- cells and labels ---------------------------------------------------------------------------------------------


def _without_accounts(frame: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return ``frame``, its columns ``account`` done, without accounts in other cells, categories, labels and names."""
    ours = _Cleaner(labels, numbers=False, shortest=_LONG)
    others = _Cleaner(labels, numbers=True, shortest=_LONG)
    digits = [known for known in labels if _LONG <= len(known) <= _LONGEST and known.isascii() and known.isdigit()]
    # "00000000" would be each 0 of a column
    numbers = [int(known) for known in digits if int(known) >= 10 ** (_LONG - 1)]
    shown = frame.copy(deep=False)
    done = account_columns(frame)
    for place, name in enumerate(frame.columns):
        values = frame.iloc[:, place]
        is_ours = name in COLUMNS
        if place not in done and not (is_ours and values.dtype.kind in _NO_TEXT):  # our numbers are no accounts
            shown.isetitem(place, _cleaned(values, ours if is_ours else others, numbers).array)
    shown.index = _cleaned_index(frame.index, others, numbers)
    shown.columns = _cleaned_labels(frame.columns, others)
    return shown


def _cleaned(values: pd.Series[Any], clean: _Cleaner, numbers: list[int]) -> pd.Series[Any]:
    """Return ``values`` without accounts; the same object where none is in them."""
    if values.dtype.kind in _NO_TEXT:
        _check_numbers(values, numbers)
        return values
    if isinstance(values.dtype, pd.CategoricalDtype):
        before = values.cat.categories.to_series(name=values.name)
        after = _cleaned(before, clean, numbers)
        return values if after is before else with_categories(values, pd.Index(after, name=None))
    try:
        changed = {value: new for value in values.unique() if (new := clean(value)) is not value and new != value}
    except (TypeError, NotImplementedError):  # lists and the like
        return values.map(clean)
    if not changed:
        return values
    cleaned = values.map(lambda value: changed.get(value, value))
    return cleaned.astype(values.dtype) if pd.api.types.is_string_dtype(values.dtype) else cleaned


def _check_numbers(values: pd.Series[Any], numbers: list[int]) -> None:
    if values.dtype.kind in _NUMBERS and bool(values.isin(numbers).any()):
        raise ValueError(
            f"{values.name!r} holds account numbers as numbers, which have no pseudonym. "
            "Nothing was written; make it text (astype(str)), or drop it."
        )


def _cleaned_index(index: pd.Index[Any], clean: _Cleaner, numbers: list[int]) -> pd.Index[Any]:
    names = [clean(name) for name in index.names]
    levels = [index.get_level_values(number).to_series() for number in range(index.nlevels)]
    cleaned = [_cleaned(level, clean, numbers) for level in levels]
    if all(new is level for new, level in zip(cleaned, levels, strict=True)):
        return _named(index, names)
    return from_levels(cleaned, names)


def _named(index: pd.Index[Any], names: list[Any]) -> pd.Index[Any]:
    named = index.copy()
    named.names = names
    return named


def _cleaned_labels(columns: pd.Index[Any], clean: _Cleaner) -> pd.Index[Any]:
    names = [clean(name) for name in columns.names]
    labels = [_cleaned_label(label, clean) for label in columns]
    if labels == list(columns):
        return _named(columns, names)
    if columns.nlevels > 1:
        return pd.MultiIndex.from_tuples(labels, names=names)
    found: pd.Index[Any] = pd.Index(labels, name=names[0], tupleize_cols=False)
    return found


def _cleaned_label(label: Any, clean: _Cleaner) -> Any:
    """Return a label without accounts; of labels numbers too are not counted, but called something."""
    shown = text_of(label) if isinstance(label, Number) else label
    cleaned = clean(shown)
    return label if cleaned == shown else cleaned


# --- this machine -------------------------------------------------------------------------------------------------


def _names_of_this_machine() -> re.Pattern[str]:
    """Return a pattern of the home folder, the host and the user of this machine."""
    host = socket.gethostname()
    names = {str(Path.home()), Path.home().as_posix(), host, host.partition(".")[0]}
    with contextlib.suppress(OSError, KeyError):  # nobody is logged in: a container
        names.add(getpass.getuser())
    longest_first = sorted((name for name in names if len(name) > 1), key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest_first) or r"(?!)", re.IGNORECASE)
