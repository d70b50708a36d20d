"""The command ``kiwoom-nb dashboard``: the dashboard as a web page of this machine, without a notebook."""

from __future__ import annotations

import json
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import MissingExtra, SourceError
from .page import OPTIONS, TOKEN


def dashboard(
    replay: Annotated[
        str | None, typer.Option(help='Replay a journal, a Parquet file, a folder, or "sample" instead of the account.')
    ] = None,
    speed: Annotated[float, typer.Option(min=0, help="Of a replay: times the recorded clock; 0: all at once.")] = 60.0,
    max_silence: Annotated[float | None, typer.Option(help="Of a replay: longest silence to sit through.")] = None,
    mode: Annotated[str | None, typer.Option(help='"demo" or "real" (default: KIWOOM_MODE, else demo).')] = None,
    url: Annotated[str | None, typer.Option(help="Another server, with --token.")] = None,
    token: Annotated[str | None, typer.Option(envvar=TOKEN, show_envvar=True, help="The token for --url.")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder of the journals (default: the user's data folder).")] = None,
    allow_plaintext: Annotated[
        bool, typer.Option("--allow-plaintext", help="Allow ws:// to another machine: the token travels in clear.")
    ] = False,
    colors: Annotated[str, typer.Option(help='"korea" (red up), "colorblind" or "us" (green up).')] = "korea",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Show the account's dashboard, or that of a replay, as a web page of this machine, until Ctrl-C.

    The stream begins with the first page that is opened and ends with this command: all pages share it, and closing
    them ends nothing. Keys are looked up as in a notebook. One key holds one connection: a notebook that starts
    meanwhile takes it over. The printed address holds a token, without which nobody sees the page.
    """
    if find_spec("voila") is None:
        raise MissingExtra("kiwoom-nb dashboard", "voila", "voila")
    options: dict[str, Any] = {"folder": str(Path.cwd()), "colors": colors, "replay": None}
    if replay is not None:
        if mode or url or to:
            raise typer.BadParameter("--replay shows a recording: --mode, --url and --to are for the account")
        _refuse_unreadable(replay)
        options["replay"] = {"source": replay, "speed": speed, "max_silence": max_silence}
    else:
        _refuse_unknown(mode, url, token)
        options["stream"] = {
            "mode": mode,
            "url": url,
            "with_token": url is not None,
            "record": str(to.expanduser().absolute()) if to else True,
            "allow_plaintext": allow_plaintext,
        }
    _refuse_colors(colors)
    os.environ[OPTIONS] = json.dumps(options)  # the kernel inherits it; no file, address or argument holds a secret
    if token is not None:
        os.environ[TOKEN] = token
    from .page_server import serve

    with tempfile.TemporaryDirectory(prefix="kiwoom_nb-") as folder:
        serve(Path(folder).resolve(), port, opens_browser=not no_browser)


def _refuse_colors(colors: str) -> None:
    from .dashboard import COLORS

    if colors not in COLORS:
        raise typer.BadParameter(f"--colors {colors} is not known: give one of {', '.join(COLORS)}")


def _refuse_unreadable(source: str) -> None:
    """Raise SourceError where there is nothing to replay: a sentence here is seen sooner than one in the page."""
    from .samples import is_sample

    if not is_sample(source) and not Path(source).expanduser().exists():
        raise SourceError(source, "does not exist", 'Give a journal, a Parquet file, a folder of them, or "sample".')


def _refuse_unknown(mode: str | None, url: str | None, token: str | None) -> None:
    """Raise where it is plain that nobody could log in, for the same reason."""
    from .credentials import default_mode, find

    if url is None and token is None:
        find(mode or default_mode())
    elif url is None or token is None or mode is not None:
        raise typer.BadParameter(f"--url goes with --token (or {TOKEN}) and without --mode")
