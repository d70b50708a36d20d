"""Frames to give away: accounts become salted pseudonyms, names of this machine go, nothing else changes."""

from __future__ import annotations

import contextlib
import getpass
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from .paths import pseudonym_of
from .relabelling import accounts_of, relabelled
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


def anonymized(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``frame`` with a salted pseudonym for each account, and without names of this machine in what it carries.

    Accounts are replaced in the column (or index) ``account``, in texts of rejects and in holdings; in those texts
    and in the user's own ``attrs`` host, user and home folder of this machine go, in reasons of gaps addresses too.
    A masked account becomes the pseudonym of its label, a pseudonym stays as it is. ``frame`` itself is not changed.
    """
    labels = {account: _pseudonym(account) for account in accounts_of(frame)}
    told = told_by(frame)
    shown = relabelled(frame, labels)
    shown.attrs = {key: _clean(value, labels) for key, value in frame.attrs.items() if key != ATTRS_KEY}
    names = _names_of_this_machine()
    return Told(
        [gap._replace(reason=names.sub(REMOVED, _ADDRESS.sub(REMOVED, gap.reason))) for gap in told.gaps],
        [reject._replace(text=_text(mask_reject(reject, labels).text, labels)) for reject in told.rejected],
        [held._replace(account=held.account and labels[held.account]) for held in told.holdings],
    ).attach(shown)


def _pseudonym(account: str) -> str:
    return account if _PSEUDONYM.fullmatch(account) else pseudonym_of(account)


def _text(text: str, labels: Mapping[str, str]) -> str:
    """Return ``text`` without accounts and without names of this machine."""
    for account in sorted(labels, key=len, reverse=True):  # the longest first: one may be a part of another
        text = text.replace(account, labels[account])
    text = _MASKED.sub(lambda found: _pseudonym(found[0]), text)
    return _names_of_this_machine().sub(REMOVED, text)


def _clean(value: Any, labels: Mapping[str, str]) -> Any:
    """Return the user's own attribute ``value`` with all texts in it cleaned."""
    if isinstance(value, str):
        return _text(value, labels)
    if isinstance(value, list | tuple):
        return [_clean(one, labels) for one in value]
    if isinstance(value, dict):
        return {_clean(key, labels): _clean(one, labels) for key, one in value.items()}
    return value


def _names_of_this_machine() -> re.Pattern[str]:
    """Return a pattern of the home folder, the host and the user of this machine."""
    host = socket.gethostname()
    names = {str(Path.home()), Path.home().as_posix(), host, host.partition(".")[0]}
    with contextlib.suppress(OSError, KeyError):  # nobody is logged in: a container
        names.add(getpass.getuser())
    longest_first = sorted((name for name in names if len(name) > 1), key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest_first) or r"(?!)", re.IGNORECASE)
