"""The tape: the latest fills, newest first, kept up with at a cost that does not depend on the rows before."""

from __future__ import annotations

import html
from typing import Any, Final

import pandas as pd

from .dashboard_labels import say
from .fills import Before, follow

SHOWN: Final = 40
_NUMBERS: Final = {"quantity", "price", "amount", "pnl"}
_COLUMNS: Final = ("time", "name", "side", "quantity", "price", "amount", "pnl", "certainty")


class FillsTape:
    """The latest fills of a frame that grows."""

    def __init__(self) -> None:
        self._rows = 0
        self._end: Before | None = None
        self._latest: pd.DataFrame | None = None

    def advance(self, frame: pd.DataFrame) -> bool:
        """Take in what ``frame`` has more than last time, anew where it has less; return whether that is anything."""
        if len(frame) < self._rows:
            self.__init__()  # type: ignore[misc]  # a replay went back: everything anew
        if len(frame) == self._rows and self._latest is not None:
            return False
        found, self._end = follow(frame.iloc[self._rows :], self._end)
        self._rows = len(frame)
        kept = found if self._latest is None else pd.concat([self._latest, found.tail(SHOWN)], ignore_index=True)
        self._latest = kept.tail(SHOWN)
        return True

    def html(self) -> str:
        """Return the tape as an HTML table."""
        if self._latest is None or self._latest.empty:
            return f"<p>{html.escape(say('no_fills'))}</p>"
        head = "".join(f'<th class="{_class_of(name)}">{html.escape(say(name))}</th>' for name in _COLUMNS)
        latest = self._latest.iloc[::-1]
        records = (dict(zip(latest.columns, row, strict=True)) for row in latest.itertuples(index=False))
        rows = "".join(map(_row, records))
        return f'{_STYLE}<div class="kn-tape"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _class_of(name: str) -> str:
    return "kn-n" if name in _NUMBERS else ""


def _row(fill: dict[str, Any]) -> str:
    side = "" if pd.isna(fill["side"]) else str(fill["side"])
    cells = [
        ("", f"{fill['time']:%H:%M:%S}"),
        ("", str(fill["symbol"]) if pd.isna(fill["name"]) else str(fill["name"])),
        (f"kn-{side}", say(side) if side else ""),
        ("kn-n", _number(fill["quantity"])),
        ("kn-n", _number(fill["price"], sign="₩")),
        ("kn-n", _number(fill["amount"], sign="₩")),
        (f"kn-n {_direction(fill['realized_pnl'])}", _signed(fill["realized_pnl"]) if side == "sell" else ""),
        ("", say(str(fill["confidence"]))),
    ]
    title = html.escape(str(fill["reason"]), quote=True)
    return (
        f'<tr title="{title}">'
        + "".join(f'<td class="{name}">{html.escape(text)}</td>' for name, text in cells)
        + "</tr>"
    )


def _number(value: Any, sign: str = "") -> str:
    return "–" if pd.isna(value) else f"{sign}{int(value):,}"


def _direction(value: Any) -> str:
    """Return the class of a gain or a loss, which have the colours of buy and sell; signs and arrows say the same."""
    return "" if pd.isna(value) or not value else "kn-buy" if value > 0 else "kn-sell"


def _signed(value: Any) -> str:
    if pd.isna(value):
        return "–"
    arrow = "▲ +" if value > 0 else "▼ -" if value < 0 else ""
    return f"{arrow}₩{abs(int(value)):,}"


# JupyterLab aligns the cells of a rendered table to the right, so what is meant has to insist.
_STYLE: Final = """<style>
.kn-tape { max-height: 320px; overflow: auto; font-size: 13px;
  font-family: Pretendard, "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", "Noto Sans CJK KR", sans-serif; }
.kn-tape table { border-collapse: collapse; width: 100%; }
.kn-tape th, .kn-tape td { padding: 2px 8px; text-align: left !important; white-space: nowrap;
  border-bottom: 1px solid var(--jp-border-color2, #ddd); }
.kn-tape th { position: sticky; top: 0; background: var(--jp-layout-color0, #fff);
  color: var(--jp-ui-font-color2, #616161); }
.kn-tape td.kn-n, .kn-tape th.kn-n { text-align: right !important; font-variant-numeric: tabular-nums; }
.kn-tape .kn-buy { color: #d32f2f; } .kn-tape .kn-sell { color: #1565c0; }
[data-jp-theme-light="false"] .kn-tape .kn-buy { color: #ff7b72; }
[data-jp-theme-light="false"] .kn-tape .kn-sell { color: #79b8ff; }
</style>"""
