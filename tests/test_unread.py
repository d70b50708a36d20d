import numpy as np
import pytest
from days import ODD, SECOND, START, fed, frame_of, state

from kiwoom_nb.history import History
from kiwoom_nb.unread import Gaps, Unread, hidden

HELD = state("buy", 1000, 100, 100_000, net=100)
BLANK = state("buy", 1000, 105, None, net=105)
NEXT = state("buy", 1000, 110, 110_000, net=110)
NOTHING = state("buy", 1000, None, None, net=None)
LAST = state("buy", 1000, 120, 120_000, net=120)


def after_unread(*entries, cut=None):
    """Return the rows that come after one that could not be read, the frame looked at in two parts."""
    frame, before, end, found = fed(*entries).frame(), Unread(), None, []
    for part in (frame.iloc[:cut], frame.iloc[cut:] if cut else frame.iloc[:0]):
        history = History(part, end)
        after, before = hidden(part, history, before)
        end = history.end()
        found += [] if after is None else part.index[after[: len(part)]].tolist()
    return found


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ((HELD, NEXT, LAST), []),
        ((HELD, BLANK, NEXT, LAST), [2]),
        ((BLANK, HELD, NEXT), [1]),
        ((HELD, BLANK, BLANK, NEXT), [3]),
        ((HELD, BLANK, state("buy", 1000, 5, 5000, net=5, f9001="000660"), NEXT), [3]),
        ((HELD, BLANK, NEXT, BLANK, LAST), [2]),  # sent again
        ((HELD, BLANK), []),
        # of one that tells next to nothing it is not known whether it was sent again
        ((HELD, NOTHING, NEXT, NOTHING, LAST), [2, 4]),
    ],
)
def test_the_next_state_of_a_position_comes_after_what_could_not_be_read(entries, wanted):
    """Wherever the frame is cut."""
    assert after_unread(*entries) == wanted
    for cut in range(1, len(entries)):
        assert after_unread(*entries, cut=cut) == wanted


def test_where_all_can_be_read_nothing_is_hidden():
    """And nothing has to be remembered: duplicates and loan lots are no blanks."""
    frame = fed(HELD, NEXT, HELD, NEXT, LAST).frame()
    assert hidden(frame, History(frame), Unread()) == (None, Unread())


def test_a_span_in_which_the_line_was_down_is_found():
    """Also one that lasts; one that ended before, or began after, is none."""
    table = fed(HELD)
    table.line.connected(START - 1)
    table.line.disconnected(START + 1, "closed")
    table.line.connected(START + SECOND)
    table.line.disconnected(START + 9 * SECOND, "closed")
    time = START + np.arange(0, 12) * SECOND
    frame = fed(NEXT, table=table, start=START + 2 * SECOND).frame()
    found = Gaps(frame).between(time, np.arange(0, 11), np.arange(1, 12))
    assert np.flatnonzero(found).tolist() == [0, 9, 10]
    assert Gaps(frame_of(ODD, gaps=False)).between(time, np.arange(0, 11), np.arange(1, 12)).sum() == 0
