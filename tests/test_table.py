# ruff: noqa: PD002 - the in-place way is what is tested
import contextlib
import gc
import itertools
import json
import time

import numpy as np
import pandas as pd
import pytest
from frames import balance_frames, dump, entry, event, frame, hostile_frames
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from kiwoom_nb import views
from kiwoom_nb.line import Gap, Line
from kiwoom_nb.protocol import parse
from kiwoom_nb.schema import COLUMNS
from kiwoom_nb.table import BalanceTable, empty_frame
from kiwoom_nb.told import ATTRS_KEY, gaps_frame, rejected_frame
from kiwoom_nb.views import read_only

NOON = 1_763_600_400_123_456  # 2025-11-20 10:00:00.123456 KST


def filled(*frames, **options):
    table = BalanceTable(**{"capacity": 64, **options})
    for number, raw in enumerate(frames):
        table.receive(parse(raw), NOON + number)
    return table


def arrays_of(series):
    """Return the numpy arrays that hold a column."""
    array = series.array
    if isinstance(array, pd.arrays.IntegerArray):
        return [array._data, array._mask]
    if isinstance(array, pd.Categorical):
        return [array._codes]
    return [array._ndarray]


def shares_all_columns(table, shown):
    buffers = table._buffers()
    held = [array for name in COLUMNS for array in arrays_of(shown[name])]
    return len(held) == len(buffers) and all(
        sum(np.shares_memory(array, buffer) for buffer in buffers) == 1 for array in held
    )


# --- what is in a row ------------------------------------------------------------------------------------------


def test_a_row_holds_every_field_in_its_dtype():
    """The 30 columns in order, with the dtypes of the contract and the values that were sent."""
    raw = event(
        f9201="1234561111", f10="-60150", f930="-5", f8019="-1.25", f916="20261120", f917="03", f951="", f27=" +7"
    )
    shown = filled(raw).frame()
    assert {name: str(dtype) for name, dtype in shown.dtypes.items()} == COLUMNS
    row = shown.iloc[0]
    assert row["received_at"] == pd.Timestamp("2025-11-20 10:00:00.123456", tz="Asia/Seoul")
    assert (row["account"], row["symbol"], row["venue"], row["side"]) == ("xxxxxx1111", "005930", "KRX", "buy")
    assert (row["price"], row["price_direction"], row["quantity"], row["ask"]) == (60150, -1, -5, 7)
    assert (row["realized_return_pct"], row["loan_date"]) == (-1.25, pd.Timestamp("2026-11-20"))
    assert (row["credit_type"], row["name"]) == ("03", "삼성전자")
    assert pd.isna(row["extra_951"])
    assert pd.isna(row["maturity_date"])


def test_blank_fields_are_missing_values_of_their_dtype():
    """Blank becomes NA, NaT or NaN in every column that a field fills."""
    blank = dict.fromkeys([f"f{fid}" for fid in json.loads(event())["data"][0]["values"]], "")
    table = filled(frame(entry("", **blank)), event())
    shown = table.frame()
    assert shown.iloc[0].drop("received_at").isna().all()
    assert shown.iloc[1].drop(["loan_date", "maturity_date"]).notna().all()
    assert shown["price"].isna().tolist() == [True, False]
    assert {name: str(dtype) for name, dtype in shown.dtypes.items()} == COLUMNS


def test_an_empty_frame_has_all_columns_and_dtypes():
    """Before the first event the frame has no rows, 30 columns and their dtypes."""
    assert len(empty_frame()) == 0
    assert {name: str(dtype) for name, dtype in empty_frame().dtypes.items()} == COLUMNS


def test_received_at_is_microseconds_of_utc_and_no_copy():
    """The buffer holds UTC microseconds and the column shows them in Seoul."""
    table = filled(event())
    shown = table.frame()
    assert shown["received_at"].dt.tz_convert("UTC")[0].value // 1000 == NOON
    assert arrays_of(shown["received_at"])[0].view(np.int64)[0] == NOON
    assert any(np.shares_memory(arrays_of(shown["received_at"])[0], buffer) for buffer in table._buffers())


# --- memory ----------------------------------------------------------------------------------------------------


def test_every_column_shares_memory_with_its_buffer_however_many_categories():
    """Codes have the smallest dtype for the number of categories, else pandas copies the whole column."""
    table = BalanceTable(capacity=1 << 16)
    for categories in (1, 126, 127, 128, 129, 200, 32_765, 32_766, 32_767, 32_768, 32_769):
        entries = [entry(f9001=f"{code:06}") for code in range(table.rows, categories)]
        table.receive(parse(frame(*entries)), NOON)
        shown = table.frame()
        assert shares_all_columns(table, shown)
        assert shown["symbol"].tolist() == [f"{code:06}" for code in range(categories)]


def test_growth_beyond_the_capacity_keeps_every_row():
    """More rows than were reserved: appended all the same, older frames stay as they were."""
    table = BalanceTable(capacity=2)
    before = []
    for number in range(40):
        table.receive(parse(event(f930=str(number), f916="" if number % 2 else "20261120")), NOON + number)
        before.append(table.frame())
    assert table.frame()["quantity"].tolist() == list(range(40))
    assert table.frame()["loan_date"].isna().tolist() == [bool(number % 2) for number in range(40)]
    for rows, shown in enumerate(before, 1):
        assert shown["quantity"].tolist() == list(range(rows))
    assert shares_all_columns(table, table.frame())


def test_reserve_makes_room_before_it_is_needed():
    """Room is made outside the append path once three quarters are used."""
    table = filled(*[event()] * 7, capacity=8)
    table.reserve()
    assert table._capacity == 32
    assert len(table.frame()) == 7
    table.reserve()
    assert table._capacity == 32


def test_a_frame_can_show_fewer_rows():
    """A replay shows the first rows only."""
    table = filled(event(f930="1"), event(f930="2"))
    assert table.frame(1)["quantity"].tolist() == [1]
    assert table.frame(0).empty


@settings(max_examples=20, deadline=None)
@given(st.lists(balance_frames() | hostile_frames(), max_size=12), st.sampled_from([1, 3, 64]))
def test_a_frame_never_moves_while_rows_are_appended(frames, capacity):
    """A frame handed out equals its copy for ever, through new categories and growth."""
    table = BalanceTable(capacity=capacity)
    kept = []
    for number, raw in enumerate(frames):
        shown = table.frame()
        kept.append((shown, shown.copy()))
        table.receive(parse(raw), NOON + number)
        assert len(table.frame()) == table.rows >= len(shown)
    for shown, copied in kept:
        assert_frame_equal(shown, copied)


WRITES = {
    "loc": lambda df: df.loc.__setitem__((0, "price"), 1),
    "loc slice": lambda df: df.loc.__setitem__((slice(0, 1), "quantity"), 1),
    "loc mask": lambda df: df.loc.__setitem__((df["price"] > 0, "price"), 1),
    "loc all": lambda df: df.loc.__setitem__((slice(None), "cost"), 1),
    "loc categories": lambda df: df.loc.__setitem__((0, "side"), "sell"),
    "loc float": lambda df: df.loc.__setitem__((0, "realized_pnl_pct"), 9.0),
    "loc date": lambda df: df.loc.__setitem__((0, "loan_date"), pd.Timestamp("2026-01-01").as_unit("ms")),
    "loc time": lambda df: df.loc.__setitem__((0, "received_at"), df["received_at"].iloc[1]),
    "iloc": lambda df: df.iloc.__setitem__((0, 6), 1),
    "iloc row": lambda df: df.iloc.__setitem__(0, df.iloc[1]),
    "at": lambda df: df.at.__setitem__((0, "price"), 1),
    "iat": lambda df: df.iat.__setitem__((0, 6), 1),
    "column": lambda df: df.__setitem__("price", 1),
    "augmented column": lambda df: df.__setitem__("price", df["price"].__iadd__(1)),
    "series": lambda df: df["price"].__setitem__(0, 1),
    "series iloc": lambda df: df["price"].iloc.__setitem__(0, 1),
    "series iadd": lambda df: df["price"].__iadd__(1),
    "popped": lambda df: df.pop("price").__setitem__(0, 1),
    "fillna": lambda df: df.fillna({"ask": 1}, inplace=True),
    "ffill": lambda df: df.ffill(inplace=True),
    "replace": lambda df: df.replace({"price": {60150: 1}}, inplace=True),
    "mask": lambda df: df.mask(df["price"] > 0, inplace=True),
    "where": lambda df: df.where(df["price"] < 0, inplace=True),
    "sort": lambda df: df.sort_values("quantity", ascending=False, inplace=True),
    "update": lambda df: df.update(pd.DataFrame({"realized_pnl_pct": [5.0, 6.0]})),
    "array": lambda df: df["price"].array.__setitem__(0, 1),
    "values": lambda df: df["realized_pnl_pct"].values.__setitem__(0, 1),  # noqa: PD011 - what a user writes
    "to_numpy": lambda df: df["price"].to_numpy().__setitem__(0, 1),
    "data": lambda df: arrays_of(df["price"])[0].__setitem__(0, 1),
    "flags": lambda df: arrays_of(df["price"])[0].setflags(write=True),
    "codes": lambda df: df["side"].cat.codes.to_numpy().__setitem__(0, 0),
    "out": lambda df: np.add(df["realized_pnl_pct"], 1, out=df["realized_pnl_pct"].to_numpy()),
    "transpose": lambda df: df[["price", "cost"]].T.iloc.__setitem__((0, 0), 1),
    "stacked": lambda df: df.set_index("symbol").iloc.__setitem__((0, 4), 1),
    "renamed": lambda df: df.rename(columns={"price": "p"}).__setitem__("p", 1),
}


@pytest.mark.filterwarnings("ignore::pandas.errors.ChainedAssignmentError", "ignore:The inplace keyword")
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("derive", [lambda df: df, lambda df: df.iloc[:2], lambda df: df[["price", *df]].iloc[:, 1:]])
def test_no_write_reaches_the_buffers(write, derive):
    """Whatever a user writes into a frame or into what is derived from it, the buffers stay as received."""
    table = filled(event(f930="1", f27="", f992=""), event(f930="2", f9001="000660"))
    before = table.frame().copy()
    derived = derive(table.frame())
    with contextlib.suppress(ValueError, TypeError):  # pandas refuses by itself, also fine
        write(derived)
    assert_frame_equal(table.frame(), before)


VIEW_WRITES = [name for name in WRITES if name.split()[0] in {"loc", "iloc", "at", "iat", "fillna", "where", "popped"}]


@pytest.mark.parametrize("write", VIEW_WRITES)
@pytest.mark.parametrize("fate", ["kept", "outgrown", "deleted"])
def test_what_is_derived_can_be_written_for_ever(write, fate):
    """A slice stays writable after many new categories, after growth, and after its table was deleted."""
    table = filled(event(f930="1", f27=""), event(f930="2", f9001="000660"), capacity=4)
    derived = table.frame().iloc[:2]
    if fate == "outgrown":
        for code in range(40):
            table.receive(parse(event(f9001=f"{code:06}")), NOON)
            table.frame()
    if fate == "deleted":
        del table
        gc.collect()
    before = derived.copy()
    WRITES[write](derived)
    assert not derived.equals(before)


def test_memory_is_let_go_once_nobody_looks_at_it():
    """What keeps old buffers alive for the sake of slices lets them go when the slices are gone."""
    views._retired.clear()
    table = filled(event())
    derived = table.frame().iloc[:1]
    del table
    assert len(views._retired) == 1
    other = filled(event())
    other.frame()
    assert len(views._retired) == 1
    del derived
    other.frame()
    assert not views._retired


def test_read_only_gives_an_equal_frame_that_cannot_be_written_through():
    """A loaded frame is made the source of views: the same cells on arrays that refuse writes, attrs and all."""
    loaded = filled(event(f930="", f916="20261120"), event(f9001="000660"), b"no frame").frame().copy()
    loaded["mine"] = ["a", "b"]
    frozen = read_only(loaded)
    assert_frame_equal(frozen, loaded)
    assert frozen.attrs == loaded.attrs
    for name in COLUMNS:
        for array in arrays_of(frozen[name]):
            assert not array.flags.writeable
    derived = frozen.iloc[:1]
    derived.loc[0, "price"] = 1
    assert frozen["price"][0] == loaded["price"][0] != 1


# --- gaps ------------------------------------------------------------------------------------------------------


def test_a_gap_lasts_from_the_last_thing_heard_until_connected():
    """Disconnected and connected again: one gap with its reason."""
    line = Line()
    line.connected(10)
    line.heard(20)
    line.disconnected(20, "closed")
    assert line.gaps() == [Gap(20, None, "closed")]
    line.heard(25)
    line.connected(30)
    assert line.gaps() == [Gap(20, 30, "closed")]


def test_two_connects_in_a_row_mean_an_interruption():
    """The process was killed, so nobody noted the end: the gap begins where something was heard last."""
    line = Line()
    line.connected(10)
    line.heard(20)
    line.connected(30)
    assert line.gaps() == [Gap(20, 30, "interrupted")]


def test_before_the_first_connect_there_is_no_gap():
    """A line that never was up did not go down."""
    line = Line()
    line.disconnected(5, "refused")
    line.connected(10)
    assert line.gaps() == []


def test_the_pause_after_a_stop_shows_once_the_stream_goes_on():
    """A stopped stream has no open gap; started again, the pause is one."""
    line = Line()
    line.connected(10)
    line.disconnected(20, "stopped")
    assert line.gaps() == []
    line.connected(30)
    assert line.gaps() == [Gap(20, 30, "stopped")]


def test_midnight_is_no_gap():
    """A journal that continues another one begins with the line up and nothing missing."""
    line = Line()
    line.connected(10)
    line.heard(20)
    line.continued(30)
    line.connected(40)
    assert line.gaps() == [Gap(30, 40, "interrupted")]


LINE_EVENTS = st.lists(
    st.tuples(st.sampled_from(["connected", "continued", "disconnected", "heard"]), st.integers(0, 50)), max_size=20
)


@given(LINE_EVENTS)
def test_gaps_never_overlap_nor_run_backwards(events):
    """Whatever the order of events and whatever the clock does: gaps are in order, only the last may be open."""
    line = Line()
    for kind, at in events:
        getattr(line, kind)(*((at, "closed") if kind == "disconnected" else (at,)))
    gaps = line.gaps()
    for gap in gaps[:-1]:
        assert gap.end is not None
    for gap in gaps:
        assert gap.end is None or gap.start <= gap.end
    for before, after in itertools.pairwise(gaps):
        assert before.end <= after.start


# --- what is told ----------------------------------------------------------------------------------------------

GAPS = {"start": "datetime64[us, Asia/Seoul]", "end": "datetime64[us, Asia/Seoul]", "reason": "str", "missed": "Int64"}
REJECTED = {"received_at": "datetime64[us, Asia/Seoul]", "row": "Int64", "fid": "str", "text": "str", "reason": "str"}


def dtypes(shown):
    return {name: str(dtype) for name, dtype in shown.dtypes.items()}


@pytest.mark.parametrize("gaps", [[], [(1, None)], [(1, 2)], [(1, 2), (3, None)]])
def test_gaps_are_a_frame_of_exact_dtypes(gaps):
    """start, end, reason: also where there is none, and where one lasts."""
    attrs = json.dumps({"gaps": [[NOON + start, end and NOON + end, "x"] for start, end in gaps], "rejected": []})
    shown = gaps_frame(attrs)
    assert dtypes(shown) == dtypes(gaps_frame("")) == GAPS
    assert shown["end"].isna().tolist() == [end is None for _, end in gaps]
    assert [time.value // 1000 - NOON for time in shown["start"]] == [start for start, _ in gaps]


def test_rejects_are_a_frame_of_exact_dtypes():
    """received_at, row, fid, text, reason: the row of a value that cannot be read, NA where there is no row."""
    table = filled(event(), event(f930="many"), b"not json")
    shown = rejected_frame(table.attrs())
    assert dtypes(shown) == dtypes(rejected_frame("")) == REJECTED
    assert shown["row"].tolist() == [1, pd.NA]
    assert shown["fid"].isna().tolist() == [False, True]
    assert shown["text"].tolist() == ["many", "not json"]
    assert shown["reason"].tolist() == ["unreadable", "not_json"]
    assert rejected_frame(filled(b"x").attrs()).dtypes.equals(shown.dtypes)
    assert rejected_frame(filled(event(f930="x")).attrs()).dtypes.equals(shown.dtypes)


def test_attrs_are_one_json_string_and_none_where_all_is_well():
    """Many small objects in attrs would slow every pandas operation down."""
    assert filled(event()).frame().attrs == {}
    attrs = filled(event(f930="x")).frame().attrs
    assert list(attrs) == [ATTRS_KEY]
    assert list(json.loads(attrs[ATTRS_KEY])) == ["rejected"]


@pytest.mark.parametrize(
    "raw",
    [
        event(f9201="9876543210", f930="acc 9876543210"),
        event(f9201={"number": "9876543210"}),
        event(f9201=["9876543210"]),
        event(f777="9876543210"),
        b"acc 9876543210",
        b"x" * 195 + b"9876543210",
        b"x" * 193 + b"9876543210 and more",
        dump({"trnm": "9876543210"}),
    ],
)
def test_account_digits_are_masked_in_rejected_texts(raw):
    """No text shows more of an account number than its column does, wherever the text was cut."""
    table = filled(raw)
    assert table.rejects
    told = table.attrs()
    assert not any("9876543210"[:length] in told for length in range(4, 11))


def test_rejected_texts_are_masked_anew_when_an_account_becomes_known():
    """A text that came before its account's first event is masked from then on."""
    table = filled(event(f9201="1111111111", f930="of 22-33"), event(f9201="1111111111"))
    assert "of 22-33" in table.attrs()
    table.receive(parse(event(f9201="22-33")), NOON)
    assert "of 22-33" not in table.attrs()
    unmasked = filled(event(f9201="22-33", f930="of 22-33"), mask_accounts=False)
    assert "of 22-33" in unmasked.attrs()


def test_a_flood_of_rejects_costs_no_refresh_dear():
    """After a hundred thousand rejects a refresh without news costs no more than without rejects."""
    table = filled(event())
    for number in range(100_000):
        table.reject(NOON + number, f"noise {number}", "not_json")
    assert len(rejected_frame(table.frame().attrs[ATTRS_KEY])) == 100_000
    table.receive(parse(event()), NOON)
    started = time.perf_counter()
    for _ in range(100):
        table.frame()
    assert time.perf_counter() - started < 1.0


@settings(max_examples=50, deadline=None)
@given(st.lists(hostile_frames(), max_size=8), st.booleans())
def test_nothing_received_breaks_a_table(frames, mask):
    """Any bytes: received without an error, shown with the contract's dtypes, rejects with theirs."""
    table = filled(*frames, mask_accounts=mask, capacity=2)
    shown = table.frame()
    assert dtypes(shown) == COLUMNS
    assert len(shown) == table.rows
    assert len(rejected_frame(table.attrs())) == len(table.rejects)
    repr(shown)
