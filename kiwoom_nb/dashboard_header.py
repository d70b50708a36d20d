"""The head of the dashboard: state light, mode, big numbers, and how old all of it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anywidget
import pandas as pd
import traitlets

from . import labels
from .dashboard_labels import say
from .sight import Sight
from .status import Status
from .told import told_by

STATIC: Final = Path(__file__).parent / "static"
_KNOWN_MODES: Final = ("real", "demo")


class DashboardHeader(anywidget.AnyWidget):
    """Shows :func:`header_state`; ages tick in the page, so that the kernel does nothing while nothing arrives.

    Its page also says whether any part of the dashboard is seen; ``looked`` is called when that changes.
    """

    _esm = STATIC / "dashboard_header.js"
    _css = STATIC / "dashboard_header.css"
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, looked: Callable[[], None]) -> None:
        self._sight = Sight(looked)
        super().__init__()
        self.on_msg(lambda _widget, message, _buffers: self._sight.hear(message))

    @property
    def is_seen(self) -> bool:
        """Whether a page shows the dashboard now, as far as pages have said."""
        return self._sight.is_seen

    def show(self, state: dict[str, Any]) -> None:
        """Show ``state``, if it is another one."""
        if state != self.state:
            self.state = state
            self._sight.sent()


def header_state(
    frame: pd.DataFrame, held: pd.DataFrame, status: Status | None, *, colors: str, error: str = ""
) -> dict[str, Any]:
    """Return what the head shows: texts and numbers, no account.

    ``held`` are the positions of ``frame``; ``status`` is that of what is behind it, None where nothing is.
    """
    last = None if frame.empty else int(frame["received_at"].iloc[-1].timestamp() * 1000)
    is_replay = status is None or status.total is not None
    return {
        "colors": colors,
        "mode": _mode(status),
        "ribbon": _ribbon(status),
        "state": "stopped" if status is None else status.state,
        "said": _said(status),
        "numbers": _numbers(held),
        "last_at": last,
        "last_text": say("no_event") if last is None else say("last_event", ago="{ago}"),
        "clock": _clock(status, last) if is_replay else None,
        "ages": {unit: say(unit).replace("{{", "{").replace("}}", "}") for unit in ("seconds", "minutes", "hours")},
        "explanation": say("explanation"),
        "facts": " · ".join(_facts(frame, status)),
        "notes": _notes(frame, held, status),
        "error": error,
    }


def _mode(status: Status | None) -> str:
    if status is None or status.total is not None:
        return "replay"
    return status.server if status.server in _KNOWN_MODES else "other"


def _ribbon(status: Status | None) -> str:
    """Name the mode: nothing recorded ever looks live."""
    if status is None:
        return say("mode_recorded")
    if status.total is not None:
        return say("mode_replay", name=status.server)
    return say(f"mode_{_mode(status)}")


def _said(status: Status | None) -> str:
    if status is None:
        return ""
    text = labels.say(status.state)
    return say("attempt", state=text, count=status.attempt) if status.state == "reconnecting" else text


def _clock(status: Status | None, last: int | None) -> int | None:
    """Return the time that ages are counted to: a recording's own, in milliseconds."""
    return last if status is None or status.as_of is None else int(status.as_of.timestamp() * 1000)


def _numbers(held: pd.DataFrame) -> list[dict[str, str]]:
    unrealized, cost = held["unrealized_pnl"].sum(), held["cost"].sum()
    realized, value = held["realized_pnl_today"].sum(), held["market_value"].sum()
    share = f"{100 * unrealized / cost:+.2f}%" if cost else ""
    return [
        _number(say("unrealized"), unrealized, share, signed=True),
        _number(say("realized"), realized, say("gross"), signed=True),
        _number(say("value"), value, "", signed=False),
    ]


def _number(label: str, won: Any, note: str, *, signed: bool) -> dict[str, str]:
    direction = ("down" if won < 0 else "up" if won > 0 else "flat") if signed else "flat"
    arrow = {"up": "▲ ", "down": "▼ ", "flat": ""}[direction]
    text = f"{arrow}₩{int(won):+,}".replace("₩-", "-₩").replace("₩+", "+₩") if signed and won else f"₩{int(won):,}"
    return {"label": label, "text": text, "direction": direction, "note": note}


def _facts(frame: pd.DataFrame, status: Status | None) -> list[str]:
    told = told_by(frame)
    facts = [say("events", count=len(frame) if status is None else status.events)]
    if status is not None and status.total is not None and status.as_of is not None:
        facts.insert(0, say("virtual_time", time=f"{status.as_of:%H:%M:%S}"))
    if told.gaps:
        facts.append(say("gaps", count=len(told.gaps)))
    if told.rejected:
        facts.append(say("rejected", count=len(told.rejected)))
    if status is not None and status.total is None:
        facts.append(say("recording" if status.journal else "not_recording"))
    if status is not None and status.total is None and status.paused:
        facts.append(say("waiting", count=status.waiting))
    return facts


def _notes(frame: pd.DataFrame, held: pd.DataFrame, status: Status | None) -> list[str]:
    told = told_by(frame)
    notes = [] if told.holdings else [say("only_filled")]
    stale = int((held["stale"] & (held["quantity"] != 0)).sum())
    if stale:
        notes.append(say("stale", count=stale))
    missed = sum(gap.missed or 0 for gap in told.gaps)
    if missed:
        notes.append(say("missed", count=missed))
    if status is not None and status.journal_error:
        notes.append(say("recording_failed", reason=status.journal_error))
    return notes
