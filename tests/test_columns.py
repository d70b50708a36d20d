"""The quick way in, held against the careful one."""

from __future__ import annotations

import frames
import pytest
from frames import OFFICIAL, event, frame
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kiwoom_nb import columns, schema
from kiwoom_nb.columns import ColumnReader, Surprise
from kiwoom_nb.decode import Decoder
from kiwoom_nb.protocol import Message, parse

AT = 1_763_600_400_000_000


def quickly(*raws, reader=None):
    """Return the rows of frames by the quick way."""
    messages = [parse(raw) for raw in raws]
    read = (reader or ColumnReader()).read([message.data for message in messages], [AT + at for at in range(len(raws))])
    assert sorted(read) == sorted(schema.COLUMNS)
    return [dict(zip(read, values, strict=True)) for values in zip(*read.values(), strict=True)]


def carefully(*raws):
    """Return the rows and rejects of frames by the careful way."""
    decoder, rows, rejects = Decoder(), [], []
    for at, raw in enumerate(raws):
        batch = decoder.decode(parse(raw), AT + at, len(rows))
        rows += batch.rows
        rejects += batch.rejects
    return rows, rejects


def by_name(rows):
    return [repr(sorted(row.items())) for row in rows]


_ENTRIES = frames.entry_lists().map(lambda entries: frame(*entries))


@settings(max_examples=300)
@given(st.lists(frames.balance_frames() | _ENTRIES | frames.hostile_frames(), min_size=1, max_size=4))
@example([event(f930="1e3")])
@example([event(f930="1E3"), event(f302="NAVER")])
@example([event(f930="1.00000000000000001", f991="0")])
@example([event(f930="5" + " " * 100)])
@example([event(f930="5.0", f932="1,2", f931="")])
@example([event(f930="5\n"), event(f930="\u20285")])
@example([event(f302='a"b')])
@example([event(f8019="-0.00"), event(f991="1e2"), event(f993="-0.5")])
@example([event(f930="-9223372036854775808"), event(f932="9" * 5000)])
@example([event(), event().replace(b'"930":"102"', b'"930":"1","930":"2"')])
def test_what_is_read_quickly_is_what_is_read_carefully(raws):
    """The quick way gives up or gives the same values, whatever comes; it never passes over a reject."""
    if not all(isinstance(parse(raw), Message) for raw in raws):
        return
    try:
        rows = quickly(*raws)
    except Surprise:
        return
    expected, rejects = carefully(*raws)
    assert rejects == []
    assert by_name(rows) == by_name(expected)


def test_plain_events_are_read_quickly():
    """They are nearly all there are; the quick way must not be given up for them by accident."""
    assert by_name(quickly(OFFICIAL)) == by_name(carefully(OFFICIAL)[0])
    rows = quickly(event(f10="+5", f27="", f945="-3", f916="20261122", f924="", f302="NAVER E&E 1.5", f991="+0.5"))
    assert (rows[0]["price"], rows[0]["price_direction"], rows[0]["ask"], rows[0]["realized_pnl_pct"]) == (
        5,
        1,
        None,
        0.5,
    )


def test_entries_of_one_frame_arrived_together():
    """The time of a frame is that of each of its entries."""
    rows = quickly(event(), frame(frames.entry(), frames.entry()), event())
    assert [row["received_at"] - AT for row in rows] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    "raw",
    [
        event(f930="x"),
        event(f930=None),
        event(f930=""),
        event(f9999="1"),
        event(f930="1e3"),
        event("005930_ZZ"),
        frame(),
        frame({"type": "00"}),
    ],
)
def test_a_surprise_is_left_to_the_careful_way(raw):
    """Of a batch with anything out of the ordinary nothing is taken."""
    with pytest.raises(Surprise):
        quickly(OFFICIAL, raw, OFFICIAL)


def test_a_full_memory_is_emptied_and_nothing_changes(monkeypatch):
    """What is remembered of texts is bounded: a stream may run for months."""
    monkeypatch.setattr(columns, "_MEMO_SIZE", 3)
    reader = ColumnReader()
    for price in range(1, 20):
        (row,) = quickly(event(f10=f"-{price}", f307=str(price)), reader=reader)
        assert (row["price"], row["base_price"], row["price_direction"]) == (price, price, -1)
    assert all(len(memo) <= 3 for memo in (*reader._memos.values(), reader._directions, reader._venues))
