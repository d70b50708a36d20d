"""``kn.check()``: whether an exercise of a lesson is solved, worked out from the data, never from a stored answer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pandas as pd

from . import answers, storage
from .exercises import OPEN, Exercise, evaluate, exercise
from .labels import language
from .verdict import Verdict, say


def check(number: str, answer: Any = ..., data: pd.DataFrame | str | None = None) -> Verdict:
    """Tell whether ``answer`` solves an exercise of the lessons, and if not, what is probably wrong with it.

    Parameters
    ----------
    number
        Which exercise, such as ``"03-2"``; it stands above its cell.
    answer
        Your answer. What counts is what it says, not its type: an int, a numpy scalar, ``"₩1,234"`` and a Series of
        one value are the same number; a list, a set and a Series hold the same symbols in any order.
    data
        The frame that the answer is about: the lesson's, or a session of your own (or where it lies, as for
        :func:`kiwoom_nb.load`). Without it the sample that the lesson was written with.

    Returns
    -------
    Verdict
        True where the answer is right; in a notebook it shows what to look at, and two hints to open.

    Raises
    ------
    ValueError
        There is no such exercise.

    Notes
    -----
    The expected answer is computed from ``data`` each time. It speaks the language of :func:`kiwoom_nb.set_language`.
    """
    asked = exercise(number)
    hints = [hint[language()] for hint in asked.hints]
    if answers.is_missing(answer):
        return Verdict(number, "unanswered", [say("unanswered")], hints)
    try:
        scope = asked.scope(_frame(asked.data if data is None else data))
        expected = None if asked.expected is None else evaluate(asked.expected, scope)
        if asked.kind != OPEN and answers.is_missing(expected):
            raise ValueError("NA")  # noqa: TRY301 - said like every other reason for which there is no answer
    except Exception as exc:  # noqa: BLE001 - a session of the student's own may lack anything that the exercise is about
        return Verdict(number, "unanswered", [say("impossible", reason=f"{type(exc).__name__}: {exc}"[:200])])
    said = _open(asked, answer, scope) if asked.kind == OPEN else _closed(asked, expected, answer, scope)
    if said:
        return Verdict(number, "wrong", [say("wrong"), *said], hints)
    return Verdict(number, "right", [say("right")])


def _frame(data: pd.DataFrame | str) -> pd.DataFrame:
    return data.copy() if isinstance(data, pd.DataFrame) else _loaded(data)


@lru_cache(maxsize=4)
def _loaded(source: str) -> pd.DataFrame:
    return storage.load(source)


def _closed(asked: Exercise, expected: Any, answer: Any, scope: dict[str, Any]) -> list[str]:
    """Return what is wrong with ``answer``; nothing where it is the expected one."""
    try:
        fault = answers.KINDS[asked.kind](expected, answer, asked.tolerance)
    except answers.Unreadable as exc:
        return [say("unreadable", wanted=say(exc.wanted), given=exc.given)]
    if fault is None:
        return []
    return [_likely(asked, expected, answer, scope) or say(fault.word, **fault.values)]


def _likely(asked: Exercise, expected: Any, answer: Any, scope: dict[str, Any]) -> str:
    """Return what to say to the first mistake that gives this answer and not the expected one."""
    compare = answers.KINDS[asked.kind]
    for mistake in asked.mistakes:
        try:
            if mistake.when is not None:
                is_made = bool(evaluate(mistake.when, {**scope, "answer": answer}))
            else:
                wrong = evaluate(mistake.answer or "None", scope)
                is_made = compare(wrong, answer, asked.tolerance) is None
                is_made = is_made and compare(expected, wrong, asked.tolerance) is not None
        except Exception:  # noqa: BLE001, S112 - this mistake cannot be made on this data, or with such an answer
            continue
        if is_made:
            return mistake.said[language()]
    return ""


def _open(asked: Exercise, answer: Any, scope: dict[str, Any]) -> list[str]:
    """Return what to say of the first condition that ``answer`` does not meet; nothing where it meets them all."""
    for condition in asked.conditions:
        try:
            is_met = bool(evaluate(condition.holds, {**scope, "answer": answer}))
        except Exception:  # noqa: BLE001 - an answer of which it cannot even be asked does not meet it
            is_met = False
        if not is_met:
            return [condition.said[language()]]
    return []
