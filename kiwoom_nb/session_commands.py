"""The commands about recorded sessions: record one without a notebook, watch one again, export or archive them."""

from __future__ import annotations

import csv
import math
import re
import signal
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer

from .labels import say

FORMATS: Final = (".parquet", ".csv", ".xlsx")
_SIDES: Final = {"buy": "▲ buy ", "sell": "▼ sell"}


def wait_for_signal(look: Callable[[], bool] = lambda: False) -> None:
    """Wait for Ctrl-C or, where there is such a thing, a request to terminate; or until ``look()`` is true."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        ended.set()

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)
    while not ended.wait(0.5) and not look():  # a wait without end cannot be interrupted on Windows
        pass


# --- record -------------------------------------------------------------------------------------------------------


def record(
    mode: Annotated[str | None, typer.Option(help='"demo" or "real" (default: KIWOOM_MODE, else demo).')] = None,
    url: Annotated[str | None, typer.Option(help="Another server, with --token.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="KIWOOM_NB_TOKEN", show_envvar=True, help="The token for --url.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Folder of the journals (default: the user's data folder).")] = None,
    allow_plaintext: Annotated[
        bool, typer.Option("--allow-plaintext", help="Allow ws:// to another machine: the token travels in clear.")
    ] = False,
) -> None:
    """Record the account's balance events while Jupyter is closed, until Ctrl-C or a request to terminate.

    Keys are looked up as in a notebook (environment, then the OS keyring). One key holds one connection: a notebook
    that starts meanwhile takes it over, and this command ends with exit code 1.
    """
    from .notebook import stream_balances

    frame = stream_balances(mode=mode, url=url, token=token, record=to or True, allow_plaintext=allow_plaintext)
    shown = ""

    def look() -> bool:
        nonlocal shown
        status = frame.kn.status
        reason = f" · {say('last_attempt', reason=status.reason)}" if status.reason else ""
        kept = status.journal_error or status.journal
        line = f"{say(status.state)} · {say('events', count=status.events)}{reason} · {kept}"
        if line != shown:
            typer.echo(line)
            shown = line
        return bool(status.ended)

    wait_for_signal(look)
    frame.kn.stop()
    status = frame.kn.status
    typer.echo(str(status), err=status.error is not None)
    raise typer.Exit(int(status.error is not None))


# --- replay -------------------------------------------------------------------------------------------------------


def replay(
    source: Annotated[str, typer.Argument(help='A journal, a Parquet file, a folder, or "sample".')] = "sample",
    speed: Annotated[float, typer.Option(help="How much faster than the recorded clock; 0: all at once.")] = 60.0,
    max_silence: Annotated[float | None, typer.Option(help="Longest silence to sit through, in seconds.")] = None,
) -> None:
    """Watch a recorded session again in the terminal, event by event."""
    from tqdm import tqdm

    from .notebook import replay as start

    frame = start(source, speed=speed or math.inf, max_silence=max_silence)
    total = frame.kn.status.total
    printed = 0
    with tqdm(total=total, unit=" events", file=sys.stdout, ncols=80, leave=False, disable=None) as bar:
        while printed < total and frame.kn.wait(printed + 1):
            for row in frame.iloc[printed:].itertuples(index=False):
                bar.write(_event_line(row), file=sys.stdout)
            bar.update(len(frame) - printed)
            printed = len(frame)
    typer.echo(f"{printed:,} events, {len(frame.kn.gaps)} gaps, {len(frame.kn.rejected)} rejected values.")


def _event_line(row: Any) -> str:
    realized = row.realized_pnl + row.credit_realized_pnl  # cash and credit, each of the position today
    return (
        f"{row.received_at:%H:%M:%S}  {_SIDES.get(row.side, '  ?   ')}  {_text(row.symbol)}  {_text(row.name)}  "
        f"@ {_number(row.price)}  holds {_number(row.quantity)}  realized today {_number(realized, sign='+')}"
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "?"  # NA of a category is a float


def _number(value: Any, sign: str = "") -> str:
    import pandas as pd

    return "?" if pd.isna(value) else f"{value:{sign},}"


# --- export -------------------------------------------------------------------------------------------------------


def export(
    source: Annotated[str, typer.Argument(help='A journal, a Parquet file, a folder of them, or "sample".')],
    target: Annotated[Path, typer.Argument(help="A file (.parquet, .csv, .xlsx), or a folder: a file for each.")],
    to: Annotated[str, typer.Option(help="Kind of the files where the target is a folder.")] = "parquet",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Write account numbers in full.")] = False,
) -> None:
    """Write recorded sessions to Parquet, CSV or Excel; the rows written are counted before anything is called done."""
    from tqdm import tqdm

    from .storage import load

    written = 0
    jobs = _jobs(source, target, f".{to.removeprefix('.')}")
    for path in (path for _, path in jobs if path.exists() and not overwrite):
        raise ValueError(f"{path} is there already; choose another name or pass --overwrite.")
    with tqdm(total=len(jobs), unit=" files", file=sys.stdout, ncols=80, disable=None) as bar:
        for one, path in jobs:
            frame = load(one, mask_accounts=not unmasked)
            _write(frame, path)
            _check_rows(path, len(frame))
            written += len(frame)
            bar.update()
    typer.echo(f"{written:,} rows in {len(jobs)} file{'' if len(jobs) == 1 else 's'} at {target}")


def _jobs(source: str, target: Path, ending: str) -> list[tuple[str, Path]]:
    """Return which source goes to which file."""
    from . import samples
    from .storage import recordings

    if _kind(target) in FORMATS and not target.is_dir():
        return [(source, target)]
    kind = ending.lower()
    if (target.suffix and not target.is_dir()) or kind not in FORMATS:
        refused = ending if kind not in FORMATS else target.suffix
        raise ValueError(f"{refused} is no kind of file to export to; there are {', '.join(FORMATS)}.")
    if samples.is_sample(source):
        path = samples.path_of(source)
        return [(str(path), target / f"{_stem(path)}{kind}")]
    folder = Path(source).expanduser()
    paths = recordings(folder)
    # The folders below are kept: two of them may hold files of one name.
    places = [path.relative_to(folder).parent if path != folder else Path() for path in paths]
    return [(str(path), target / place / f"{_stem(path)}{kind}") for path, place in zip(paths, places, strict=True)]


def _stem(path: Path) -> str:
    return path.name.partition(".jsonl")[0].removesuffix(".parquet")


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _write(frame: Any, path: Path) -> None:
    writers = {".parquet": frame.kn.to_parquet, ".csv": frame.kn.to_csv, ".xlsx": frame.kn.to_excel}
    try:
        writers[_kind(path)](path)
    except OSError as exc:
        raise ValueError(f"{path} cannot be written: {exc.strerror or exc}.") from exc


def _check_rows(path: Path, rows: int) -> None:
    found = _COUNTERS[_kind(path)](path)
    if found != rows:
        path.unlink()
        raise ValueError(f"{path} held {found:,} rows instead of {rows:,} and was removed. Export it again.")


def _rows_of_parquet(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _rows_of_csv(path: Path) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def _rows_of_excel(path: Path) -> int:
    with zipfile.ZipFile(path) as book:
        return len(re.findall(rb"<row ", book.read("xl/worksheets/sheet1.xml"))) - 1


_COUNTERS: Final[dict[str, Callable[[Path], int]]] = {
    ".parquet": _rows_of_parquet,
    ".csv": _rows_of_csv,
    ".xlsx": _rows_of_excel,
}


# --- archive ------------------------------------------------------------------------------------------------------


def archive(
    folder: Annotated[str, typer.Argument(help="Folder of the archive, or a URL that fsspec knows.")],
    source: Annotated[
        str | None,
        typer.Argument(help='A journal, a Parquet file, a folder, or "sample" (default: all that you have recorded).'),
    ] = None,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Write account numbers in full.")] = False,
    anonymize: Annotated[bool, typer.Option("--anonymize", help="Write pseudonyms instead of accounts.")] = False,
) -> None:
    """Add recorded sessions to a folder of Parquet files, one for each session and day; what is there adds nothing."""
    from .archiving import archive as add

    if unmasked and anonymize:
        raise typer.BadParameter("--unmasked and --anonymize exclude each other")
    report = add(folder, source, mask_accounts=not unmasked, anonymize=anonymize)
    for file in report[report["status"] != "same"].itertuples():
        typer.echo(f"{file.status:<9} {file.rows:>9,} rows  {file.file}")
    counts = {status: int((report["status"] == status).sum()) for status in ("added", "replaced", "same")}
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    typer.echo(
        f"{report['rows'].sum():,} rows in {len(report)} file{'' if len(report) == 1 else 's'} at {folder}: {told}"
    )
