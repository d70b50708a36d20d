import locale
import re
from string import Formatter

import pytest

from kiwoom_nb import labels


@pytest.fixture(autouse=True)
def _no_language_chosen(monkeypatch):
    monkeypatch.setattr(labels, "_chosen", None)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("word", labels.WORDS)
def test_each_word_is_there_in_both_languages_with_the_same_blanks(word):
    """A sentence with a blank that only one language fills would break in the other."""
    korean, english = labels.WORDS[word]
    blanks = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (korean, english)]
    assert blanks[0] == blanks[1]
    assert korean
    assert english


@pytest.mark.parametrize("word", labels.WORDS)
def test_korean_words_are_korean_and_english_ones_are_not(word):
    """Nobody reads half a language."""
    korean, english = labels.WORDS[word]
    assert re.search(r"[가-힣]", korean)
    assert not re.search(r"[가-힣]", english)


def test_the_states_of_a_stream_all_have_a_word():
    """The contract names nine."""
    states = ["connecting", "live", "reconnecting", "kicked", "failed", "stopped", "replaying", "paused", "finished"]
    assert set(states) <= set(labels.WORDS)


def test_a_chosen_language_beats_the_locale(monkeypatch):
    """kn.set_language is the user's word."""
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    labels.set_language("en")
    assert labels.say("live") == "live"
    labels.set_language("ko")
    assert labels.say("live") == "연결됨"


@pytest.mark.parametrize("language", ["KO", "kr", "", None, 5])
def test_another_language_is_refused(language):
    """With the two that there are."""
    with pytest.raises(ValueError, match='"ko" or "en"'):
        labels.set_language(language)


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LC_ALL": "ko_KR.UTF-8", "LANG": "en_US.UTF-8"}, "ko"),
        ({"LC_MESSAGES": "en_US.UTF-8", "LANG": "ko_KR.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "ko_KR"}, "ko"),
        ({"LANG": "kok_IN"}, "en"),
    ],
)
def test_the_environment_names_the_language(monkeypatch, variables, language):
    """LC_ALL before LC_MESSAGES before LANG; kok is Konkani."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert labels.language() == language


@pytest.mark.parametrize(
    ("name", "language"), [("Korean_Korea", "ko"), ("ko_KR", "ko"), ("English_United States", "en"), (None, "en")]
)
def test_without_variables_the_system_names_the_language(monkeypatch, name, language):
    """Windows sets none of them."""
    monkeypatch.setattr(locale, "getlocale", lambda *_: (name, "cp949"))
    assert labels.language() == language


def test_a_locale_that_python_does_not_know_is_english(monkeypatch):
    """MacOS has locales that make getlocale raise."""

    def unknown(*_):
        raise ValueError("unknown locale: UTF-8")

    monkeypatch.setattr(locale, "getlocale", unknown)
    assert labels.language() == "en"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (0, "just now"),
        (0.99, "just now"),
        (1, "1 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (100_000, "27 h ago"),
    ],
)
def test_how_long_ago_is_said_in_the_largest_unit(seconds, text):
    """A clock that was set back says just now."""
    labels.set_language("en")
    assert labels.ago(seconds) == text


def test_numbers_are_put_into_words():
    """With commas where they are large."""
    labels.set_language("ko")
    assert labels.say("events", count=12345) == "이벤트 12,345건"
