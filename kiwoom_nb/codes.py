"""What the codes inside Kiwoom's messages mean.

Kiwoom answers with a coarse ``return_code`` and puts the telling code into the text: REST as ``[8005:...]``,
the WebSocket as ``[CODE=8005, MESSAGE=...]`` (fact sheet, sections 1 and 6). Codes are strings everywhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from kiwoom_nb.errors import AuthenticationError, IPNotRegistered

if TYPE_CHECKING:
    from collections.abc import Iterable

# The token is not valid (any more): a new one helps. 8001, 8030 and 8031 are not among them: those keys are
# wrong or belong to the other mode, and no number of new tokens changes that.
REISSUE: Final = frozenset({"8005", "8103"})
NOT_REGISTERED: Final = frozenset({"8010", "8040", "8050"})
TOO_MANY_REQUESTS: Final = "1700"

_INNER: Final = re.compile(r"\[\s*([0-9]{4,6})\s*[:\]]|\bCODE\s*=\s*([0-9]+)")
_FIRST_ABOUT_REQUEST, _LAST_ABOUT_REQUEST = 1501, 1999
_LONGEST: Final = 300


def inner_code(message: str) -> str | None:
    """Return the first code inside Kiwoom's ``message`` (``"8005"``), or ``None`` where it holds none.

    Reads both ``[8005:...]`` (REST) and ``[CODE=8005, MESSAGE=...]`` (WebSocket).
    """
    found = _INNER.search(message)
    return (found[1] or found[2]) if found else None


def authentication_error(code: str, message: str) -> AuthenticationError:
    """Return the error for a refusal of keys or token with the inner ``code`` and Kiwoom's ``message``.

    It is an ``IPNotRegistered`` for 8010, 8040 and 8050.
    """
    kind = IPNotRegistered if code in NOT_REGISTERED else AuthenticationError
    return kind(code, message)


def is_about_request(code: str) -> bool:
    """Tell whether ``code`` (1501 to 1999) is about the request or the server's state, not about the keys."""
    return code.isdecimal() and _FIRST_ABOUT_REQUEST <= int(code) <= _LAST_ABOUT_REQUEST


def is_rate_limit(message: str) -> bool:
    """Tell whether a refusal's ``message`` only says that there were too many requests, so that waiting helps.

    It holds ``[1700:...]`` or ``[유량=...]`` (flow).
    1634 has the same words but means that one request asked for too much: waiting does not help.
    """
    inner = inner_code(message)
    return inner == TOO_MANY_REQUESTS or (inner is None and "[유량=" in message)


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without ``secrets`` (a server may echo them), on one line, at most 300 characters."""
    # The longest first: one secret may be a part of another.
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    line = " ".join(text.split())
    if forms:
        line = re.sub("|".join(map(re.escape, forms)), "***", line, flags=re.IGNORECASE)
    return line[:_LONGEST]


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret), quote(secret, safe="")} - {""}
