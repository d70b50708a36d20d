"""A frame that grows and is read: after each event, after 16, after 256, at growing lengths, ours and the others'.

Ours begins with the text of a frame; the others are given the rows ready made, as pandas, Polars or Arrow wants them.
All are read alike, in their own way: the last five rows, and the last price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd
import pyarrow as pa

from kiwoom_nb.frame import LiveFrame
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable

from .material import filled_table, frames
from .measure import Row, Side, Size, in_turn, is_installed

_TARGETS = {"pd.concat": "<= 1/40", "df.loc[len(df)] = row": "<= 1/500"}
_MILLION = 1_000_000
_TAIL = 5

Maker = Callable[[pd.DataFrame, int], Side]


class _Source:
    def state_line(self) -> str:
        return ""


def append_and_read(size: Size) -> Iterator[Row]:
    """Append, then df.tail() and df["price"].iloc[-1], after so many events each time."""
    lengths = size.of((1_000, 10_000, 100_000, _MILLION), (1_000, 30_000), (300,))
    repeats, patience = size.of((100, 2.0), (15, 0.2), (2, 0.1))
    first: dict[int, float] = {}
    for length in lengths:
        table = filled_table(length)
        frame = table.frame()
        copied = frame.copy()
        for events in (1, 16, 256):
            costs = _costs_of(table, copied, events, repeats, patience)
            ours = costs.pop("ours")
            name = f"append {events}, read, at {length:,} rows: each event"
            if events == 1:
                alone = costs.pop("the two reads alone")
                yield Row(name, ours, "the two reads of pandas alone", alone, "<= 3")
            first.setdefault(events, ours)
            if length != lengths[0]:
                yield Row(name, ours, f"the same at {lengths[0]:,} rows", first[events], "<= 1.3")
            for other, cost in costs.items():
                target = _TARGETS.get(other, "") if (events, length) == (1, _MILLION) else ""
                yield Row(name, ours, f"{other}, read", cost, target)
    name = f"append 1, read, at {lengths[-1]:,} rows: each event"
    for package in _OPTIONAL:
        if not is_installed(package):
            yield Row(name, first[1], package, note="not installed")


def _costs_of(
    table: BalanceTable, copied: pd.DataFrame, events: int, repeats: int, patience: float
) -> dict[str, float]:
    live = LiveFrame(table.frame(), _Source())
    day = frames(5_000)

    def ours(number: int) -> int:
        for received_at, raw in (day[(number * events + each) % len(day)] for each in range(events)):
            table.receive(parse(raw), received_at)
        live._show(table.frame())  # noqa: SLF001 - what a refresh does
        _read(live)
        return events

    sides: dict[str, Side] = {"ours": ours}
    if events == 1:  # a row at a time is what these two are about
        sides["the two reads alone"] = _reading(table.frame())
        sides["df.loc[len(df)] = row"] = _by_loc(copied.copy())
    for name, make in _OTHERS.items():
        sides[name] = make(copied, events)
    for package, makers in _OPTIONAL.items():
        for name, make in makers.items() if is_installed(package) else ():
            sides[name] = make(copied, events)
    return in_turn(repeats, patience=patience, **sides)


def _read(frame: pd.DataFrame) -> None:
    frame.tail()
    frame["price"].iloc[-1]


def _reading(frame: pd.DataFrame) -> Side:
    def read(_: int) -> int:
        _read(frame)
        return 1

    return read


# --- the others -------------------------------------------------------------------------------------------------------


def _by_loc(frame: pd.DataFrame) -> Side:
    values = frame.iloc[-1].tolist()

    def grow(_: int) -> int:
        frame.loc[len(frame)] = values
        _read(frame)
        return 1

    return grow


def _by_concat(frame: pd.DataFrame, events: int) -> Side:
    few = frame.tail(events)

    def grow(_: int) -> int:
        _read(pd.concat([frame, few], ignore_index=True))
        return len(few)

    return grow


def _by_dicts(frame: pd.DataFrame, events: int) -> Side:
    """Keep a list of dicts and make a DataFrame of it whenever it is read."""
    some = frame.tail(1_000).to_dict("records")
    dicts = (some * (len(frame) // len(some) + 1))[: len(frame)]

    def grow(_: int) -> int:
        dicts.extend(some[-events:])
        _read(pd.DataFrame(dicts))
        return events

    return grow


def _by_arrow(frame: pd.DataFrame, events: int) -> Side:
    held = [_readable(pa.Table.from_pandas(frame, preserve_index=False))]
    few = held[0].slice(len(frame) - events).to_pylist()

    def grow(_: int) -> int:
        table = held[0] = pa.concat_tables([held[0], pa.Table.from_pylist(few, schema=held[0].schema)])
        table.slice(len(table) - _TAIL).to_pandas()
        table["price"][-1].as_py()
        return len(few)

    return grow


def _readable(table: pa.Table) -> pa.Table:
    """Return ``table`` with categories of short texts: older pyarrow (24) makes none of long ones from rows."""
    columns = {name: table[name] for name in table.column_names}
    for name, column in columns.items():
        if pa.types.is_dictionary(column.type):
            columns[name] = column.cast(pa.large_string()).cast(pa.string()).dictionary_encode()
    return pa.table(columns)


def _by_polars_extend(frame: pd.DataFrame, events: int) -> Side:
    import polars as pl

    held = pl.from_pandas(frame).rechunk()
    few = held.tail(events).to_dicts()

    def grow(_: int) -> int:
        held.extend(pl.DataFrame(few, schema=held.schema))
        held.tail(_TAIL)
        held["price"][-1]
        return len(few)

    return grow


def _by_polars_vstack(frame: pd.DataFrame, events: int, *, to_pandas: bool = False) -> Side:
    import polars as pl

    held = [pl.from_pandas(frame).rechunk()]
    few = held[0].tail(events).to_dicts()

    def grow(_: int) -> int:
        grown = held[0] = held[0].vstack(pl.DataFrame(few, schema=held[0].schema))
        if to_pandas:
            grown.tail(_TAIL).to_pandas()
        else:
            grown.tail(_TAIL)
        grown["price"][-1]
        return len(few)

    return grow


def _by_polars_for_pandas(frame: pd.DataFrame, events: int) -> Side:
    return _by_polars_vstack(frame, events, to_pandas=True)


def _by_streamz(frame: pd.DataFrame, events: int) -> Side:
    """Let streamz keep the last rows only: it has no frame that holds the whole day."""
    from streamz import Stream
    from streamz.dataframe import DataFrame

    stream = Stream()
    seen: list[pd.DataFrame] = []
    DataFrame(stream, example=frame.head(1)).window(n=_TAIL).full().stream.sink(seen.append)
    few = frame.tail(events)

    def grow(_: int) -> int:
        stream.emit(few)
        _read(seen.pop())
        return len(few)

    return grow


def _by_perspective(frame: pd.DataFrame, events: int) -> Side:
    import perspective

    held = pa.Table.from_pandas(frame, preserve_index=False)
    table = perspective.Server().new_local_client().table(_arrow_stream(held))
    view = table.view()
    few = _arrow_stream(held.slice(len(held) - events))

    def grow(_: int) -> int:
        table.update(few)
        rows = view.num_rows()
        assert view.to_records(start_row=rows - _TAIL, end_row=rows)[-1]["price"]
        return events

    return grow


def _arrow_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


_OTHERS: dict[str, Maker] = {
    "pd.concat": _by_concat,
    "list of dicts to DataFrame": _by_dicts,
    "pa.concat_tables to pandas": _by_arrow,
}
_OPTIONAL: dict[str, dict[str, Maker]] = {
    "polars": {
        "Polars extend": _by_polars_extend,
        "Polars vstack": _by_polars_vstack,
        "Polars vstack to pandas": _by_polars_for_pandas,
    },
    "streamz": {"streamz window of 5 rows": _by_streamz},
    "perspective": {"Perspective view of 5 rows": _by_perspective},
}
