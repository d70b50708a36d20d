"""``kn.check()``: what a student hears of an answer."""

import pandas as pd
import pytest

import kiwoom_nb as kn
from kiwoom_nb import exercises, lessons, verdict

TEXT = """
lesson = "99"
data = "sample:calm"

[[exercise]]
id = "99-1"
kind = "number"
expected = "df['price'].sum()"
hints = [{ ko = "열 <하나>를", en = "one column" }, { ko = "더하세요", en = "add it up" }]

[[exercise.mistake]]
answer = "df['quantity'].sum()"
ko = "수량을 더했습니다."
en = "You added the quantities."

[[exercise.mistake]]
when = "answer == 'nothing'"
ko = "글자입니다."
en = "That is text."

[[exercise.mistake]]
answer = "1 / 0"
ko = "그럴 수 없습니다."
en = "That cannot be."

[[exercise]]
id = "99-2"
kind = "open"
hints = [{ ko = "가", en = "a" }, { ko = "나", en = "b" }]

[[exercise.condition]]
holds = "len(answer) >= 3"
ko = "세 글자는 되어야 합니다."
en = "Three letters at the least."

[[exercise.condition]]
holds = "answer[0] == 'x'"
ko = "x로 시작해야 합니다."
en = "It must begin with an x."

[[exercise]]
id = "99-3"
kind = "text"
expected = "df.loc[0, 'symbol']"
hints = [{ ko = "가", en = "a" }, { ko = "나", en = "b" }]
"""


@pytest.fixture(autouse=True)
def lesson(monkeypatch):
    made = {one.id: one for one in exercises.read(TEXT)}
    monkeypatch.setattr(exercises, "exercises", lambda: made)
    kn.set_language("ko")
    yield made
    lessons._loaded.cache_clear()


def right():
    return kn.load("sample:calm")["price"].sum()


def test_a_right_answer_is_true_and_says_so():
    """Its data are the lesson's sample where none are given."""
    said = kn.check("99-1", right())
    assert said
    assert (said.state, repr(said)) == ("right", "✓ 99-1 맞습니다.")
    assert "details" not in said._repr_html_()


@pytest.mark.parametrize("answer", [..., None, pd.NA, ""])
def test_an_exercise_not_begun_is_answered_gently(answer):
    """No traceback, no "wrong": what to do, and the hints to open."""
    said = kn.check("99-1", answer)
    assert (bool(said), said.state) == (False, "unanswered")
    assert "아직 답이 없습니다" in repr(said)
    assert kn.check("99-1").state == "unanswered"
    page = said._repr_html_()
    assert page.count("<details") == 2
    assert "열 &lt;하나&gt;를" in page


def test_a_likely_mistake_is_named():
    """In the language of the student."""
    wrong = kn.load("sample:calm")["quantity"].sum()
    assert "수량을 더했습니다." in repr(kn.check("99-1", wrong))
    assert "글자입니다." not in repr(kn.check("99-1", 5))
    kn.set_language("en")
    assert repr(kn.check("99-1", wrong)) == "✎ 99-1 Not yet. You added the quantities."


def test_a_mistake_may_be_a_condition_on_the_answer():
    """Where no one value is the wrong one; only where the answer can be read at all."""
    asked = exercises.read(TEXT.replace("answer == 'nothing'", "answer == 17"))[0]
    assert lessons._likely(asked, 1, 17, {"df": kn.load("sample:calm")}) == "글자입니다."


def test_any_other_wrong_answer_is_told_what_can_be_told():
    """Its direction, or that it cannot be read."""
    assert "찾는 값보다 작습니다." in repr(kn.check("99-1", 5))
    assert "기대한 것: 숫자, 받은 것: str" in repr(kn.check("99-1", "nothing"))


def test_it_is_worked_out_of_the_data_given():
    """A student's own session has an answer of its own."""
    mine = kn.load("sample:busy")
    assert not kn.check("99-1", right(), mine)
    assert kn.check("99-1", mine["price"].sum(), mine)
    assert kn.check("99-1", mine["price"].sum(), "sample:busy")


def test_a_live_frame_is_data_too():
    """As it is at that moment."""
    frame = kn.replay("sample:calm", speed=float("inf"), autoplay=True)
    frame.kn.wait(60, timeout=60)
    assert kn.check("99-1", right(), frame)
    frame.kn.stop()


def test_the_lessons_data_are_not_changed_by_a_check():
    """Expressions work on a copy."""
    mine = kn.load("sample:calm")
    kn.check("99-1", 1, mine)
    pd.testing.assert_frame_equal(mine, kn.load("sample:calm"))


def test_data_that_have_no_answer_say_why():
    """An empty session, or one that lacks what the exercise is about."""
    said = kn.check("99-3", "005930", kn.load("sample:calm").head(0))
    assert said.state == "unanswered"
    assert "이 데이터로는 이 문제의 답을 계산할 수 없습니다 (KeyError" in repr(said)


def test_an_open_answer_meets_its_conditions_in_order():
    """The first that it does not meet is said; an answer of which it cannot be asked does not meet it."""
    assert "세 글자는" in repr(kn.check("99-2", "ab"))
    assert "세 글자는" in repr(kn.check("99-2", 5))
    assert "x로 시작" in repr(kn.check("99-2", "abc"))
    assert kn.check("99-2", "xyz")


def test_every_word_of_a_fault_can_be_said():
    """In both languages, with the values that come with it."""
    values = {"extra": 1, "lacking": 2, "count": 3, "place": 4, "keys": "a", "names": "b", "wanted": "c", "given": "d"}
    for language in ("ko", "en"):
        kn.set_language(language)
        for word in verdict.WORDS:
            assert verdict.say(word, reason="e", **values)
