"""Figures of P&L: realized over time, its drawdown, and a day as a waterfall."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from .costs import Costs
from .figure_labels import say
from .figure_style import (
    Colors,
    Theme,
    Trace,
    faded,
    figure,
    layout,
    nothing,
    plain,
    row_axis,
    rows_layout,
    signed_won,
    theme,
    tinted,
    won_axis,
)
from .figure_time import day_lines, gap_shapes, local, split_days, thinned, time_axis
from .fills import fills
from .keyed import Ints, days_of, moments
from .pnl import realized_pnl
from .positions import positions
from .schema import RECEIVED_AT
from .scopes import Scope

if TYPE_CHECKING:
    import plotly.graph_objects as go

Split = Literal["symbol", "account", "credit"] | None

_SHOWN_LINES: Final = 8
_DASHES: Final = ("solid", "dash", "dot", "dashdot")


# --- realized P&L over time ---------------------------------------------------------------------------------------


def plot_realized_pnl(
    frame: pd.DataFrame,
    by: Split = None,
    scope: Scope = "position",
    *,
    colors: Colors = "korea",
    dark: bool | None = None,
) -> go.Figure:
    """Return the realized P&L of each day as a step line: won, before fee and tax, from 0 anew with each KST day.

    Parameters
    ----------
    frame
        Balance events in order of arrival.
    by
        None: the total. ``"symbol"``, ``"account"``: a line for each (the eight that moved most, the others summed
        up). ``"credit"``: cash (FID 990) and credit (FID 992) apart, beside the total.
    scope
        What FIDs 990 and 992 of a row count, see :func:`kiwoom_nb.pnl.realized_pnl`.
    colors
        ``"korea"`` (red up, blue down, as a Korean HTS), ``"colorblind"`` or ``"us"`` (green up, red down).
    dark
        True, False, or None for a transparent ground on which either kind of page shows through.

    Returns
    -------
    plotly.graph_objects.Figure
        One without anything to show says so.

    Raises
    ------
    ValueError
        ``by``, ``scope`` or ``colors`` is not known.

    Notes
    -----
    Times in which the line was down are shaded. Of more than 4,000 points those are drawn that pixels can show: the
    first, last, lowest and highest of each short time.
    """
    look = theme(colors, dark)
    if by not in {None, "symbol", "account", "credit"}:
        raise ValueError(f'by={by!r} is not known: leave it out, or give "symbol", "account" or "credit".')
    title = say("realized_pnl" if by is None else f"by_{by}")
    steps = _steps(frame, by, scope)
    if not len(steps):
        return nothing(look, title, say("no_fills"))
    at = moments(steps.index.to_series())
    total = steps[say("total")] if by == "credit" else (steps if by is None else steps.sum(axis=1))
    traces = _total_traces(look, at, steps.to_numpy()) if by is None else _line_traces(look, at, steps)
    last = total.iloc[-1]
    heading = f"{title}  {tinted(signed_won(last), last, look)}"
    return figure(traces, _over_time(look, heading, frame, at, height=340 if by is None else 400))


def _steps(frame: pd.DataFrame, by: Split, scope: Scope) -> Any:
    """Return the realized P&L over time, as a Series or with a column for each line."""
    if by is None:
        return realized_pnl(frame, None, scope)
    if by == "credit":
        # a blank stays one: a row counts where both are told, and so the parts add up to the total
        parts = [realized_pnl(frame.assign(**{name: frame[name] * 0}), None, scope) for name in _CREDIT_PARTS]
        return pd.DataFrame({say("cash"): parts[0], say("credit"): parts[1], say("total"): parts[0] + parts[1]})
    return _few(_named(realized_pnl(frame, by, scope), frame, by))


_CREDIT_PARTS: Final = ("credit_realized_pnl", "realized_pnl")  # what is left out of cash, and of credit


def _named(table: Any, frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return ``table`` with names of symbols as columns; the code is added where two share a name."""
    if by != "symbol":
        return table  # type: ignore[no-any-return]
    pairs = frame[["symbol", "name"]].dropna(subset="symbol").drop_duplicates("symbol", keep="last").astype("object")
    names = {code: code if pd.isna(name) else name for code, name in pairs.itertuples(index=False)}
    shared = pd.Series(names).duplicated(keep=False)
    return table.rename(columns={code: f"{name} {code}" if shared[code] else name for code, name in names.items()})  # type: ignore[no-any-return]


def _few(table: pd.DataFrame) -> pd.DataFrame:
    """Return the lines that moved most, highest first, and the sum of the others; without those that never moved."""
    moved = table.abs().max().sort_values(ascending=False, kind="stable")
    if moved.any():
        moved = moved[moved > 0]
    kept = list(moved.index[:_SHOWN_LINES])
    kept.sort(key=lambda name: -table[name].iloc[-1])
    shown, others = table[kept], table[moved.index.difference(kept)]
    return shown.assign(**{say("others", count=others.shape[1]): others.sum(axis=1)}) if others.shape[1] else shown


def _total_traces(look: Theme, at: Ints, values: Any) -> list[Trace]:
    """Return the step line of a total, the ground above zero and below it in colour."""
    kept = thinned(at, values)
    at, values = at[kept], values[kept]
    high = _area(at, np.maximum(values, 0), "above", look.up)
    low = _area(at, np.minimum(values, 0), "below", look.down)
    times, line = split_days(at, values)
    style = {"shape": "hv", "width": 2, "color": look.ink}
    return [high, low, _step_trace(times, line, "total", line=style, showlegend=False, **_hover(line))]


def _area(at: Ints, values: Any, name: str, color: str) -> Trace:
    """Return the ground between zero and a line in colour; nights are at zero."""
    times, part = split_days(at, values, between=0)
    style = {"line": {"shape": "hv", "width": 0, "color": color}, "fill": "tozeroy", "fillcolor": faded(color, 0.18)}
    return _step_trace(times, part, name, hoverinfo="skip", showlegend=False, **style)


def _line_traces(look: Theme, at: Ints, table: pd.DataFrame) -> list[Trace]:
    """Return a step line for each column, told apart by colour and dash."""
    traces = []
    for number, name in enumerate(table):
        column = table[name].to_numpy()
        kept = thinned(at, column)
        times, values = split_days(at[kept], column[kept])
        is_sum = name == say("total")
        color, dash = (look.ink, "solid") if is_sum else (look.muted, "dot")
        if number < _SHOWN_LINES and not is_sum:
            color, dash = look.lines[number], _DASHES[number % len(_DASHES)]
        line = {"color": color, "dash": dash, "width": 2, "shape": "hv"}
        traces.append(_step_trace(times, values, str(name), line=line, **_hover(values, is_one_of_many=True)))
    return traces


def _step_trace(times: Any, values: Any, name: str, **more: Any) -> Trace:
    return {"type": "scatter", "mode": "lines", "x": times, "y": values, "name": plain(name), "meta": name, **more}


def _hover(values: Any, is_one_of_many: bool = False) -> Trace:
    """Return what pointing at a line tells."""
    said = "%{fullData.name}  " if is_one_of_many else ""
    shown = [signed_won(value) for value in values]
    return {"customdata": shown, "hovertemplate": f"{said}%{{customdata}}<extra></extra>"}


def _over_time(look: Theme, title: str, frame: pd.DataFrame, at: Ints, *, height: int) -> dict[str, Any]:
    shades, labels = gap_shapes(look, frame)
    return layout(
        look,
        title,
        height=height,
        hovermode="x unified",
        xaxis=time_axis(look, at),
        yaxis=won_axis(look),
        shapes=[*day_lines(look, at), *shades],
        annotations=labels,
    )


def plot_drawdown(
    frame: pd.DataFrame,
    scope: Scope = "position",
    *,
    colors: Colors = "korea",
    dark: bool | None = None,
) -> go.Figure:
    """Return how far the realized P&L of each day was below its highest so far, or below 0: won, 0 or less.

    The lowest point of a day is ``max_drawdown`` of :func:`kiwoom_nb.pnl.summary` where the frame is about one account.

    Parameters
    ----------
    frame
        Balance events in order of arrival.
    scope
        What FIDs 990 and 992 of a row count, see :func:`kiwoom_nb.pnl.realized_pnl`.
    colors
        ``"korea"`` (red up, blue down, as a Korean HTS), ``"colorblind"`` or ``"us"`` (green up, red down).
    dark
        True, False, or None for a transparent ground on which either kind of page shows through.

    Returns
    -------
    plotly.graph_objects.Figure
        One without anything to show says so.

    Raises
    ------
    ValueError
        ``scope`` or ``colors`` is not known.
    """
    look, title = theme(colors, dark), say("drawdown")
    steps = realized_pnl(frame, None, scope)
    if not len(steps):
        return nothing(look, title, say("no_fills"))
    at = moments(steps.index.to_series())
    fall = _fall(at, np.asarray(steps, np.int64))
    kept = thinned(at, fall)
    times, values = split_days(at[kept], fall[kept], between=0)
    look_of_line = {"fill": "tozeroy", "fillcolor": faded(look.down, 0.2)}
    line = {"shape": "hv", "width": 1.5, "color": look.down}
    trace = _step_trace(times, values, "drawdown", line=line, showlegend=False, **look_of_line, **_hover(values))
    lowest = int(fall.argmin())
    said = say("deepest", amount=signed_won(fall[lowest]))
    shown = _over_time(look, f"{title}  {tinted(said, fall[lowest], look)}", frame, at, height=280)
    return figure([trace, _deepest(look, at[lowest], fall[lowest])], shown)


def _fall(at: Ints, values: Ints) -> Ints:
    """Return how far ``values`` are below their highest of the day, which is 0 at least."""
    highest = pd.Series(np.maximum(values, 0)).groupby(days_of(at)).cummax()
    fall: Ints = values - np.asarray(highest, np.int64)
    return fall


def _deepest(look: Theme, at: int, fall: int) -> Trace:
    """Return a mark at the deepest point."""
    marker = {"symbol": "triangle-down", "size": 10, "color": look.down}
    point = {"type": "scatter", "mode": "markers", "x": local(np.array([at])), "y": [fall], "marker": marker}
    return {**point, "name": "deepest", "meta": "deepest", "showlegend": False, "hoverinfo": "skip"}


# --- a day --------------------------------------------------------------------------------------------------------


def plot_day(
    frame: pd.DataFrame,
    costs: Costs | None = None,
    date: str | dt.date | None = None,
    *,
    scope: Scope = "position",
    colors: Colors = "korea",
    dark: bool | None = None,
) -> go.Figure:
    """Return a waterfall of a day: realized and unrealized P&L, less fees and tax of its fills, to what is left.

    Parameters
    ----------
    frame
        Balance events of that day, and those before it that tell how it began.
    costs
        Fee and tax; default: Kiwoom's online fee and the tax of the day.
    date
        A day in Korea; default: that of the last event.
    scope
        What FIDs 990 and 992 of a row count, see :func:`kiwoom_nb.pnl.realized_pnl`.
    colors
        ``"korea"`` (red up, blue down, as a Korean HTS), ``"colorblind"`` or ``"us"`` (green up, red down).
    dark
        True, False, or None for a transparent ground on which either kind of page shows through.

    Returns
    -------
    plotly.graph_objects.Figure
        One without anything to show says so.

    Raises
    ------
    ValueError
        ``date`` cannot be read, the sale is older than the table of taxes, ``scope`` or ``colors`` is not known.

    Notes
    -----
    The unrealized P&L is that of all that is held after the last event of the day, at the last prices; fees and tax
    are those of the fills of the day alone, also where they opened what is still held.
    """
    look = theme(colors, dark)
    at = moments(frame[RECEIVED_AT])
    if date is None and not len(frame):
        return nothing(look, say("realized_pnl"), say("no_fills"))
    day = int(days_of(at[-1:])[0] if date is None else np.datetime64(pd.Timestamp(date), "D").astype(np.int64))
    named = str(np.datetime64(day, "D"))
    title = say("day", date=named)
    end = int(np.searchsorted(days_of(at), day, side="right"))
    if not end or days_of(at[end - 1 : end])[0] != day:
        return nothing(look, title, say("no_events_on", date=named))
    amounts, notes = _of_day(frame if end == len(frame) else frame.iloc[:end], day, costs or Costs(), scope)
    return _waterfall_figure(look, title, amounts, notes)


def _waterfall_figure(look: Theme, title: str, amounts: dict[str, int], notes: list[str]) -> go.Figure:
    net = sum(amounts.values())
    values = [*amounts.values(), net]
    texts = [signed_won(value) for value in values]
    names = [*(say(name) for name in amounts), f"<b>{say('net')}</b>"]
    heading = f"{title}  {tinted(texts[-1], net, look)}"
    axis = row_axis(look, names, autorange="reversed")
    shown = rows_layout(look, heading, names, texts, values, row=44, notes=notes, yaxis=axis, waterfallgap=0.4)
    return figure([_waterfall(look, amounts, net)], shown)


def _of_day(until: pd.DataFrame, day: int, costs: Costs, scope: Scope) -> tuple[dict[str, int], list[str]]:
    """Return what made up the day, costs negative, and what is to be said about it."""
    traded = fills(until, costs=costs)
    traded = traded[days_of(moments(traded["time"])) == day]
    amounts = {
        "realized": int(np.asarray(realized_pnl(until, None, scope))[-1]),
        "unrealized": int(positions(until)["unrealized_pnl"].sum()),
        "fees": -int(traded["fee"].sum()),
        "tax": -int(traded["tax"].sum()),
    }
    unknown = int(traded["amount"].isna().sum())
    notes = [say("unknown_amounts", count=unknown)] if unknown else []
    if traded.loc[(traded["side"] == "sell").to_numpy(bool), "assumed"].any():
        notes.append(say("assumed"))
    return amounts, notes


def _waterfall(look: Theme, amounts: dict[str, int], net: int) -> Trace:
    names = [*amounts, "net"]
    values = [*amounts.values(), net]
    return {
        "type": "waterfall",
        "orientation": "h",
        "y": list(range(len(names))),
        "x": values,
        "measure": [*(["relative"] * len(amounts)), "total"],
        "name": "day",
        "meta": "day",
        "showlegend": False,
        "text": [signed_won(value) for value in values],
        "textposition": "none",
        "customdata": [say(name) for name in names],
        "hovertemplate": "%{customdata}: %{text}<extra></extra>",
        "connector": {"line": {"color": look.axis, "width": 1, "dash": "dot"}},
        "increasing": {"marker": {"color": look.up}},
        "decreasing": {"marker": {"color": look.down}},
        "totals": {"marker": {"color": look.down if net < 0 else look.up, "line": {"width": 2, "color": look.ink}}},
    }
