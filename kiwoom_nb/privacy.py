"""What of an account number is shown.

Kiwoom's account numbers have ten digits (FID 9201). The last four tell a user's accounts apart without giving the
number away; where they do not, more of them are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

SHOWN_DIGITS: Final = 4
_HIDDEN: Final = "x"
_LONG_NUMBER: Final = re.compile(r"\d{9,}")


def mask_accounts(accounts: Sequence[str]) -> list[str]:
    """Return a label for each of the distinct ``accounts``, in their order; the labels are distinct too.

    ``1234561111`` becomes ``xxxxxx1111``. Labels that are masked already come back as they are.
    """
    labels = [_mask(account, SHOWN_DIGITS) for account in accounts]
    for shown in range(SHOWN_DIGITS + 1, max(map(len, accounts), default=0)):
        if len(set(labels)) == len(labels):
            break
        alike = {label for label in labels if labels.count(label) > 1}
        labels = [
            _mask(account, shown) if label in alike else label for account, label in zip(accounts, labels, strict=True)
        ]
    return _number_the_alike(labels)


def mask_text(text: str, labels: Mapping[str, str], *, whole: bool) -> str:
    """Return ``text`` without account numbers: the known ones (``labels``), in a ``whole`` frame any long number."""
    for account, label in labels.items():
        text = text.replace(account, label)
    return _LONG_NUMBER.sub(lambda match: _mask(match[0], SHOWN_DIGITS), text) if whole else text


def _mask(account: str, shown: int) -> str:
    if account.startswith(_HIDDEN):
        return account
    hidden = max(len(account) - shown, min(len(account), SHOWN_DIGITS))  # a short one hides four, if it has them
    return _HIDDEN * hidden + account[hidden:]


def _number_the_alike(labels: Iterable[str]) -> list[str]:
    """Tell apart what differs only in digits that stay hidden."""
    seen: dict[str, int] = {}
    numbered = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        numbered.append(label if seen[label] == 1 else f"{label}#{seen[label]}")
    return numbered
