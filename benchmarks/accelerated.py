"""The plain way and the quickest one (extra ``fast``) of the same work, each measured for itself."""

from __future__ import annotations

import os
from typing import Final

from kiwoom_nb import fast

from .measure import Side, is_installed

_COMPILES_WITHIN: Final = 300.0


def plainly(side: Side) -> Side:
    """Return ``side`` done without machine code."""
    return _switched(side, "0")


def quickly(name: str, side: Side) -> dict[str, Side]:
    """Return ``side`` done with machine code that is ready, under its ``name``; nothing without numba."""
    if not is_installed("numba"):
        return {}
    fast.warm_up(_COMPILES_WITHIN)
    assert fast.kernels() is not None, fast.trouble()
    return {name: _switched(side, "1")}


def _switched(side: Side, switch: str) -> Side:
    def switched(portion: int) -> int:
        before = os.environ.get(fast.SWITCH, "")
        os.environ[fast.SWITCH] = switch
        try:
            return side(portion)
        finally:
            os.environ[fast.SWITCH] = before

    return switched
