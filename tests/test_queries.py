import pandas as pd
import pytest
from days import START, fed, state

from kiwoom_nb.holdings import Holding, Holdings, with_times
from kiwoom_nb.keyed import moments
from kiwoom_nb.queries import (
    Query,
    comes_after,
    in_order,
    is_lot,
    is_part,
    is_renumbered,
    is_whole,
    key_of,
    lots_of,
    queries_of,
    stop_of,
    told_positions,
)
from kiwoom_nb.told import Told

HELD = Holding("005930", None, "00", None, 5, 5, 1000, 5000, 1000, 1000, 0, 0)
FRAME = fed(*[state("buy", 1000, 5, 5000)] * 10).frame()
SECOND = 1_000_000
ALL = {"1111111111"}


def asked(frame, *rows, account="1111111111", dated=True):
    """Let ``frame`` carry account queries before these rows, as tables write them or (not ``dated``) did once."""
    queries = [Holdings(START + row * SECOND - 1, row, account, [HELD]) for row in rows]
    times = moments(frame["received_at"])
    return Told(holdings=[with_times(query, times) if dated else query for query in queries]).attach(frame.copy())


def places(frame, *limits):
    return [(query.place, query.at) for query in queries_of(frame, ALL, *limits)]


def at(row):
    return START + row * SECOND - 1


def test_queries_stand_between_rows():
    """After as many rows of the frame as had arrived; at the end, where none has arrived since."""
    frame = asked(FRAME, 0, 4, 10)
    assert places(frame) == [(0, at(0)), (4, at(4)), (10, at(10))]


def test_a_part_of_a_frame_relies_on_what_was_asked_while_it_lasted():
    """What came before its first row says nothing about it; what came before it may be known, too."""
    frame = asked(FRAME, 0, 4, 8)
    assert places(frame.iloc[2:6]) == [(2, at(4))]
    assert places(frame.iloc[4:8]) == [(0, at(4)), (4, at(8))]
    assert places(frame.iloc[6:], 3) == [(0, at(4)), (2, at(8))]
    assert places(frame.iloc[:6], None, 3) == [(0, at(0))]


def test_a_selection_relies_on_all_of_them():
    """Each stands where its row would."""
    frame = asked(FRAME, 0, 4, 9)
    chosen = frame[[row in {1, 2, 5} for row in range(10)]]
    assert places(chosen) == [(0, at(0)), (2, at(4)), (3, at(9))]
    assert places(chosen, 3) == [(2, at(4)), (3, at(9))]


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.set_index(frame.index.map(str)),
        lambda frame: frame.set_index("received_at", drop=False),
    ],
)
def test_without_numbers_in_order_nobody_knows_where_they_stand(change):
    """So none is relied on."""
    assert places(change(asked(FRAME, 0, 4))) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.tail(4),
        lambda frame: frame.iloc[1:],
        lambda frame: frame[[row != 1 for row in range(10)]],
        lambda frame: frame[[row in {0, 2} for row in range(10)]],
        lambda frame: frame[[row in {0, 1, 2, 9} for row in range(10)]],
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.sort_values("received_at", ascending=False).iloc[3:],
    ],
)
@pytest.mark.parametrize("rows", [(0,), (0, 4, 10)])
def test_rows_that_were_numbered_anew_are_noticed(change, rows):
    """Others stand where those stood that came after the query: it does not belong there, nor does any other."""
    other = change(asked(FRAME, *rows)).reset_index(drop=True)
    assert is_renumbered(other)
    assert not is_whole(other)
    assert places(other) == []


def test_rows_of_one_moment_are_told_apart_by_those_that_follow():
    """Many events of one frame arrive together."""
    frame = FRAME.copy()
    frame["received_at"] = frame["received_at"].iloc[[0, 0, 0, *range(3, 10)]].to_numpy()
    assert not is_renumbered(asked(frame, 0))
    assert is_renumbered(asked(frame, 0).iloc[1:].reset_index(drop=True))


@pytest.mark.parametrize("rows", range(11))
def test_first_rows_and_selections_bear_their_own_numbers(rows):
    """Also where they were counted again and nothing changed."""
    frame = asked(FRAME, 0, 4, 10)
    assert not is_renumbered(frame.iloc[:rows])
    assert not is_renumbered(frame.iloc[rows:])
    assert not is_renumbered(frame.iloc[:rows].reset_index(drop=True))
    assert not is_renumbered(frame.drop(index=frame.index[rows:][:1]))


def test_in_older_files_only_the_row_before_a_query_is_looked_at():
    """They do not know when the rows since came: a query is newer than the row before it, or does not belong there."""
    assert places(asked(FRAME, 0, 4, dated=False)) == [(0, at(0)), (4, at(4))]
    assert places(asked(FRAME, 4, dated=False).iloc[3:].reset_index(drop=True)) == []


# --- in order of arrival ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.sample(frac=1, random_state=3),
        lambda frame: frame.sort_values("received_at", ascending=False),
    ],
)
def test_rows_that_were_sorted_come_back_by_their_numbers(change):
    """Those of one moment too."""
    frame = FRAME.copy()
    frame["received_at"] = frame["received_at"].iloc[[0, 0, 0, 3, 4, 5, 5, 7, 8, 9]].to_numpy()
    assert in_order(change(frame)).equals(frame)
    assert is_whole(in_order(change(frame)))
    assert is_part(in_order(change(frame.iloc[4:])), 4)
    assert in_order(change(frame.iloc[::2])).equals(frame.iloc[::2])


def test_without_numbers_of_their_own_rows_come_back_by_time():
    """Days put together bear the same ones, and an index may hold anything."""
    later = FRAME.assign(received_at=FRAME["received_at"] + pd.Timedelta("1D"))
    both = pd.concat([FRAME, later])
    assert in_order(pd.concat([later, FRAME])).equals(both)
    texts = FRAME.set_index(FRAME.index.map(str))
    assert in_order(texts.iloc[::-1]).equals(texts)


def test_rows_in_order_stay_as_they_are():
    """By their numbers, be it that the clock was set back, or by time."""
    later = FRAME.assign(received_at=FRAME["received_at"] + pd.Timedelta("1D"))
    back = FRAME.assign(received_at=FRAME["received_at"].to_numpy()[::-1])
    parts = pd.concat([FRAME.iloc[6:], later.iloc[:6]])
    for frame in (FRAME, FRAME.iloc[:0], FRAME.iloc[::3], back, parts, pd.concat([FRAME, later])):
        assert in_order(frame) is frame


# --- whose they are --------------------------------------------------------------------------------------------------


def test_a_query_of_no_account_is_that_of_the_only_one():
    """Of several, nobody knows whose it is."""
    frame = asked(FRAME, 3, account=None)
    assert [query.account for query in queries_of(frame, ALL)] == ["1111111111"]
    assert [query.account for query in queries_of(frame, set())] == [None]
    assert queries_of(frame, {"1111111111", "2222222222"}) == []


def test_parts_and_wholes_are_told_by_their_numbers():
    """A selection leaves rows out."""
    assert is_whole(FRAME)
    assert is_whole(FRAME.iloc[:0])
    assert is_part(FRAME.iloc[3:])
    assert is_part(FRAME.iloc[3:], 3)
    assert not is_whole(FRAME.iloc[3:])
    assert not is_part(FRAME.iloc[3:], 2)
    assert not is_part(FRAME.iloc[::2])
    assert not is_part(FRAME[[row != 4 for row in range(10)]])
    assert stop_of(FRAME.iloc[:4]) == 4
    assert stop_of(FRAME.iloc[:0]) is None
    assert stop_of(FRAME.set_index("received_at")) is None
    assert comes_after(FRAME.iloc[4:], 4)
    assert not comes_after(FRAME.iloc[4:], 5)
    assert not comes_after(FRAME.iloc[4:], None)
    assert not comes_after(FRAME.iloc[:0], 0)


def test_a_loan_meets_its_lot_by_loan_date():
    """Cash is cash; a loan of which no lot is known stands for itself, as it came."""
    lot = ("a", "005930", "03", 86_400_000)
    lots = lots_of([lot, ("a", "005930", "00", None), ("a", "005930", "99", None)])
    assert lots == {("a", "005930", 86_400_000): lot}
    loan = HELD._replace(credit_type="33", loan_date=86_400_000)
    assert key_of("a", loan, lots) == lot
    assert key_of("b", loan, lots) == ("b", "005930", "33", 86_400_000)
    assert key_of("a", HELD, lots) == ("a", "005930", "00", None)
    assert [is_lot(("a", "b", kind, None)) for kind in ("00", "99", None, "03", "33")] == [False] * 3 + [True] * 2


def test_loans_that_events_do_not_tell_apart_are_one_position():
    """Of two on one day events know a lot only: it is both together, at the average of both."""
    lot = ("a", "005930", "03", 86_400_000)
    loans = [HELD._replace(credit_type=kind, loan_date=86_400_000) for kind in ("01", "33")]
    other = loans[1]._replace(quantity=7, orderable_quantity=None, average_price=1100, cost=7700)
    query = Query(0, START, "a", [HELD, loans[0], other])
    both = loans[0]._replace(quantity=12, orderable_quantity=None, average_price=1058, cost=12_700)
    assert told_positions(query, lots_of([lot])) == {("a", "005930", "00", None): HELD, lot: both}
    apart = {("a", "005930", kind, 86_400_000) for kind in ("01", "33")}
    assert told_positions(query, {}).keys() == {("a", "005930", "00", None), *apart}


def test_a_frame_without_queries_has_none():
    """Not even an empty one fails."""
    assert queries_of(FRAME, ALL) == []
    assert queries_of(pd.DataFrame(), ALL) == []
    assert not is_renumbered(pd.DataFrame())
