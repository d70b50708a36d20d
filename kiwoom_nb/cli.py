"""The command ``kiwoom-nb``: a demo, the lessons in JupyterLab, and the server that speaks Kiwoom."""

from __future__ import annotations

import math
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import __version__, page_commands, session_commands, shipped
from .addresses import is_loopback
from .errors import KiwoomError, MissingExtra
from .paths import home
from .session_commands import wait_for_signal

if TYPE_CHECKING:
    import pandas as pd

    from .classroom import Server
    from .trading_day import TradingDay

app = typer.Typer(
    name="kiwoom-nb",
    help="Kiwoom balance events (type 04) as a live pandas DataFrame. No command ever places an order.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 done, 1 it could not be done (the reason is on stderr), 2 the command line is wrong.",
)

DEMO_SECONDS = 15.0
_DEMO_EVENTS = 300
_DEMO_WAITS = 45.0
_CONTENTS = "index.ipynb"


def main() -> None:
    """Run the command line; errors of ours end it with a sentence on stderr and exit code 1."""
    try:
        app()
    except (KiwoomError, ValueError, OSError) as exc:
        typer.echo(f"kiwoom-nb: {exc}", err=True)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"kiwoom-nb {__version__}")
        raise typer.Exit


# --- demo ---------------------------------------------------------------------------------------------------------


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=1, help="How long the synthetic day lasts.")] = DEMO_SECONDS,
) -> None:
    """Live through a short synthetic trading day: server, WebSocket, live DataFrame, journal, Parquet.

    Needs no account and no network: the server runs on this machine, the day is made up.
    """
    from .classroom import serve
    from .notebook import stream_balances
    from .trading_day import simulate

    _require_simulator()
    day = simulate(seed=0, events=_DEMO_EVENTS)
    with serve(day, speed=_length(day) / seconds) as server:
        typer.echo(f"A server that speaks Kiwoom runs at {server.url}; its day is synthetic.\n")
        typer.echo("    import kiwoom_nb as kn\n    df = kn.stream_balances(url=server.url, token=server.token)\n")
        frame = stream_balances(url=server.url, token=server.token, record=home() / "demo")
        complete = _show_progress(frame, sum(1 for _ in _entries(day)))
        journal = frame.kn.status.journal
        frame.kn.stop()
    if not complete:
        typer.echo(f"The day did not arrive in full: {frame.kn.status}", err=True)
        raise typer.Exit(1)
    _print_result(frame)
    parquet = frame.kn.to_parquet(journal.with_suffix(".parquet"))
    typer.echo(f"\njournal  {journal}\nParquet  {parquet}\n\nkn.load(either) gives this frame back.")
    typer.echo('Next: "kiwoom-nb lab" opens the notebooks.')


def _require_simulator() -> None:
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise MissingExtra("The demo", "starlette or uvicorn", "simulator")


def _length(day: TradingDay) -> float:
    times = [received_at for received_at, _ in day.frames()]
    return (times[-1] - times[0]) / 1e6


def _entries(day: TradingDay) -> Iterator[Any]:
    import msgspec

    for _, raw in day.frames():
        yield from msgspec.json.decode(raw)["data"]


def _show_progress(frame: Any, total: int) -> bool:
    """Wait for ``total`` rows under a progress bar; return whether they came."""
    from tqdm import tqdm

    with tqdm(total=total, unit=" events", file=sys.stdout, ncols=80, disable=None) as bar:  # None: not in a file
        while len(frame) < total and frame.kn.wait(min(len(frame) + 1, total), timeout=_DEMO_WAITS):
            bar.update(len(frame) - bar.n)
    return len(frame) >= total


def _print_result(frame: pd.DataFrame) -> None:
    import pandas as pd

    shown = ["received_at", "symbol", "name", "side", "price", "quantity", "average_price", "cost", "realized_pnl"]
    with pd.option_context("display.width", 140, "display.max_columns", None, "display.unicode.east_asian_width", True):
        typer.echo(f"\n{frame[shown].tail()}\n")
    names = [f"{name:<24} {dtype}" for name, dtype in frame.dtypes.items()]
    half = (len(names) + 1) // 2
    for left, right in zip(names[:half], [*names[half:], ""], strict=False):
        typer.echo(f"{left:<54} {right}")
    book = frame.kn.positions(closed=True)
    realized, unrealized = int(book["realized_pnl_today"].sum()), int(book["unrealized_pnl"].sum())
    typer.echo(
        f"\n{len(frame):,} events, {(book['events'] > 0).sum()} positions traded, {(book['quantity'] > 0).sum()} held\n"
        f"실현손익 realized    {realized:+14,} KRW (before fee and tax)\n"
        f"평가손익 unrealized  {unrealized:+14,} KRW (at the last price seen)"
    )


# --- lab ----------------------------------------------------------------------------------------------------------


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(
    context: typer.Context,
    to: Annotated[
        Path | None, typer.Option(help="Copy the notebooks there first (default: only where they are not yours yet).")
    ] = None,
) -> None:
    """Open JupyterLab on the lessons' table of contents; further options go to JupyterLab (such as --no-browser)."""
    if find_spec("jupyterlab") is None:
        raise MissingExtra("kiwoom-nb lab", "jupyterlab", "lab")
    source = shipped.folder("notebooks")
    target = to or (source if shipped.is_clone() else Path.home() / "kiwoom_nb_notebooks")
    if target != source:
        _copy_notebooks(source, target)
    typer.echo(f"Notebooks: {target}")
    command = [sys.executable, "-m", "jupyterlab", str(target / _CONTENTS), *context.args]
    raise typer.Exit(subprocess.call(command))  # noqa: S603 - our own interpreter


@app.command()
def lessons(
    to: Annotated[Path, typer.Option(help="Folder to copy them to; what is there already is never overwritten.")],
) -> None:
    """Copy the lessons (notebooks in Korean) to a folder of your own."""
    copied = _copy_notebooks(shipped.folder("notebooks"), to)
    typer.echo(f"{copied} files copied to {to}" + ("" if copied else ": all of them were there already"))
    typer.echo(f"Begin with {to / _CONTENTS} (kiwoom-nb lab --to {to} opens it).")


def _copy_notebooks(source: Path, target: Path) -> int:
    """Copy what is not there yet and return how many; what a student has worked on is never overwritten."""
    copied = 0
    for path in sorted([*source.glob("*.ipynb"), *source.glob("*.md")]):  # exercises are read where they ship
        copy = target / path.name
        if not copy.exists():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            copied += 1
    return copied


# --- serve --------------------------------------------------------------------------------------------------------


@app.command()
def serve(
    source: Annotated[
        str | None, typer.Argument(help='A journal, a folder of them, or "sample" (default: a synthetic day).')
    ] = None,
    seed: Annotated[int, typer.Option(help="Which synthetic day; the same seed makes the same day.")] = 0,
    events: Annotated[int, typer.Option(min=1, help="Fills of that day.")] = 300,
    speed: Annotated[float, typer.Option(help="How much faster than the clock; 0: as fast as clients read.")] = 60.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again when it is over.")] = False,
    clients: Annotated[int, typer.Option(min=1, help="How many tokens to print, each of an account of its own.")] = 1,
    wait_for: Annotated[int, typer.Option(min=0, help="Clients to wait for before it begins.")] = 1,
    host: Annotated[str, typer.Option(help="Address to listen on; outside 127.0.0.1 tokens travel in clear.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 8765,
) -> None:
    """Play a recording or a synthetic day in Kiwoom's protocol until interrupted: for trying out, and for a class."""
    from .classroom import serve as start
    from .trading_day import simulate

    if speed < 0 or math.isnan(speed):
        raise typer.BadParameter("speed must be 0 or more")
    if wait_for > clients:
        raise typer.BadParameter(f"--wait-for {wait_for} is more than --clients {clients}: it would never begin")
    with start(
        source or simulate(seed=seed, events=events),
        speed=speed or math.inf,
        loop=loop,
        wait_for=wait_for,
        host=host,
        port=port,
        accounts="each" if clients > 1 else "same",
    ) as server:
        _print_invitation(server, source or "a synthetic day", clients, host)
        wait_for_signal()
        typer.echo(f"\n{server.sent:,} frames sent; closing.")


def _print_invitation(server: Server, what: str, clients: int, host: str) -> None:
    """Print a line for each client that can be pasted into a cell."""
    url, plaintext = server.url, ""
    if not is_loopback(f"ws://{host}/"):
        url = server.url if host not in {"0.0.0.0", "::"} else server.url.replace("127.0.0.1", socket.gethostname())  # noqa: S104 - compared, not bound
        plaintext = ", allow_plaintext=True"
    typer.echo(f"Serving {what} at {url} (Ctrl-C ends it).\n\n    import kiwoom_nb as kn")
    tokens = [server.token, *(server.issue_token(f"student-{number}") for number in range(2, clients + 1))]
    for token in tokens:
        typer.echo(f'    df = kn.stream_balances(url="{url}", token="{token}"{plaintext})')


# --- recorded sessions: the work is in session_commands -------------------------------------------------------------

app.command()(session_commands.record)
app.command()(session_commands.replay)
app.command()(session_commands.export)
app.command()(session_commands.archive)

# --- the dashboard as a web page: the work is in page_commands ------------------------------------------------------

app.command()(page_commands.dashboard)
