"""The exercises are data: each is whole, has an answer on every sample, and tells its likely mistakes apart."""

import re
import warnings

import pandas as pd
import pytest

import kiwoom_nb as kn
from kiwoom_nb import answers, lessons
from kiwoom_nb.exercises import OPEN, evaluate, exercise, exercises, folder, read

ALL = exercises().values()
CLOSED = [one for one in ALL if one.kind != OPEN]
HANGUL = re.compile(r"[가-힣]")
SAMPLES = ("sample:calm", "sample:busy", "sample:oddities")

each = pytest.mark.parametrize("asked", ALL, ids=lambda one: one.id)
each_closed = pytest.mark.parametrize("asked", CLOSED, ids=lambda one: one.id)


@pytest.fixture(scope="module")
def samples():
    return {source: kn.load(source) for source in SAMPLES}


def data_of(asked, samples):
    return samples[asked.data].copy()


def test_they_are_numbered_by_their_lesson_from_one_on():
    """``03-2`` is the second exercise of lesson 03, and each lesson has three to five."""
    lessons = {}
    for one in ALL:
        lesson, number = one.id.split("-")
        lessons.setdefault(lesson, []).append(int(number))
    assert {path.stem for path in folder().glob("*.toml")} == set(lessons)
    for lesson, numbers in lessons.items():
        assert numbers == list(range(1, len(numbers) + 1)), lesson
        assert 3 <= len(numbers) <= 5, lesson


@each
def test_it_is_whole(asked):
    """Two hints; at least two mistakes, or conditions where the question is open; Korean and English."""
    assert asked.kind in {*answers.KINDS, OPEN}
    assert asked.data in SAMPLES
    assert len(asked.hints) == 2
    assert (asked.expected is None) == (asked.kind == OPEN)
    assert len(asked.conditions) >= 2 if asked.kind == OPEN else len(asked.mistakes) >= 2
    for said in [*asked.hints, *(one.said for one in (*asked.mistakes, *asked.conditions))]:
        assert HANGUL.search(said["ko"]), said
        assert not HANGUL.search(re.sub(r"['\"`(].*?['\"`)]", "", said["en"])), said


@each_closed
def test_its_answer_is_worked_out_of_its_sample_without_a_warning(asked, samples):
    """And the answer is judged right."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = evaluate(asked.expected, asked.scope(data_of(asked, samples)))
        assert not answers.is_missing(expected)
        assert answers.KINDS[asked.kind](expected, expected, asked.tolerance) is None


@each_closed
def test_each_mistake_gives_another_answer_and_is_told_by_its_own_words(asked, samples):
    """Otherwise a student would be told of a mistake that was not made."""
    kn.set_language("ko")
    frame = data_of(asked, samples)
    scope = asked.scope(frame)
    expected = evaluate(asked.expected, scope)
    for mistake in asked.mistakes:
        assert (mistake.answer is None) != (mistake.when is None)
        if mistake.when is not None:
            assert not evaluate(mistake.when, {**scope, "answer": expected})
            continue
        wrong = evaluate(mistake.answer, scope)
        assert answers.KINDS[asked.kind](expected, wrong, asked.tolerance) is not None
        assert lessons._closed(asked, expected, wrong, scope) == [mistake.said["ko"]]


@each_closed
@pytest.mark.parametrize("source", [*SAMPLES, "own"])
def test_it_can_be_checked_on_other_sessions(asked, source, samples):
    """Whatever is given as an answer, and whatever the session holds: a verdict, never a traceback."""
    frame = kn.load("sample:oddities", mask_accounts=False) if source == "own" else samples[source].copy()
    scope = asked.scope(frame)
    expected = evaluate(asked.expected, scope)
    if not answers.is_missing(expected):
        assert lessons._closed(asked, expected, expected, scope) == []
        for answer in (0, -1.5, "모름", [], {}, [1, None], pd.DataFrame(), frame, object(), frame["price"]):
            assert all(isinstance(said, str) for said in lessons._closed(asked, expected, answer, scope))
    assert kn.check(asked.id, 1, frame.head(0)).state in {"right", "wrong", "unanswered"}


def test_an_unknown_number_is_answered_with_those_that_are_like_it():
    """A slip of the fingers is quickly mended."""
    some = next(iter(exercises()))
    with pytest.raises(ValueError, match=some):
        exercise(some + "0")


TEXT = """
lesson = "77"
data = "sample:calm"

[names]
prices = "df['price']"
double = "prices * 2"

[[exercise]]
id = "77-1"
kind = "number"
expected = "double.sum()"
tolerance = 2
hints = [{ ko = "가", en = "a" }, { ko = "나", en = "b" }]

[[exercise.mistake]]
answer = "prices.sum()"
ko = "절반"
en = "half"

[[exercise]]
id = "77-2"
kind = "open"
data = "sample:busy"
names = { rows = "len(df)" }
hints = [{ ko = "가", en = "a" }, { ko = "나", en = "b" }]

[[exercise.condition]]
holds = "answer > rows"
ko = "더"
en = "more"
"""


def test_a_file_is_read_as_its_format_says():
    """Names build on one another; an exercise may have data and names of its own."""
    first, second = read(TEXT)
    frame = kn.load("sample:calm")
    assert evaluate(first.expected, first.scope(frame)) == 2 * frame["price"].sum()
    assert (first.tolerance, first.data, second.data, second.expected) == (2.0, "sample:calm", "sample:busy", None)
    assert first.mistakes[0].said == {"ko": "절반", "en": "half"}
    assert second.scope(frame)["rows"] == 60
    assert [each.holds for each in second.conditions] == ["answer > rows"]
