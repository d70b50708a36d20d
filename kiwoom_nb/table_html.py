"""The positions table without a kernel: the same look, no script."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from .figure_style import percent, signed_won, won
from .schema import TIMEZONE
from .table_labels import COLUMNS, WORDS, Column, label, say
from .table_rows import plain

STYLE: Final = Path(__file__).with_name("static") / "positions_table.css"
_LEFT: Final = {"name", "text", "credit", "date"}
_SIGNED: Final = {"change", "pnl", "return"}
_KINDS: Final = {column.name: column.kind for column in COLUMNS}
_SUMMED: Final = ("cost", "market_value", "unrealized_pnl", "realized_pnl_today")


def page_of(positions: pd.DataFrame, whole: pd.DataFrame, names: Sequence[str], *, note: str, colors: str) -> str:
    """Return ``positions`` as HTML that draws itself anywhere, with the columns ``names`` and the sums of ``whole``."""
    columns = [column for column in COLUMNS if column.name in names]
    head = "".join(f'<th scope="col" class="{_side(column)}">{_escaped(label(column))}</th>' for column in columns)
    foot = "" if positions.empty else _total(whole, len(positions), columns)
    empty = f'<p class="kn-empty">{_escaped(say("empty"))}</p>' if positions.empty else ""
    notes = f'<p class="kn-note">{_escaped(note)}</p>' if note else ""
    return (
        f"<style>{STYLE.read_text('utf-8')}</style>"
        f'<div class="kn-positions kn-static" data-colors="{_escaped(colors)}"><div class="kn-scroll"><table>'
        f"<caption>{_escaped(say('caption'))}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{_body(positions, columns)}</tbody><tfoot>{foot}</tfoot></table></div>{empty}{notes}</div>"
    )


def text_of(positions: pd.DataFrame, names: Sequence[str]) -> str:
    """Return ``positions`` as plain text, with the columns ``names``."""
    if positions.empty:
        return say("empty")
    columns = [column for column in COLUMNS if column.name in names]
    with pd.option_context("display.unicode.east_asian_width", True):
        texts = {label(column): [text.replace("\n", " ") for text in cells_of(positions, column)] for column in columns}
        return pd.DataFrame(texts).to_string(index=False)


def cells_of(positions: pd.DataFrame, column: Column) -> list[str]:
    """Return the texts of one column."""
    if column.kind == "change":
        both = zip(plain(positions["day_change"]), plain(positions["day_change_pct"]), strict=True)
        return [f"{signed_won(change)}\n{_percent(rate)}" for change, rate in both]
    texts = [_WRITTEN[column.kind](value) for value in plain(positions[column.name])]
    if more := _MORE.get(column.kind):
        return [f"{text}\n{said}".rstrip() for text, said in zip(texts, more(positions), strict=True)]
    return texts


def _percent(value: Any) -> str:
    return "–" if value is None else percent(value)


def _text(value: Any) -> str:
    return "–" if value is None else str(value)


def _count(value: Any) -> str:
    return "–" if value is None else f"{value:,}"


def _credit(value: Any) -> str:
    return say(f"credit_{value}") if f"credit_{value}" in WORDS else _text(value)


def _moment(form: str) -> Callable[[Any], str]:
    return lambda value: "–" if value is None else f"{pd.Timestamp(value, unit='ms', tz=TIMEZONE):{form}}"


_day = _moment(" %m-%d")
_WRITTEN: Final[dict[str, Callable[[Any], str]]] = {
    "name": _text,
    "text": _text,
    "count": _count,
    "won": won,
    "price": won,
    "pnl": signed_won,
    "return": _percent,
    "share": lambda value: "–" if value is None else f"{100 * value:.2f}%",
    "time": _moment("%m-%d %H:%M:%S"),
    "date": lambda value: "–" if value is None else f"{pd.Timestamp(value, unit='ms'):%Y-%m-%d}",
    "credit": _credit,
}


def _lots(positions: pd.DataFrame) -> Iterable[str]:
    """Return what tells the lots of one symbol apart: the account where there are several, credit and loan date."""
    accounts, kinds, days = (plain(positions[name]) for name in ("account", "credit_type", "loan_date"))
    several = len(set(accounts)) > 1
    for account, credit, day in zip(accounts, kinds, days, strict=True):
        lot = "" if credit in {None, "00"} else _credit(credit) + ("" if day is None else _day(day))
        yield " · ".join(part for part in (_text(account) if several else "", lot) if part)


def _price_notes(positions: pd.DataFrame) -> Iterable[str]:
    """Return where each price comes from: of a page that stands still, by the clock."""
    seen = _moment("%H:%M")
    told = zip(*(plain(positions[name]) for name in ("price", "price_source", "price_at", "stale")), strict=True)
    for price, source, at, stale in told:
        text = say(f"price_{source}", ago=seen(at)) if price is not None and (at or source == "user") else ""
        yield f"⚠ {text}" if stale else text


def _stale_notes(positions: pd.DataFrame) -> Iterable[str]:
    return (say("stale") if stale else "" for stale in plain(positions["stale"]))


_MORE: Final = {"name": _lots, "price": _price_notes, "time": _stale_notes}


def _signs(positions: pd.DataFrame, column: Column) -> list[str]:
    """Return the class of each cell by the sign of its value."""
    if column.kind not in _SIGNED:
        return [""] * len(positions)
    return [_sign(value) for value in plain(positions[column.name])]


def _sign(value: Any) -> str:
    return "" if not value else " kn-up" if value > 0 else " kn-down"


def _body(positions: pd.DataFrame, columns: Sequence[Column]) -> str:
    """Return a row for each position."""
    texts = [cells_of(positions, column) for column in columns]
    signs = [_signs(positions, column) for column in columns]
    states = zip(plain(positions["stale"]), plain(positions["quantity"]), strict=True)
    rows = []
    for row, (stale, quantity) in enumerate(states):
        state = f"{'kn-stale ' if stale else ''}{'kn-closed' if quantity == 0 else ''}"
        cells = (
            _cell(*cell) for cell in zip(columns, [of[row] for of in texts], [of[row] for of in signs], strict=True)
        )
        rows.append(f'<tr class="{state.strip()}">{"".join(cells)}</tr>')
    return "".join(rows)


def _cell(column: Column, text: str, sign: str) -> str:
    main, _, more = text.partition("\n")
    tag, scope = ("th", ' scope="row"') if column.kind == "name" else ("td", "")
    small = f"<small>{_escaped(more)}</small>" if more else ""
    kind = f'class="{_side(column)}{sign}" data-column="{column.name}"'
    return f"<{tag}{scope} {kind}><span>{_escaped(main)}</span>{small}</{tag}>"


def _total(whole: pd.DataFrame, shown: int, columns: Sequence[Column]) -> str:
    """Return the last row: the sums of what is known."""
    sums: dict[str, Any] = {name: int(whole[name].sum()) for name in _SUMMED}
    cost = int(whole.loc[whole["unrealized_pnl"].notna(), "cost"].sum())
    sums["unrealized_pnl_pct"] = 100 * sums["unrealized_pnl"] / cost if cost else None
    sums["weight"] = 1 if sums["market_value"] else None
    texts = {name: _WRITTEN[_KINDS[name]](value) for name, value in sums.items()}
    texts["name"] = f"{say('total')}\n{say('positions', count=shown)}"
    if unknown := int(whole["market_value"].isna().sum()):
        texts["market_value"] += f"\n{say('unknown_left_out', count=unknown)}"
    if shown < len(whole) and (closed := int((whole["quantity"].eq(0) & whole["realized_pnl_today"].ne(0)).sum())):
        texts["realized_pnl_today"] += f"\n{say('closed_included', count=closed)}"
    signs = {name: _sign(value) for name, value in sums.items() if _KINDS[name] in _SIGNED}
    return f"<tr>{''.join(_cell(one, texts.get(one.name, ''), signs.get(one.name, '')) for one in columns)}</tr>"


def _side(column: Column) -> str:
    return "kn-left" if column.kind in _LEFT else "kn-right"


def _escaped(text: str) -> str:
    return html.escape(text)
