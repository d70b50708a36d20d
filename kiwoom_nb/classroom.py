"""A classroom: the simulator on a thread of its own, playing a recording to everyone who registers.

``kn.serve()`` binds to this machine only. Any other ``host=`` is an explicit choice, and without ``ssl_certfile``
and ``ssl_keyfile`` the tokens then travel in clear: the simulator's own tokens open nothing at Kiwoom, but never log
in there with a real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
import weakref
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from .account_pages import PAGE_SIZE
from .broadcast import Broadcast, Journals, Recording, Source, TimedFrame, play
from .errors import ConnectionFailed
from .hosting import Host
from .reading import JOURNALS, read_holdings
from .samples import is_sample, path_of
from .simulator import PATH, Simulator
from .storage import frames, recordings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .journal import Entry

__all__ = ["Recording", "Server", "Source", "TimedFrame", "play", "serve"]

T = TypeVar("T")

_DEFAULT_APP_KEY = "classroom"
_LAST_WORDS = 0.5  # seconds that clients have for the close frame when the server ends


def serve(
    source: Source | str | os.PathLike[str] = None,
    *,
    speed: float = 1.0,
    loop: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    wait_for: int = 1,
    accounts: Literal["same", "each"] = "same",
    ping_interval: float = 10.0,
    heartbeat_timeout: float | None = None,
    login_timeout: float = 10.0,
    handshake: Literal["measured", "documented"] = "measured",
    tokens: Iterable[str] = (),
    app_keys: Mapping[str, str] | None = None,
    ssl_certfile: str | None = None,
    ssl_keyfile: str | None = None,
    max_queued: int = 10_000,
    stall_timeout: float = 5.0,
    refuse: str | None = None,
    token_lifetime: float = 86_400.0,
    token_rate: int | None = None,
    too_many: Literal[429, 200] = 429,
    query_rate: int | None = None,
    page_size: int = PAGE_SIZE,
) -> Server:
    """Start a server that speaks Kiwoom's protocol and plays ``source`` to its clients; return when it accepts them.

    Account queries (kt00018, ka00001) are answered for the first account of ``source``: a synthetic day knows what is
    held at any moment, a journal tells it where it was asked, and balance events that are pushed change it.

    Parameters
    ----------
    source
        A day of :func:`kiwoom_nb.simulate` (any object whose ``frames()`` returns what follows), an iterable of
        (microseconds since the epoch UTC, raw frame) pairs, the path of a journal or of a folder of them, ``"sample"``,
        or None: then only :meth:`Server.push` sends.
    speed
        How much faster than the recorded clock; ``float("inf")``: as fast as the clients read. There is one clock for
        all: whoever registers later joins in the middle.
    loop
        Begin again when it is over.
    host, port
        Where to listen; port 0 takes a free one. Outside 127.0.0.1 the simulator's tokens travel in clear, unless there
        is a certificate.
    wait_for
        How many clients must have registered before it begins.
    accounts
        ``"same"``: frames are sent byte for byte. ``"each"``: the account (FID 9201) is another one for every app key.
    ping_interval, heartbeat_timeout, login_timeout
        Seconds: between PINGs, without an echo until the end (default 3 x ``ping_interval``), until a LOGIN is due.
    handshake
        ``"measured"``: only the LOGIN frame counts. ``"documented"``: the header ``authorization: Bearer <token>`` of
        Kiwoom's page of type ``04`` logs in too.
    tokens
        Tokens that are valid besides the issued ones, for ever, each as an app key of its own.
    app_keys
        App key -> secret key pairs that get a token; None: any pair does.
    ssl_certfile, ssl_keyfile
        A certificate and its key (PEM): it then speaks ``wss`` and ``https``.
    max_queued
        Frames that may wait for one client; one more and it is closed (1008).
    stall_timeout
        With ``speed=float("inf")``: seconds after which a client that takes nothing is closed.
    refuse
        An error code (``"8005"``, ``"8010"``, ...) by which every LOGIN and request is refused.
    token_lifetime, token_rate, too_many
        Seconds that a token lives; requests a second that the token endpoints take (None: any number); the HTTP status
        (429, or 200 with ``return_code`` 5) of one too many.
    query_rate, page_size
        Requests a second that the account queries take for each app key and api-id (None: any number; Kiwoom's mock
        trading takes 1); rows on a page of kt00018.

    Returns
    -------
    Server
        Its ``url`` and ``token`` are for :func:`kiwoom_nb.stream_balances`; a context manager that closes it.

    Raises
    ------
    MissingExtra
        Starlette or uvicorn is not installed.
    SourceError, JournalError
        The recording is not there, or holds no frames.
    ValueError, TypeError
        An option is out of its range, the port is taken, the certificate cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        source = Journals(frames(source), _held_in(source))
    simulator = Simulator(
        handshake=handshake,
        tokens=tokens,
        app_keys=app_keys,
        accounts=accounts,
        wait_for=wait_for,
        ping_interval=ping_interval,
        heartbeat_timeout=heartbeat_timeout,
        login_timeout=login_timeout,
        max_queued=max_queued,
        refuse=refuse,
        token_lifetime=token_lifetime,
        token_rate=token_rate,
        too_many=too_many,
        query_rate=query_rate,
        page_size=page_size,
    )
    broadcast = Broadcast(simulator, source, speed=speed, loop=loop, stall_timeout=stall_timeout)
    return Server(
        simulator, broadcast, Host(simulator, host, port, ssl_certfile, ssl_keyfile), secure=bool(ssl_certfile)
    )


class Server:
    """A running simulator, from :func:`serve`: a context manager whose methods may be called from any thread.

    Attributes
    ----------
    url
        Where it listens: ``ws://127.0.0.1:PORT/api/dostk/websocket`` (``wss`` with a certificate). Where it is bound to
        every address, others reach it by this machine's own one.
    rest_url
        The same for requests: ``http://127.0.0.1:PORT`` (``https`` with a certificate).
    finished
        A ``threading.Event``: the source has been pushed to its end (at once without one, never with ``loop=True``).
    """

    def __init__(self, simulator: Simulator, broadcast: Broadcast, host: Host, *, secure: bool) -> None:
        self.url = f"ws{'s' * secure}://{host.address}{PATH}"
        self.rest_url = f"http{'s' * secure}://{host.address}"
        self.finished = broadcast.finished
        self._last_token = ""
        self._simulator = simulator
        self._broadcast = broadcast
        ready: Future[asyncio.AbstractEventLoop] = Future()
        main = functools.partial(_run, host, broadcast, ready)
        self._thread = threading.Thread(target=lambda: asyncio.run(main()), name="kiwoom_nb-server", daemon=True)
        self._thread.start()
        self._loop = ready.result()
        # Not a method: a forgotten server is stopped when it is collected, and at exit.
        self._end = weakref.finalize(self, _shut_down, simulator, host, self._loop, self._thread)

    @property
    def token(self) -> str:
        """A valid token of a default app key; its holders kick each other, so a class wants one key each."""
        with contextlib.suppress(ConnectionFailed):  # of a closed server the last one: the same cell may run again
            self._last_token = self.issue_token(_DEFAULT_APP_KEY)
        return self._last_token

    @property
    def sessions(self) -> int:
        """How many sessions are logged in."""
        return self._simulator.sessions

    @property
    def sent(self) -> int:
        """How many frames were pushed, each counted once for all clients."""
        return self._simulator.sent

    @property
    def error(self) -> Exception | None:
        """What the source raised, if it did; ``finished`` is set then too."""
        return self._broadcast.error

    @property
    def mute(self) -> bool:
        """Whether LOGIN, REG, REMOVE and refusals go unanswered (they take effect, PINGs and pushes go on)."""
        return self._simulator.mute

    @mute.setter
    def mute(self, mute: bool) -> None:
        self._simulator.mute = mute

    def issue_token(self, app_key: str) -> str:
        """Return the valid token of ``app_key``, without asking for its secret key.

        Parameters
        ----------
        app_key
            Any text; its token is issued where there is none.

        Returns
        -------
        str
            Valid at this server only.

        Raises
        ------
        ConnectionFailed
            This server was closed.
        """
        return self._do(lambda: self._simulator.issue_token(app_key))

    def expire(self, token: str | None = None) -> None:
        """End a token: the next LOGIN with it gets 8005, the next request for one a new one.

        Parameters
        ----------
        token
            Which; None: all.

        Raises
        ------
        ConnectionFailed
            This server was closed.
        """
        self._do(lambda: self._simulator.expire(token))

    def refuse(self, code: str | None) -> None:
        """Refuse every LOGIN and request until ``refuse(None)``.

        Parameters
        ----------
        code
            Kiwoom's error code (``"8010"``, ...), or None.

        Raises
        ------
        ConnectionFailed
            This server was closed.
        """
        self._do(lambda: self._simulator.refuse(code))

    def push(self, raw: bytes) -> None:
        """Send one REAL frame now to every session registered for 04; the account then holds what it says.

        Parameters
        ----------
        raw
            The frame, UTF-8 JSON; it is sent byte for byte.

        Raises
        ------
        ConnectionFailed
            This server was closed.
        """
        self._do(lambda: self._simulator.push(raw))

    def system(self, code: str, message: str | None = None) -> None:
        """Send a SYSTEM frame to every session that is logged in.

        Parameters
        ----------
        code
            Such as ``"R10001"``.
        message
            Its text; None: that of a known code.

        Raises
        ------
        ConnectionFailed
            This server was closed.
        """
        self._do(lambda: self._simulator.system(code, message))

    def close_sessions(self, code: int = 1000, reason: str = "Bye") -> None:
        """Close every connection, by default as Kiwoom does at the end of the day.

        Parameters
        ----------
        code, reason
            Of the close frame.

        Raises
        ------
        ConnectionFailed
            This server was closed.
        """
        self._do(lambda: self._simulator.close_sessions(code, reason))

    def drop(self) -> None:
        """Cut every connection without a close frame, as a network does.

        Raises
        ------
        ConnectionFailed
            This server was closed.
        """
        self._do(self._simulator.drop)

    def close(self) -> None:
        """Close every connection ("Bye") and end the thread; a second call does nothing."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = f"sessions={self.sessions} sent={self.sent}" if self._end.alive else "closed"
        return f"<kiwoom_nb Server {self.url} {state}>"

    def _do(self, action: Callable[[], T]) -> T:
        """Run ``action`` on the server's loop and return what it returns."""
        if not self._end.alive:
            raise ConnectionFailed(self.url, "this server was closed")
        if threading.current_thread() is self._thread:
            return action()

        async def act() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result()


async def _run(host: Host, broadcast: Broadcast, ready: Future[asyncio.AbstractEventLoop]) -> None:
    """Run the host and the broadcast until the host is told to end."""
    player = asyncio.create_task(broadcast.run())
    ready.set_result(asyncio.get_running_loop())
    await host.run()
    player.cancel()
    await asyncio.wait([player])


def _held_in(source: str | os.PathLike[str]) -> Iterator[Entry]:
    """Yield the lines of the journals of ``source`` that tell what an account held."""
    path = path_of(source) if is_sample(source) else Path(source).expanduser()
    for file in recordings(path):
        if file.name.endswith(tuple(JOURNALS)):
            yield from read_holdings(file)


def _shut_down(simulator: Simulator, host: Host, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed if the thread died of something else
        loop.call_soon_threadsafe(simulator.close_sessions)
        loop.call_soon_threadsafe(loop.call_later, _LAST_WORDS, simulator.drop)
    host.end()
    if thread is not threading.current_thread():  # the collector may run anywhere
        thread.join()
