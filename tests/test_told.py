import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwoom_nb.decode import Reject
from kiwoom_nb.holdings import Holding, Holdings
from kiwoom_nb.line import Gap
from kiwoom_nb.told import ATTRS_KEY, Told, read_told, told_by

TEXT = st.text(max_size=5)
MOMENT = st.integers(0, 10**16)
NUMBER = st.none() | st.integers(0, 9)
HELD = st.builds(Holding, TEXT, TEXT | st.none(), TEXT, NUMBER, MOMENT, NUMBER, NUMBER, MOMENT, *[NUMBER] * 4)
TOLD = st.builds(
    Told,
    st.lists(st.builds(Gap, MOMENT, st.none() | MOMENT, TEXT, NUMBER), max_size=2),
    st.lists(st.builds(Reject, MOMENT, NUMBER, st.none() | TEXT, TEXT, TEXT), max_size=2),
    st.lists(st.builds(Holdings, MOMENT, MOMENT, st.none() | TEXT, st.lists(HELD, max_size=2)), max_size=2),
)


@given(TOLD)
def test_a_frame_gives_back_what_it_was_made_to_carry(told):
    """Gaps, rejects and holdings, as one string."""
    frame = told.attach(pd.DataFrame())
    assert told_by(frame) == told
    assert all(isinstance(value, str) for value in frame.attrs.values())


def test_nothing_to_tell_leaves_no_trace():
    """A frame without any has clean attrs, also after it had some."""
    frame = Told([Gap(1, 2, "closed")]).attach(pd.DataFrame())
    assert list(frame.attrs) == [ATTRS_KEY]
    assert Told().attach(frame).attrs == {}
    assert Told().to_json() == ""
    assert told_by(frame) == read_told("") == Told()


@pytest.mark.parametrize("carried", [None, 5, b"{}", ["x"]])
def test_what_is_not_ours_is_nothing(carried):
    """Somebody else may use the key."""
    frame = pd.DataFrame()
    frame.attrs[ATTRS_KEY] = carried
    assert told_by(frame) == Told()


def test_an_older_frame_without_holdings_is_read():
    """Those of Parquet files written before there were holdings, and gaps without a count."""
    text = '{"gaps":[[1,2,"closed"]],"rejected":[]}'
    assert read_told(text) == Told([Gap(1, 2, "closed", None)])
    assert "holdings" not in msgspec.json.decode(read_told(text).to_json())
