"""Accounts of a frame shown by other names, wherever in the frame they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from .told import told_by

_ACCOUNT: Final = "account"


def accounts_of(frame: pd.DataFrame) -> list[str]:
    """Return the accounts that ``frame`` knows: of its rows, its categories (in their order) and its holdings."""
    found: dict[str, None] = {}
    levels = [frame.index.get_level_values(_ACCOUNT)] if _ACCOUNT in frame.index.names else []
    for values in [*([pd.Index(frame[_ACCOUNT])] if _ACCOUNT in frame else []), *levels]:
        known = values.categories if isinstance(values, pd.CategoricalIndex) else values.dropna().unique()
        found.update(dict.fromkeys(map(str, known)))
    found.update(dict.fromkeys(held.account for held in told_by(frame).holdings if held.account is not None))
    return list(found)


def relabelled(frame: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return ``frame`` with each account in its column or index ``account`` shown by its label.

    What the frame tells beside its rows is as it was. ``frame`` itself is not changed.
    """
    shown = pd.DataFrame(frame).copy(deep=False)
    shown.attrs = frame.attrs
    if _ACCOUNT in frame:
        shown[_ACCOUNT] = _renamed(frame[_ACCOUNT], labels)
    if _ACCOUNT in frame.index.names:
        shown.index = _renamed_index(frame.index, labels)
    return shown


def _renamed_index(index: pd.Index[Any], labels: Mapping[str, str]) -> pd.Index[Any]:
    levels = [index.get_level_values(number).to_series() for number in range(index.nlevels)]
    values = [
        _renamed(level, labels) if name == _ACCOUNT else level for name, level in zip(index.names, levels, strict=True)
    ]
    return pd.Index(values[0]) if len(values) == 1 else pd.MultiIndex.from_arrays(values, names=index.names)


def _renamed(values: Any, labels: Mapping[str, str]) -> Any:
    if isinstance(values.dtype, pd.CategoricalDtype):
        renamed = [labels[str(account)] for account in values.cat.categories]
        return values.cat.rename_categories(pd.Index(renamed, dtype="str"))
    return values.map(lambda account: labels[str(account)], na_action="ignore")
