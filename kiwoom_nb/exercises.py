"""The exercises of the lessons: data beside the notebooks (``notebooks/exercises/*.toml``), one file a lesson.

An exercise has no stored answer. It says how the answer is worked out from the data (``expected``), and how the likely
wrong ones are (``mistake``), so that it can be checked on any session, the student's own too::

    lesson = "03"
    data = "sample:busy"            # what it is checked on where nothing else is given

    [names]                         # worked out in this order, of df and of those above
    fills = "df.kn.fills()"

    [[exercise]]
    id = "03-1"
    kind = "number"                 # or text, set, sequence, mapping, table, time, open
    expected = "fills['amount'].sum()"
    tolerance = 0.5                 # optional
    hints = [{ ko = "...", en = "..." }, { ko = "...", en = "..." }]

    [[exercise.mistake]]
    answer = "df['price'].sum()"    # what one gets who made it; or when = "a condition on answer"
    ko = "..."
    en = "..."

An exercise of kind ``open`` has no one right answer but conditions that a good one meets, in order::

    [[exercise.condition]]
    holds = "len(answer) >= 3"
    ko = "..."                      # what to say to one that does not
    en = "..."
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from . import shipped
from .costs import Costs

OPEN: Final = "open"
_TOOLS: Final = {"pd": pd, "np": np, "Costs": Costs}

Said = Mapping[str, str]  # by language


@dataclass(frozen=True)
class Mistake:
    """A likely wrong answer: the one that ``answer`` works out, or any for which ``when`` holds; what to say to it."""

    answer: str | None
    when: str | None
    said: Said


@dataclass(frozen=True)
class Condition:
    """What a good answer to an open question meets, and what to say to one that does not."""

    holds: str
    said: Said


@dataclass(frozen=True)
class Exercise:
    """One exercise; expressions are Python, of ``df``, the lesson's names, ``pd``, ``np`` and ``Costs``."""

    id: str
    kind: str
    data: str
    names: Mapping[str, str]
    expected: str | None
    tolerance: float
    hints: tuple[Said, ...]
    mistakes: tuple[Mistake, ...]
    conditions: tuple[Condition, ...]

    def scope(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Return the names that expressions may use, worked out of ``frame``."""
        scope: dict[str, Any] = {**_TOOLS, "df": frame}
        for name, expression in self.names.items():
            scope[name] = evaluate(expression, scope)
        return scope


def evaluate(expression: str, scope: dict[str, Any]) -> Any:
    """Return what ``expression`` of an exercise is; it is data that ships with the package."""
    return eval(expression, scope)  # noqa: S307 - never a user's text


def folder() -> Path:
    """Return where the exercises lie."""
    return shipped.folder("notebooks") / "exercises"


@cache
def exercises() -> dict[str, Exercise]:
    """Return all exercises by id, in order."""
    made = [one for path in sorted(folder().glob("*.toml")) for one in read(path.read_text("utf-8"))]
    return {one.id: one for one in made}


def exercise(number: str) -> Exercise:
    """Return the exercise ``number``; raise ValueError where there is none, with those that are like it."""
    known = exercises()
    if number not in known:
        like = get_close_matches(str(number), known, n=3) or list(known)[:3]
        raise ValueError(
            f"There is no exercise {number!r}: the number stands above its cell, such as {', '.join(like)}."
        )
    return known[number]


def read(text: str) -> list[Exercise]:
    """Return the exercises of one lesson's file."""
    lesson = tomllib.loads(text)
    return [_read_one(one, lesson) for one in lesson["exercise"]]


def _read_one(one: Mapping[str, Any], lesson: Mapping[str, Any]) -> Exercise:
    return Exercise(
        id=one["id"],
        kind=one["kind"],
        data=one.get("data", lesson["data"]),
        names={**lesson.get("names", {}), **one.get("names", {})},
        expected=one.get("expected"),
        tolerance=float(one.get("tolerance", 0.0)),
        hints=tuple(_said(hint) for hint in one["hints"]),
        mistakes=tuple(Mistake(each.get("answer"), each.get("when"), _said(each)) for each in one.get("mistake", [])),
        conditions=tuple(Condition(each["holds"], _said(each)) for each in one.get("condition", [])),
    )


def _said(entry: Mapping[str, str]) -> Said:
    return {language: entry[language] for language in ("ko", "en")}
