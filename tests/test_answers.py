"""Answers are judged by what they say: neither their type nor, where it does not matter, their order counts."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from kiwoom_nb import answers
from kiwoom_nb.answers import KINDS, Fault, Unreadable, is_missing

MOMENT = pd.Timestamp("2026-11-19 10:31:05.25", tz="Asia/Seoul")
FILLS = pd.DataFrame({"symbol": ["005930", "000660"], "amount": [10, -20]})


def judged(kind, expected, given, tolerance=0.0):
    return KINDS[kind](expected, given, tolerance)


@pytest.mark.parametrize(
    "given",
    [
        *(-4589684, -4589684.0, np.int64(-4589684), np.float64(-4589684), "-4,589,684", "-₩4,589,684", " -4589684 원"),
        *("−4589684", pd.Series([-4589684]), np.array([-4589684]), [-4589684], pd.DataFrame({"a": [-4589684]})),
        pd.Series([-4589684], dtype="Int64"),
    ],
)
def test_a_number_may_be_of_any_type_and_written_as_people_write_it(given):
    """What counts is which number it is."""
    assert judged("number", np.int64(-4589684), given) is None


@pytest.mark.parametrize(
    ("given", "word"), [(4589684, "sign"), (0, "larger"), (-5000000, "smaller"), (float("nan"), "smaller")]
)
def test_a_wrong_number_is_told_its_direction(given, word):
    """Whoever has the size right hears of the sign."""
    assert judged("number", -4589684, given) == Fault(word)


def test_a_number_may_be_off_by_the_tolerance_of_its_exercise_only():
    """Rounding of the last digit is no mistake where the exercise says so."""
    assert judged("number", 12.3456, 12.35, 0.005) is None
    assert judged("number", 12.3456, 12.36, 0.005) == Fault("larger")
    assert judged("number", 10**12, 10**12 + 10**4) == Fault("larger")
    assert judged("number", 8, 8 + 1e-12) is None
    assert judged("number", 3600, pd.Timedelta("1h")) is None


@pytest.mark.parametrize("given", ["모름", [1, 2], pd.DataFrame(), object(), {}, pd.Timestamp(0)])
def test_what_is_no_number_is_said_to_be_none(given):
    """A student hears what was expected, not a traceback of ours."""
    with pytest.raises(Unreadable) as caught:
        judged("number", 1, given)
    assert caught.value.wanted == "number"
    assert type(given).__name__ in str(caught.value)


def test_texts_are_compared_without_case_and_spaces():
    """And one of several may do."""
    assert judged("text", "005930", " 005930 ") is None
    assert judged("text", "005930", pd.Series(["005930"])) is None
    assert judged("text", ["sell", "매도"], "SELL") is None
    assert judged("text", "sell", "buy") == Fault("other")
    with pytest.raises(Unreadable):
        judged("text", "sell", 1.5)


@pytest.mark.parametrize("given", ["5930", 5930, 5930.0, np.int64(5930)])
def test_a_code_that_became_a_number_is_recognized(given):
    """Its zeros are gone: the most usual mistake with Korean codes."""
    assert judged("text", "005930", given) == Fault("code")


@pytest.mark.parametrize(
    "given",
    [
        *(["b", "a"], ("a", "b"), {"a", "b"}, pd.Series(["b", "a"]), pd.Index(["a", "b"]), np.array(["a", "b", "a"])),
        *(pd.Categorical(["a", "b"]), pd.DataFrame({"x": ["a", "b"]}), (each for each in "ab"), {"a": 1, "b": 2}),
    ],
)
def test_a_set_may_come_in_any_shape_and_order(given):
    """What is in it counts."""
    assert judged("set", ["a", "b"], given) is None


def test_a_wrong_set_is_told_how_many_are_too_many_and_how_many_lack():
    """But not which: that is the exercise."""
    assert judged("set", ["a", "b"], ["a"]) == Fault("lacking", {"lacking": 1})
    assert judged("set", ["a", "b"], ["a", "b", "c"]) == Fault("extra", {"extra": 1})
    assert judged("set", ["a", "b"], ["a", "c"]) == Fault("mixed", {"extra": 1, "lacking": 1})
    assert judged("set", [1, 2], np.array([2.0, 1.0])) is None
    for given in ("ab", 5):
        with pytest.raises(Unreadable):
            judged("set", ["a"], given)


def test_a_sequence_is_compared_in_order():
    """Who has all of it in another order hears so."""
    assert judged("sequence", [1, 2, 3], pd.Series([1.0, 2.0, 3.0])) is None
    assert judged("sequence", [1, 2, 3], [3, 2, 1]) == Fault("order")
    assert judged("sequence", [1, 2, 3], [1, 2]) == Fault("length", {"count": 2})
    assert judged("sequence", [1, 2, 3], [1, 5, 6]) == Fault("place", {"place": 2, "count": 2})
    assert judged("sequence", [1, None], [1, float("nan")]) is None
    assert judged("sequence", [1, 2], [1, "two"]) == Fault("place", {"place": 2, "count": 1})


@pytest.mark.parametrize(
    "given",
    [
        {"000660": -20, "005930": 10},
        pd.Series([-20, 10], index=["000660", "005930"]),
        FILLS,
        FILLS.set_index("symbol"),
        {"000660": "-20", "005930": np.int64(10)},
    ],
)
def test_values_by_name_may_be_a_dict_a_series_or_a_table(given):
    """In any order."""
    assert judged("mapping", FILLS.set_index("symbol")["amount"], given) is None


def test_wrong_values_by_name_are_named():
    """The names, not the values."""
    expected = dict.fromkeys("abcde", 1)
    assert judged("mapping", expected, {**expected, "c": 2}) == Fault("values", {"count": 1, "keys": "c"})
    fault = judged("mapping", expected, dict.fromkeys("abcde", 2))
    assert fault == Fault("values", {"count": 5, "keys": "a, b, c, …"})
    assert judged("mapping", expected, dict.fromkeys("abcd", 1)) == Fault("lacking", {"lacking": 1})
    for given in ([1, 2], 5, pd.DataFrame({"a": [1], "b": [2], "c": [3]})):
        with pytest.raises(Unreadable):
            judged("mapping", expected, given)


def test_days_are_the_same_name_however_they_are_written():
    """A date, a midnight and its text."""
    expected = {pd.Timestamp("2026-11-19"): 1}
    for key in (dt.date(2026, 11, 19), "2026-11-19", np.datetime64("2026-11-19"), pd.Timestamp("2026-11-19")):
        given = {key: 1}
        assert judged("mapping", expected, given) is None, key
    assert judged("mapping", {("a", 1): 1}, {("A", 1.0): 1}) is None


@pytest.mark.parametrize("blank", [None, pd.NA, pd.NaT, float("nan"), np.datetime64("NaT", "ns")])
def test_a_blank_is_a_blank_of_whatever_type(blank):
    """In a collection, as a name, and in a row."""
    assert judged("set", [None, "a"], ["a", blank]) is None
    assert judged("mapping", {("a", pd.NaT): 1}, {("a", blank): 1}) is None
    assert judged("set", ["b", "a"], ["a", blank]) == Fault("mixed", {"extra": 1, "lacking": 1})


def test_a_table_may_have_its_rows_and_columns_in_any_order_and_more_columns():
    """Only the columns asked for count."""
    given = FILLS.iloc[::-1][["amount", "symbol"]].assign(memo="?")
    assert judged("table", FILLS, given) is None
    assert judged("table", FILLS, FILLS.set_index("symbol")) is None
    assert judged("table", FILLS, FILLS.astype({"amount": float})) is None
    assert judged("table", FILLS, FILLS[["symbol"]]) == Fault("columns", {"names": "amount"})
    assert judged("table", FILLS, FILLS.head(1)) == Fault("length", {"count": 1})
    assert judged("table", FILLS, FILLS.assign(amount=[10, 20])) == Fault("rows", {"count": 1})
    with pytest.raises(Unreadable):
        judged("table", FILLS, [1])


@pytest.mark.parametrize(
    "given",
    [
        *(MOMENT, MOMENT.tz_convert("UTC"), MOMENT.tz_localize(None), "2026-11-19 10:31:05", "10:31:05", "10:31:05.3"),
        *(MOMENT.to_pydatetime(), pd.Series([MOMENT]), MOMENT.tz_localize(None).to_datetime64()),
    ],
)
def test_a_time_may_be_written_in_any_way(given):
    """Without a zone it is Korean; a clock is of that day; to the second."""
    assert judged("time", MOMENT, given) is None


def test_a_wrong_time_is_told_its_direction():
    """And what is none is said to be none."""
    assert judged("time", MOMENT, "10:31") == Fault("earlier")
    assert judged("time", MOMENT, "11:00:00") == Fault("later")
    assert judged("time", MOMENT, "10:31", 10.0) is None
    for given in ("점심", [MOMENT, MOMENT]):
        with pytest.raises(Unreadable):
            judged("time", MOMENT, given)


@pytest.mark.parametrize("value", [None, ..., "", "  ", pd.NA, pd.NaT, float("nan")])
def test_these_are_no_answers(value):
    """Whoever has not begun hears so, not that it is wrong."""
    assert is_missing(value)


@pytest.mark.parametrize("value", [0, False, [], {}, "0", pd.DataFrame(), np.array([]), [None]])
def test_these_are_answers(value):
    """Nothing may be the answer."""
    assert not is_missing(value)


def test_each_kind_compares_a_thing_with_itself():
    """The list of kinds is whole."""
    same = {
        "number": 1,
        "text": "a",
        "set": ["a"],
        "sequence": [1],
        "mapping": {"a": 1},
        "table": FILLS,
        "time": MOMENT,
    }
    assert set(same) == set(answers.KINDS)
    assert [judged(kind, value, value) for kind, value in same.items()] == [None] * len(same)
