import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal

from kiwoom_nb.small_tables import Integers, framed

MOMENTS = pd.array(np.array([1, 2], np.int64), dtype=pd.DatetimeTZDtype("us", "Asia/Seoul"))
COLUMNS = {
    "number": pd.arrays.IntegerArray(np.array([1, 2]), np.array([False, True])),
    "ratio": np.array([0.5, np.nan]),
    "day": np.array([0, 1], np.int64).view("M8[ms]"),
    "at": MOMENTS,
    "name": pd.Categorical(["a", None]),
    "is_so": np.array([True, False]),
    "count": np.array([3, 4]),
}


def test_a_frame_is_the_one_that_pandas_makes():
    """Of every type of column that positions have; also of no rows."""
    assert_frame_equal(framed(COLUMNS), pd.DataFrame(COLUMNS))
    none = {name: values[:0] for name, values in COLUMNS.items()}
    assert_frame_equal(framed(none), pd.DataFrame(none))


def test_a_frame_is_the_users_own():
    """It can be written, sorted, joined and named; the next one knows nothing of that."""
    frame = framed({name: values.copy() for name, values in COLUMNS.items()})
    frame["more"] = 1
    frame.loc[0, "number"] = 7
    frame.columns.name = "columns"
    assert frame.sort_values("ratio", ascending=False)["number"].iloc[0] == 7
    assert len(pd.concat([frame, frame])) == 4
    assert_frame_equal(framed(COLUMNS), pd.DataFrame(COLUMNS))


def test_what_is_blank_stays_blank():
    """As of pandas' own nullable integers, beyond the 53 bits of a float too."""
    numbers = Integers(np.array([2**53 + 1, 5, 7]), np.array([False, False, True]))
    others = Integers(np.array([1, 3, 2]), np.array([False, True, False]))
    ours, theirs = numbers.column(), others.column()
    assert pd.Series(numbers.minus(others).column()).equals(pd.Series(ours - theirs))
    assert pd.Series(numbers.times(others).column()).equals(pd.Series(ours * theirs))
    assert np.isnan(numbers.floats()).tolist() == [False, False, True]
