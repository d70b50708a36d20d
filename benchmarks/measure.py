"""How a row of the table is measured: ours and the other in turn, in small portions, medians compared."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table: ours and the other in microseconds, and the ratio that was aimed at."""

    name: str
    ours: float
    other_name: str
    other: float
    target: str = ""
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ours over the other."""
        return self.ours / self.other

    def line(self) -> str:
        """Return the line as text."""
        return (
            f"{self.name:<46} {self.ours:>12,.2f} us  {self.other_name:<34} {self.other:>14,.2f} us  "
            f"x{self.ratio:<9.4g} {self.target:<12} {self.note}"
        )


def in_turn(portions: int, **sides: Callable[[int], int]) -> dict[str, float]:
    """Run each side on portion 0, 1, 2, ... in turn; return the median microseconds of a unit for each.

    A side does a portion's work and returns how many units that was. On a noisy machine only the ratio of two sides
    that ran side by side means something.
    """
    costs: dict[str, list[float]] = {name: [] for name in sides}
    for portion in range(portions):
        for name, work in sides.items():
            gc.collect()  # what the other side left must not cost this side's garbage collector anything
            begin = time.perf_counter()
            units = work(portion)
            costs[name].append((time.perf_counter() - begin) / units * 1e6)
    return {name: statistics.median(each) for name, each in costs.items()}
