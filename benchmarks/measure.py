"""How a row of the table is measured: ours and the others in turn, in small portions, medians compared."""

from __future__ import annotations

import gc
import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final, TypeVar

Side = Callable[[int], int]
"""Does the work of a portion (0, 1, 2, ...) and returns how many units that was."""

_AT_LEAST: Final = 3
_SMALL: Final = 0.1  # smaller ratios are printed as one part of so many
_T = TypeVar("_T")


class Size(Enum):
    """How much is measured: all of it, under a minute of it, or just enough to see that it runs."""

    FULL = "full"
    QUICK = "quick"
    TINY = "tiny"

    def of(self, full: _T, quick: _T, tiny: _T) -> _T:
        """Return the one that is for this size."""
        return {"full": full, "quick": quick, "tiny": tiny}[self.value]


@dataclass(frozen=True)
class Row:
    """One line of the table: ours and the other, by default in microseconds, and the ratio that was aimed at.

    ``other`` is None where there is nothing to compare with: then ``note`` says why. A target with a unit in it
    (``<= 10,000 us``) is one for ours, any other one is for the ratio.
    """

    name: str
    ours: float
    other_name: str = ""
    other: float | None = None
    target: str = ""
    note: str = ""
    unit: str = "us"

    @property
    def ratio(self) -> float | None:
        """Ours over the other."""
        return self.ours / self.other if self.other else None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if not self.target:
            return None
        _, _, limit = self.target.partition(" ")
        number, _, unit = limit.partition(" ")
        value = self.ours if unit else self.ratio
        return None if value is None else value <= float(Fraction(number.replace(",", "")))

    def line(self) -> str:
        """Return the line as text."""
        other = "" if self.other is None else f"{self.other:,.2f} {self.unit}"
        ratio = (
            "" if self.ratio is None else f"x{self.ratio:.4g}" if self.ratio >= _SMALL else f"1/{1 / self.ratio:.3g}"
        )
        met = {None: "", True: "met", False: "MISSED"}[self.is_met]
        ours = f"{self.ours:,.2f} {self.unit}"
        return (
            f"{self.name:<50} {ours:>16}  {self.other_name:<44} {other:>16}  {ratio:<8} "
            f"{self.target:<12} {met:<6} {self.note}"
        ).rstrip()


_clock: Callable[[], float] = time.perf_counter


def count_processor_time() -> None:
    """Count from now on what this process, and those it waited for, take of the processors.

    On a busy machine the clock says little.
    """
    global _clock  # noqa: PLW0603 - one choice for one run of the program
    _clock = _processor_time


def _processor_time() -> float:
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system


def in_turn(portions: int, patience: float | None = None, **sides: Side) -> dict[str, float]:
    """Run each side on portion 0, 1, 2, ... in turn; return the median microseconds of a unit for each.

    On a noisy machine only the ratio of two sides that ran side by side means something. A side that took longer than
    ``patience`` seconds in all is left out from then on, once it had three portions.
    """
    costs: dict[str, list[float]] = {name: [] for name in sides}
    spent = dict.fromkeys(sides, 0.0)
    gc.collect()
    gc.freeze()  # what is there already must not be gone through again and again
    try:
        for portion in range(portions):
            for name, work in sides.items():
                if patience is not None and spent[name] > patience and len(costs[name]) >= _AT_LEAST:
                    continue
                gc.collect()  # what the other side left must not cost this side's garbage collector anything
                begin = _clock()
                units = work(portion)
                took = _clock() - begin
                spent[name] += took
                costs[name].append(took / units * 1e6)
    finally:
        gc.unfreeze()
    return {name: statistics.median(each) for name, each in costs.items()}


def is_installed(package: str) -> bool:
    """Tell whether a package that only the benchmarks want (``pip install kiwoom-nb[bench]``) is there."""
    return importlib.util.find_spec(package) is not None
