"""What one session registered: the shapes, groups and limits of REG and REMOVE.

It does no I/O: the simulator's session feeds it requests and answers with the codes that it returns. Where nobody has
measured, these are our choices, the stricter reading wherever there are two:

* A refused request changes nothing.
* ``refresh`` "0" drops what the whole session registered; "1" is the default.
* ``grp_no`` has 1 to 4 characters. A type outside the 19 domestic ones is 105111.
* ``item`` may be missing or empty; for 00 and 04 it does not matter (official page).
* Limits count (type, item) pairs other than those of 00 and 04. A REG over both limits is 105118.
* Each REG counts for 105110, a refused one too.
* To REMOVE what was not registered is no error.
"""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

_ACCOUNT_TYPES = {"00", "04"}
_PAIR_LIMIT = 200
_REG_PER_SECOND = 5

_Pairs: TypeAlias = set[tuple[str, str]]
_RealTimeType = Literal[
    "00", "04", "0A", "0B", "0C", "0D", "0E", "0F", "0G", "0H", "0I", "0J", "0U", "0g", "0m", "0s", "0u", "0w", "1h"
]  # fmt: skip


class _Entry(msgspec.Struct):
    """One element of ``data`` in a REG or REMOVE: arrays, though the official page says String."""

    type: Annotated[list[_RealTimeType], msgspec.Meta(min_length=1)]
    item: Annotated[list[Annotated[str, msgspec.Meta(max_length=104)]], msgspec.Meta(max_length=100)] = []


class _Removal(msgspec.Struct):
    """A REMOVE in the shape that is not refused; its ``refresh`` does not matter."""

    grp_no: Annotated[str, msgspec.Meta(min_length=1, max_length=4)]
    data: Annotated[list[_Entry], msgspec.Meta(min_length=1)]

    def pairs(self) -> _Pairs:
        return {
            (kind, "" if kind in _ACCOUNT_TYPES else item)
            for entry in self.data
            for kind in entry.type
            for item in entry.item or [""]
        }


class _Registration(_Removal):
    """A REG in the shape that is not refused."""

    refresh: Literal["0", "1"] = "1"


class Registrations:
    """The (type, item) pairs that one session registered, by group."""

    def __init__(self) -> None:
        self._groups: dict[str, _Pairs] = {}
        self._times: deque[float] = deque(maxlen=_REG_PER_SECOND)

    @property
    def has_balances(self) -> bool:
        """Whether 04 is among them."""
        return any(kind == "04" for group in self._groups.values() for kind, _ in group)

    def register(self, request: dict[str, Any], now: float) -> int:
        """Carry out a REG that came at ``now`` (seconds of any clock) and return 0, or return why not."""
        if self._is_hasty(now):
            return 105110
        try:
            wanted = msgspec.convert(request, _Registration)
        except msgspec.ValidationError:
            return 105111
        kept = {} if wanted.refresh == "0" else self._groups
        groups = kept | {wanted.grp_no: kept.get(wanted.grp_no, set()) | wanted.pairs()}
        if _counted(groups[wanted.grp_no]) > _PAIR_LIMIT:
            return 105118
        if sum(map(_counted, groups.values())) > _PAIR_LIMIT:
            return 105115
        self._groups = groups
        return 0

    def remove(self, request: dict[str, Any]) -> int:
        """Carry out a REMOVE and return 0, or return why not."""
        try:
            unwanted = msgspec.convert(request, _Removal)
        except msgspec.ValidationError:
            return 105111
        left = self._groups.get(unwanted.grp_no, set()) - unwanted.pairs()
        self._groups = self._groups | {unwanted.grp_no: left}
        return 0

    def _is_hasty(self, now: float) -> bool:
        hasty = len(self._times) == _REG_PER_SECOND and now - self._times[0] < 1
        self._times.append(now)
        return hasty


def _counted(group: _Pairs) -> int:
    return sum(kind not in _ACCOUNT_TYPES for kind, _ in group)
