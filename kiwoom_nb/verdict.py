"""What ``kn.check()`` answers: right, not yet, or not answered, with the likely mistake and the hints."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .labels import LANGUAGES, language

WORDS: Final = {
    "right": ("맞습니다.", "Right."),
    "wrong": ("아직 아닙니다.", "Not yet."),
    "unanswered": (
        "아직 답이 없습니다: ... 자리에 답을 쓰고 다시 실행하세요.",
        "No answer yet: put yours in place of the ... and run the cell again.",
    ),
    "unreadable": (
        "답을 읽지 못했습니다. 기대한 것: {wanted}, 받은 것: {given}",
        "The answer could not be read: a {wanted} was expected, this is a {given}.",
    ),
    "impossible": (
        "이 데이터로는 이 문제의 답을 계산할 수 없습니다 ({reason}). 다른 세션이나 예제 데이터로 해 보세요.",
        "This data does not allow an answer to this exercise ({reason}). Try another session, or the sample.",
    ),
    "hint": ("힌트 {count}", "Hint {count}"),
    # what is wrong
    "sign": ("크기는 맞는데 부호가 반대입니다.", "The size is right, the sign is not."),
    "larger": ("찾는 값보다 큽니다.", "It is larger than the answer."),
    "smaller": ("찾는 값보다 작습니다.", "It is smaller than the answer."),
    "later": ("찾는 시각보다 늦습니다.", "It is later than the answer."),
    "earlier": ("찾는 시각보다 이릅니다.", "It is earlier than the answer."),
    "other": ("다른 답입니다.", "It is another one."),
    "code": (
        "종목코드는 숫자가 아니라 글자입니다: 앞의 0까지 따옴표 안에 쓰세요.",
        "A code is text, not a number: keep its zeros, in quotes.",
    ),
    "extra": ("답이 아닌 것이 {extra}개 들어 있습니다.", "{extra} of them do not belong there."),
    "lacking": ("{lacking}개가 빠졌습니다.", "{lacking} are missing."),
    "mixed": (
        "답이 아닌 것이 {extra}개 있고, {lacking}개가 빠졌습니다.",
        "{extra} of them do not belong there, {lacking} are missing.",
    ),
    "length": ("개수가 다릅니다 (받은 것은 {count}개).", "The number of entries differs (there are {count})."),
    "order": ("들어 있는 것은 맞는데 순서가 다릅니다.", "What is in it is right, the order is not."),
    "place": ("{place}번째부터 다릅니다 (모두 {count}곳).", "It differs from number {place} on ({count} places)."),
    "values": ("{count}개의 값이 다릅니다: {keys}", "{count} values differ: {keys}"),
    "columns": ("이 열이 없습니다: {names}", "These columns are missing: {names}"),
    "rows": ("{count}개 행이 다릅니다.", "{count} rows differ."),
    # what was expected
    "number": ("숫자", "number"),
    "text": ("글자", "text"),
    "list": ("목록(list, Series)", "list (or Series)"),
    "mapping": ("이름마다 값이 하나인 것(dict, Series)", "value by name (dict or Series)"),
    "table": ("표(DataFrame)", "table (DataFrame)"),
    "time": ("시각", "time"),
}

_LIGHTS: Final = {"right": ("✓", "#2e7d32"), "wrong": ("✎", "#b26a00"), "unanswered": ("✎", "#757575")}


def say(word: str, **values: Any) -> str:
    """Return ``word`` in the language of the user."""
    return WORDS[word][LANGUAGES.index(language())].format(**values)


@dataclass(frozen=True)
class Verdict:
    """What was said to an answer; true where it is right.

    Attributes
    ----------
    exercise
        Which exercise, such as ``"03-2"``.
    state
        ``"right"``, ``"wrong"`` or ``"unanswered"``.
    said
        What there is to say, in the language of the user, one sentence after the other.
    hints
        What may be asked for.
    """

    exercise: str
    state: str
    said: Sequence[str]
    hints: Sequence[str] = field(default=())

    def __bool__(self) -> bool:
        """Tell whether the answer is right."""
        return self.state == "right"

    def __repr__(self) -> str:
        """Say it in one line; in a notebook hints can be opened below it."""
        return f"{_LIGHTS[self.state][0]} {self.exercise} {' '.join(self.said)}"

    def _repr_html_(self) -> str:
        light, color = _LIGHTS[self.state]
        said = html.escape(" ".join(self.said))
        hints = "".join(
            f"<details style='margin:.2em 0 0 1.6em'><summary style='cursor:pointer'>{say('hint', count=count)}"
            f"</summary>{html.escape(hint)}</details>"
            for count, hint in enumerate(self.hints, 1)
        )
        return (
            f"<div style='border-left:4px solid {color};padding:.3em .8em'>{light} <b>{html.escape(self.exercise)}</b> "
            f"{said}{hints}</div>"
        )
