"""Accounts of a frame shown by other names, wherever in the frame they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from .privacy import is_masked
from .told import told_by

_ACCOUNT: Final = "account"


def accounts_of(frame: pd.DataFrame) -> list[str]:
    """Return the accounts that ``frame`` knows.

    Those of its columns and index levels ``account`` (of categories all, in their order), of column labels under that
    name (as :func:`pandas.DataFrame.unstack` makes them), and of its holdings.
    """
    found: dict[str, None] = {}
    for values in _account_values(frame):
        known = values.categories if isinstance(values, pd.CategoricalIndex) else values.dropna().unique()
        found.update(dict.fromkeys(map(text_of, known)))
    for labels in _levels(frame.columns):
        found.update(dict.fromkeys(label for label in map(text_of, labels.unique()) if _is_account(label)))
    found.update(dict.fromkeys(held.account for held in told_by(frame).holdings if held.account is not None))
    return list(found)


def _account_values(frame: pd.DataFrame) -> Iterator[pd.Index[Any]]:
    for place in account_columns(frame):
        yield pd.Index(frame.iloc[:, place])
    yield from _levels(frame.index)


def account_columns(frame: pd.DataFrame) -> list[int]:
    """Return the places of the columns ``account``, of a name of several levels too."""
    labels: list[Any] = list(frame.columns)
    named = (_ACCOUNT in label if isinstance(label, tuple) else label == _ACCOUNT for label in labels)
    return [place for place, is_named in enumerate(named) if is_named]


def _levels(index: pd.Index[Any]) -> Iterator[pd.Index[Any]]:
    """Yield the levels ``account`` of rows or of columns."""
    return (index.get_level_values(level) for level, name in enumerate(index.names) if name == _ACCOUNT)


def _is_account(label: str) -> bool:
    """Tell an account from what else may be among column labels: ``""``, ``"All"``."""
    return (label.isascii() and label.isdigit()) or is_masked(label)


def text_of(account: Any) -> str:
    """Return the number of an account, which somebody may have read as a number, as text."""
    return str(int(account)) if isinstance(account, float) and account.is_integer() else str(account)


def relabelled(frame: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return ``frame`` with each of its accounts shown by its label, where :func:`accounts_of` finds them.

    What the frame tells beside its rows is as it was. ``frame`` itself is not changed.
    """
    shown = pd.DataFrame(frame).copy(deep=False)
    shown.attrs = frame.attrs
    for place in account_columns(frame):
        shown.isetitem(place, _renamed(frame.iloc[:, place], labels))
    if _ACCOUNT in frame.index.names:
        shown.index = _renamed_index(frame.index, labels)
    if _ACCOUNT in frame.columns.names:
        shown.columns = _renamed_index(frame.columns, labels)
    return shown


def _renamed_index(index: pd.Index[Any], labels: Mapping[str, str]) -> pd.Index[Any]:
    levels = [index.get_level_values(number).to_series() for number in range(index.nlevels)]
    values = [
        _renamed(level, labels) if name == _ACCOUNT else level for name, level in zip(index.names, levels, strict=True)
    ]
    return from_levels(values, index.names)


def from_levels(levels: list[Any], names: Any) -> pd.Index[Any]:
    """Return an index of these levels, of whatever kind it must be."""
    return pd.Index(levels[0], name=names[0]) if len(levels) == 1 else pd.MultiIndex.from_arrays(levels, names=names)


def _renamed(values: Any, labels: Mapping[str, str]) -> Any:
    def label(account: Any) -> Any:
        text = text_of(account)
        return labels.get(text, account if isinstance(account, str) else text)

    if isinstance(values.dtype, pd.CategoricalDtype):
        renamed = pd.Index([label(account) for account in values.cat.categories], dtype="str")
        return with_categories(values, renamed)
    return values.map(label, na_action="ignore")


def with_categories(values: pd.Series[Any], categories: pd.Index[Any]) -> pd.Series[Any]:
    """Return ``values`` with other categories in the places of theirs, of which some may be alike now."""
    if categories.is_unique:
        return values.cat.rename_categories(categories)  # type: ignore[arg-type]  # an index keeps its dtype
    kept = categories.unique()
    places = np.append(kept.get_indexer(categories), -1)  # the last is of what is missing
    made = pd.Categorical.from_codes(places[values.cat.codes], categories=kept, ordered=values.cat.ordered)
    return pd.Series(made, index=values.index, name=values.name)
