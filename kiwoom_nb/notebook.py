"""``stream_balances`` and ``replay``: which keys, which loop, which frame.

In a notebook the stream is a task on the notebook's own event loop. A kernel is looked for, not a running loop:
terminal IPython has one only while a cell awaits, and tasks would stand still at its prompt.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .account_query import PAUSES, read_holdings
from .addresses import REST_URLS, WEBSOCKET_URLS, refuse_plaintext, server_name
from .aside import aside
from .credentials import default_mode, find
from .errors import JournalError, TokenNotAccepted, unframed
from .frame import LiveFrame
from .holdings import Answer
from .paths import home, owner_of
from .playback import Moment, Playback, name_of
from .recording import journal_folder
from .rest import Token, TokenSource
from .session import Tokens
from .storage import load
from .stream import Stream
from .trading_day import TradingDay
from .transport import connect


def stream_balances(
    *,
    mode: str | None = None,
    url: str | None = None,
    token: str | None = None,
    credentials: Any = None,
    holdings: bool = True,
    record: bool | str | os.PathLike[str] = True,
    background: bool = False,
    mask_accounts: bool = True,
    allow_plaintext: bool = False,
) -> LiveFrame:
    """Subscribe to the account's balance events (type ``04``) and return the DataFrame that grows with them.

    Returns at once; rows appear by themselves, one for each event, whenever an order of the account fills. Running
    the same cell again returns the same frame while its stream lives, and starts anew after it ended.

    Parameters
    ----------
    mode
        ``"demo"`` (mock trading, KRX only) or ``"real"``; default ``KIWOOM_MODE``, else ``"demo"``.
    url, token
        Go straight to a server (the simulator, a classroom server) with a token of its.
    credentials
        ``(app_key, secret_key)``; default the environment (``APP_KEY``/``APP_SECRET``, for demo
        ``APP_KEY_MOCK``/``APP_SECRET_MOCK``), then the OS keyring (:func:`kiwoom_nb.set_credentials`).
    holdings
        Ask by REST (kt00018) what the account holds, which type ``04`` does not tell: once the line is up, and again
        after each gap, whose ``missed`` in ``df.kn.gaps`` then counts the positions that had changed. They are no rows
        of this frame. Where they are not to be had the state line says why, and the stream goes on. False: ask nobody.
    record
        True: write the journal of the day to the user's data folder (``KIWOOM_NB_HOME`` moves it) and go on from it
        after a restart. A path: to that folder. False: nothing is written.
    background
        Run on a thread, so that the line survives a cell that computes for minutes. Without a notebook it always
        does, and rows appear at ``df.kn.wait()`` and ``df.kn.sync()``.
    mask_accounts
        Show only the last digits of account numbers.
    allow_plaintext
        Allow a ``ws://`` server that is not on this machine: the token then travels in clear.

    Returns
    -------
    LiveFrame
        A read-only pandas DataFrame of 30 columns; what is derived from it is plain. See ``df.kn.status``.

    Raises
    ------
    CredentialsNotFound
        No keys for that mode. It never falls back to sample data.
    InsecureURL
        The token would travel in clear.
    JournalError
        The journal cannot be written.
    ValueError
        Options that do not go together, or other ones than those of the stream that lives.
    """
    target = _target_or_failure(mode, url, token, credentials, allow_plaintext=allow_plaintext)
    del url, token, credentials  # a verbose traceback shows the variables of each frame
    if isinstance(target, Exception):
        raise target
    options: dict[str, object] = {
        "holdings": holdings,
        "record": record if isinstance(record, bool) else str(Path(record).expanduser().absolute()),
        "background": background,
        "mask_accounts": mask_accounts,
    }
    living = _STREAMS.get(target.key)
    if living is not None and not living.stream.ended:
        _refuse_other_options(living.options, options)
        return living.stream.frame
    stream = _start(target, options)
    _STREAMS[target.key] = _Living(stream, options)
    return stream.frame


def replay(
    source: str | os.PathLike[str] | TradingDay = "sample",
    *,
    speed: float = 1.0,
    start: Moment | None = None,
    autoplay: bool = True,
    max_silence: float | None = None,
    mask_accounts: bool = True,
) -> LiveFrame:
    """Play a recorded session again and return the DataFrame that grows with it as the live one did.

    No account and no network are needed. ``df.kn.play()``, ``pause()``, ``step(n)``, ``seek(row or time)`` and
    ``speed`` move along a virtual clock; ``df.kn.wait()`` and ``await df.kn.changed()`` work as on a live frame.

    Parameters
    ----------
    source
        What :func:`kiwoom_nb.load` reads (``"sample"`` is a busy synthetic day), or a day of
        :func:`kiwoom_nb.simulate`.
    speed
        How much faster than the recorded clock, from 0.25; ``float("inf")``: all at once.
    start
        A row or a time (``"10:30"``, KST) to begin at.
    autoplay
        Begin to play at once; else ``df.kn.play()`` does.
    max_silence
        Longest silence to sit through, in recorded seconds; None: all of it.
    mask_accounts
        Show only the last digits of account numbers.

    Returns
    -------
    LiveFrame
        A read-only pandas DataFrame of 30 columns; its state line says that it is a replay.

    Raises
    ------
    SourceError, JournalError
        There is nothing to load, or no balance event in it.
    ValueError
        A speed below 0.25, a silence of zero or less, a start outside of the recording.
    """
    loop = _notebook_loop()
    playback = Playback(
        load(source, mask_accounts=mask_accounts),
        name=name_of(source),
        speed=speed,
        max_silence=max_silence,
        loop=loop,
        block=_block,
    )
    if start is not None:
        playback.seek(start)
    if autoplay:
        playback.play()
    if loop is not None:
        _REPLAYS.add(playback)
        _call_before_each_cell()
    return playback.frame


# --- to whom ------------------------------------------------------------------------------------------------------


class _Target(NamedTuple):
    url: str
    tokens: Tokens
    rest_url: str
    server: str
    owner: str
    allow_plaintext: bool

    @property
    def key(self) -> tuple[str, str]:
        """The connection owner: one key holds one connection to a server."""
        return self.server, self.owner


class _Living(NamedTuple):
    stream: Stream
    options: dict[str, object]


_STREAMS: dict[tuple[str, str], _Living] = {}
_REPLAYS: weakref.WeakSet[Playback] = weakref.WeakSet()


def _target_or_failure(
    mode: str | None, url: str | None, token: str | None, credentials: Any, *, allow_plaintext: bool
) -> _Target | Exception:
    """Return to whom, or why to nobody: without the frames that know keys and tokens."""
    try:
        return _target(mode, url, token, credentials, allow_plaintext=allow_plaintext)
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is raised by who asks
        return unframed(exc)


def _target(
    mode: str | None, url: str | None, token: str | None, credentials: Any, *, allow_plaintext: bool
) -> _Target:
    if (url is None) != (token is None):
        raise ValueError("url and token go together: a server, and a token that it issued.")
    if url is not None and token is not None:
        if mode is not None or credentials is not None:
            raise ValueError("Give either url and token, or mode and credentials.")
        url, token = _checked_url(url), _checked_token(token)
        refuse_plaintext(url, allow_plaintext=allow_plaintext)
        owner = _owner_of(token)
        return _Target(url, _GivenToken(token), _rest_url(url), server_name(url), owner, allow_plaintext)
    mode = default_mode() if mode is None else mode
    found = find(mode, credentials)
    tokens = _IssuedTokens(TokenSource(found))
    return _Target(WEBSOCKET_URLS[mode], tokens, REST_URLS[mode], mode, _owner_of(found.app_key), False)


def _rest_url(url: str) -> str:
    """Return where the server of a WebSocket takes requests: the same host and port, except at Kiwoom itself."""
    parts = urlsplit(url)
    return REST_URLS.get(server_name(url)) or f"http{parts.scheme.removeprefix('ws')}://{parts.netloc}"


def _checked_url(url: str) -> str:
    """Return ``url`` where it is one of a WebSocket; the address of the same server for requests is no such one."""
    url = url.strip()
    if not url.lower().startswith(("ws://", "wss://")):
        raise ValueError("url is the address of a WebSocket: it begins with wss:// (or ws:// on this machine).")
    return url


def _checked_token(token: str) -> str:
    """Return ``token`` as it goes into a header: a line break would end the header, and other libraries echo it."""
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise ValueError("token must be the token alone: printable ASCII, no space and no Bearer before it.")
    return token


def _owner_of(secret: str) -> str:
    try:
        return owner_of(secret)
    except OSError as exc:
        raise JournalError(
            str(home()), f"cannot be written: {exc.strerror or exc}", "Choose another folder with KIWOOM_NB_HOME."
        ) from exc


class _GivenToken:
    """A token that came from elsewhere: if it is refused there is no other."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get(self) -> str:
        return self._token

    async def refused(self, token: str) -> str:
        del token
        raise TokenNotAccepted("8005", "the token given is not valid")


class _IssuedTokens:
    """Tokens that Kiwoom issues for the keys; asked for on a thread, since that may take seconds."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token: Token | None = None

    async def get(self) -> str:
        return self._keep(await aside(self._source.get))

    async def refused(self, token: str) -> str:
        del token  # it is the one that get() gave last
        assert self._token is not None  # noqa: S101 - nothing is refused before it was asked for
        return self._keep(await aside(partial(self._source.refused, self._token)))

    def _keep(self, token: Token) -> str:
        self._token = token
        return token.value


def _refuse_other_options(living: dict[str, object], asked: dict[str, object]) -> None:
    others = [f"{name}={living[name]!r}" for name in asked if asked[name] != living[name]]
    if others:
        raise ValueError(
            f"This account is streaming already with {', '.join(others)}. "
            "Ask with the same options, or df.kn.stop() the stream first."
        )


# --- where --------------------------------------------------------------------------------------------------------


def _start(target: _Target, options: dict[str, Any]) -> Stream:
    record = options["record"]
    folder = journal_folder(target.server) if record is True else Path(record) if record else None
    loop = _notebook_loop()
    stream = Stream(
        connect=partial(connect, target.url, allow_plaintext=target.allow_plaintext),
        tokens=target.tokens,
        server=target.server,
        owner=target.owner,
        folder=folder,
        mask_accounts=options["mask_accounts"],
        loop=loop,
        background=options["background"],
        block=_block,
        read_holdings=partial(_read_holdings, target) if options["holdings"] else None,
    )
    if loop is not None:
        _call_before_each_cell()
    return stream


async def _read_holdings(target: _Target, token: str) -> Answer | None:
    pause = PAUSES.get(target.server, 0.0)  # a server of another kind has no such limits
    return await aside(
        lambda: read_holdings(target.rest_url, token, pause=pause, allow_plaintext=target.allow_plaintext)
    )


def _notebook_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop of the kernel whose cell is calling, None where there is no kernel."""
    if threading.current_thread() is not threading.main_thread() or not (_ipykernel() or _marimo()):
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _ipykernel() -> Any:
    """Return the IPython shell of a kernel, None elsewhere; terminal IPython has a shell without a kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if getattr(shell, "kernel", None) is not None else None


def _marimo() -> bool:
    marimo = sys.modules.get("marimo")
    return bool(marimo and marimo.running_in_notebook())


_hooked: list[object] = []


def _call_before_each_cell() -> None:
    """Let each cell start with the newest rows."""
    shell = _ipykernel()
    if shell is not None and not any(hooked is shell for hooked in _hooked):
        _hooked.append(shell)
        shell.events.register("pre_run_cell", _before_cell)


def _before_cell(*_: object) -> None:
    for living in tuple(_STREAMS.values()):
        living.stream.start_cell()
    for playback in tuple(_REPLAYS):
        playback.start_cell()


@atexit.register
def stop_all() -> None:
    """Stop every stream of this process and close its journal; also called when the process ends."""
    for living in _STREAMS.values():
        if not living.stream.ended:
            living.stream.stop()
    _STREAMS.clear()


# --- blocking in a cell -------------------------------------------------------------------------------------------


def _block(coroutine: Coroutine[Any, Any, bool]) -> bool:
    """Run ``coroutine`` to its end inside the running loop, which goes on serving everything else meanwhile.

    Patches asyncio by nest-asyncio2, and only when this is called. An interrupt ends the coroutine, nothing else: by
    default Python would raise it in whatever task happens to run, which may be the stream's.
    """
    import nest_asyncio2

    loop = asyncio.get_running_loop()
    _warn_of_nest_asyncio()
    nest_asyncio2.apply(loop)
    task = loop.create_task(coroutine)
    with _outer_step_kept(loop), _interrupts_cancel(task) as was_interrupted:
        try:
            result = bool(loop.run_until_complete(task))
        except asyncio.CancelledError:
            if was_interrupted():
                raise KeyboardInterrupt from None
            raise
    if was_interrupted():  # just when the wait was over: a loop around it is to end all the same
        raise KeyboardInterrupt
    return result


@contextlib.contextmanager
def _outer_step_kept(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Keep as many handles ready as the step of the loop that is running this cell has counted.

    It was counted by asyncio's own loop, before it was patched: it would look for handles that the nested run has
    served meanwhile, and an empty queue ends the kernel ("pop from an empty deque").
    """
    behind = len(getattr(loop, "_ready", ()))
    try:
        yield
    finally:
        for _ in range(behind):
            loop.call_soon(_nothing)


def _nothing() -> None:
    pass


@contextlib.contextmanager
def _interrupts_cancel(task: asyncio.Task[bool]) -> Iterator[Callable[[], bool]]:
    interrupts: list[int] = []

    def cancel(number: int, frame: FrameType | None) -> None:
        del frame
        interrupts.append(number)
        task.get_loop().call_soon_threadsafe(task.cancel)

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield lambda: bool(interrupts)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)


def _warn_of_nest_asyncio() -> None:
    """Say so where the archived nest-asyncio has patched asyncio: it loses cells and widget messages on ipykernel 7."""
    if hasattr(asyncio, "_nest_patched") and not hasattr(asyncio, "_nest_asyncio2"):
        warnings.warn(
            "asyncio was patched by nest-asyncio, which is no longer maintained and loses cells on ipykernel 7. "
            "Remove nest_asyncio.apply() and restart the kernel; kiwoom_nb brings its successor nest-asyncio2.",
            RuntimeWarning,
            stacklevel=5,
        )
