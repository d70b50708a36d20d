import numpy as np
import pandas as pd
import pytest
from days import ODD, START, fed, frame_of, state
from hypothesis import given
from hypothesis import strategies as st

from kiwoom_nb import keyed
from kiwoom_nb.keyed import (
    BUY,
    NONE,
    SELL,
    day_of,
    days_of,
    keys_of,
    moments,
    numbers,
    order_of,
    previous_of,
    sides,
)
from kiwoom_nb.latest import KEY
from kiwoom_nb.table import empty_frame

FRAME = frame_of(ODD)
NAMES = st.none() | st.sampled_from("abc")
ROWS = st.lists(st.tuples(NAMES, NAMES, NAMES, st.none() | st.integers(0, 2)), max_size=40)


def frame(rows, dtype="category"):
    """Return a frame of the key columns alone."""
    columns = dict(zip(KEY, zip(*rows, strict=True) if rows else [()] * len(KEY), strict=True))
    names = {name: pd.Series(columns[name], dtype="str").astype(dtype) for name in KEY[:3]}
    days = pd.Series([pd.NaT if day is None else pd.Timestamp(1970, 1, 1 + day) for day in columns[KEY[3]]])
    return pd.DataFrame({**names, KEY[3]: days.astype("datetime64[ms]")})


@given(ROWS, st.sampled_from(["category", "str", "object"]), st.booleans())
def test_positions_are_counted_in_order_of_first_sight(rows, dtype, hashed):
    """Blank is a value like any other, whatever the dtypes are, and however many combinations there could be."""
    dense = keyed._DENSE
    keyed._DENSE = 0 if hashed else dense
    try:
        keys = keys_of(frame(rows, dtype))
    finally:
        keyed._DENSE = dense
    first = {}
    for place, row in enumerate(rows):
        first.setdefault(row, place)
    assert keys.firsts.tolist() == list(first.values())
    assert [list(first)[number] for number in keys.ids] == rows
    named = keys.labels(frame(rows, dtype))
    assert named == [(*row[:3], None if row[3] is None else 86_400_000 * row[3]) for row in first]


def test_keys_of_a_table_are_those_that_pandas_groups_by():
    """Unused categories make no difference."""
    part = FRAME.iloc[30:90]
    groups = part.groupby(list(KEY), observed=True, dropna=False, sort=False).ngroup()
    assert keys_of(part).ids.tolist() == groups.tolist()
    assert keys_of(empty_frame()).ids.tolist() == []


def test_days_are_korean():
    """They begin at 15:00 UTC."""
    at = int(pd.Timestamp("2026-11-20 23:59:59.999999", tz="Asia/Seoul").timestamp() * 1e6)
    assert day_of(at) == np.datetime64("2026-11-20")
    assert day_of(at + 1) == np.datetime64("2026-11-21")
    assert days_of(np.array([at, at + 1])).tolist() == [20777, 20778]
    assert np.datetime64(20777, "D") == np.datetime64("2026-11-20")


def test_moments_are_microseconds_whatever_the_zone():
    """As a frame holds them, and as a user may have converted them."""
    column = fed(state("buy", 1, 1, 1)).frame()["received_at"]
    for same in (column, column.dt.tz_convert("UTC"), column.dt.as_unit("ns")):
        assert moments(same).tolist() == [START]


def test_times_without_a_zone_are_korean():
    """As Excel and CSV hold them: an event after 15:00 in Korea stays on its day; also as text, also where blank."""
    column = fed(state("buy", 1, 1, 1), state("buy", 1, 2, 2)).frame()["received_at"]
    naive = column.dt.tz_localize(None)
    kept = naive.copy()
    for same in (naive, naive.astype("str"), naive.astype("object"), naive.dt.as_unit("ns")):
        assert moments(same).tolist() == [START, START + 1_000_000]
    for text in (column.astype("str"), column.astype("object")):
        assert moments(text).tolist() == [START, START + 1_000_000]
    pd.testing.assert_series_equal(naive, kept)
    blank = pd.Series([pd.NaT, naive.iloc[0]], dtype="datetime64[us]")
    assert moments(blank).tolist() == [np.iinfo(np.int64).min, START]


@pytest.mark.parametrize("dtype", ["Int64", "float64", "object"])
def test_numbers_come_with_where_they_are_blank(dtype):
    """Nothing is made up where there is none, and no mask is made where all are known."""
    values, blank = numbers(pd.Series([5, None, -(2**53)], dtype=dtype))
    assert blank.tolist() == [False, True, False]
    assert values[[0, 2]].tolist() == [5, -(2**53)]
    values, blank = numbers(pd.Series([5, 2**62], dtype="Int64"))
    assert (values.tolist(), blank) == ([5, 2**62], None)


@pytest.mark.parametrize("dtype", ["category", "str", "object"])
def test_sides_are_numbers(dtype):
    """Also where the column is no category any more, or one of other categories."""
    assert sides(pd.Series(["buy", None, "sell"], dtype=dtype)).tolist() == [BUY, NONE, SELL]
    assert sides(FRAME["side"]).tolist() == FRAME["side"].astype("object").map({"sell": SELL, "buy": BUY}).tolist()


def test_the_one_before_is_the_last_of_its_id_that_counts():
    """Whatever lies between; the first of an id has none."""
    ids = np.array([0, 1, 0, 0, 1, 2, 0])
    counts = np.array([True, True, True, False, True, True, True])
    assert previous_of(ids, np.ones(7, bool), order_of(ids)).tolist() == [-1, -1, 0, 2, 1, -1, 3]
    assert previous_of(ids, counts, order_of(ids)).tolist() == [-1, -1, 0, 2, 1, -1, 2]
