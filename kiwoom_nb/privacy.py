"""What of an account number is shown.

Kiwoom's account numbers have ten digits (FID 9201). The last four tell a user's accounts apart without giving the
number away; where they do not, more of them are shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

SHOWN_DIGITS: Final = 4
_HIDDEN: Final = "x"
_MASKED: Final = re.compile(r"x{4,}[^x]*|x{1,3}(#\d+)?|account-[0-9a-f]{8}")  # the last is a pseudonym
_LONG_NUMBER: Final = re.compile(r"\d{9,}")


def mask_accounts(accounts: Sequence[str]) -> list[str]:
    """Return a label for each of the distinct ``accounts``, in their order; the labels are distinct too.

    ``1234561111`` becomes ``xxxxxx1111``. Labels that are masked already come back as they are.
    """
    labels = [_mask(account, SHOWN_DIGITS) for account in accounts]
    for shown in range(SHOWN_DIGITS + 1, max(map(len, accounts), default=0)):
        alike = {label for label, count in Counter(labels).items() if count > 1}
        if not alike:
            break
        labels = [
            _mask(account, shown) if label in alike else label for account, label in zip(accounts, labels, strict=True)
        ]
    return _number_the_alike(labels)


def mask_account(account: str, taken: Collection[str]) -> str:
    """Return a label for ``account`` that is none of ``taken``: with more digits, then numbered, where it must be."""
    for shown in range(SHOWN_DIGITS, max(len(account), SHOWN_DIGITS + 1)):
        label = _mask(account, shown)
        if label not in taken:
            return label
    label, number = _mask(account, SHOWN_DIGITS), 2
    while f"{label}#{number}" in taken:
        number += 1
    return f"{label}#{number}"


def is_masked(account: str) -> bool:
    """Tell whether ``account`` is a label already: masked, or a pseudonym."""
    return _MASKED.fullmatch(account) is not None


def mask_text(text: str, labels: Mapping[str, str], *, whole: bool) -> str:
    """Return ``text`` without account numbers: the known ones (``labels``), in a ``whole`` frame any long number."""
    for account in sorted(labels, key=len, reverse=True):  # the longest first: one may be a part of another
        text = text.replace(account, labels[account])
    return _LONG_NUMBER.sub(lambda match: _mask(match[0], SHOWN_DIGITS), text) if whole else text


def _mask(account: str, shown: int) -> str:
    if _MASKED.fullmatch(account):
        return account
    hidden = max(len(account) - shown, min(len(account), SHOWN_DIGITS))  # a short one hides four, if it has them
    return _HIDDEN * hidden + account[hidden:]


def _number_the_alike(labels: Sequence[str]) -> list[str]:
    """Tell apart what differs only in digits that stay hidden."""
    taken = set(labels)
    seen: Counter[str] = Counter()
    numbered = []
    for label in labels:
        seen[label] += 1
        if seen[label] == 1:
            numbered.append(label)
            continue
        while (other := f"{label}#{seen[label]}") in taken:
            seen[label] += 1
        taken.add(other)
        numbered.append(other)
    return numbered
