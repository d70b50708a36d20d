"""Memory: how many bytes a row takes, ours and as what a user would otherwise keep."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator

import pandas as pd

from .material import filled_table, frames
from .measure import Row, Size


def bytes_per_row(size: Size) -> Iterator[Row]:
    """Count the buffers' bytes up to the last row, against what the others allocate for the same events."""
    length = size.of(10_000, 2_000, 300)
    table = filled_table(length)
    view = table.frame()
    rows = len(view)
    ours = view.memory_usage(index=False).sum() / rows

    def dicts() -> list[dict[str, str]]:
        return [entry["values"] for _, raw in frames(length) for entry in json.loads(raw)["data"]][:rows]

    def objects() -> pd.DataFrame:
        return pd.DataFrame({name: view[name].astype("object") for name in view})

    def strings() -> pd.DataFrame:
        return pd.DataFrame(dicts(), dtype="object")

    name = "memory of a row"
    others = {"list of dicts of strings": dicts, "DataFrame of object strings": strings, "object DataFrame": objects}
    for other, make in others.items():
        yield Row(name, ours, other, _allocated(make) / rows, unit="B")


def _allocated(make: Callable[[], object]) -> float:
    """Return how many bytes are kept alive by what ``make`` returns."""
    gc.collect()
    tracemalloc.start()
    made = make()
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made is not None
    return kept
