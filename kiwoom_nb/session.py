"""Session: keeps one account's balance events coming: connect, LOGIN, REG, receive, and again after each drop.

It is handed what does the I/O (how to connect, where tokens come from) and the sinks for what comes in, so that it
runs on any event loop and is tested with a clock that the test turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Final, Never, Protocol

from . import asking, codes
from .asking import ReadHoldings
from .errors import ConnectionFailed, KickedOut, KiwoomError, ProtocolError, RequestRefused
from .protocol import (
    NOT_LOGGED_IN,
    Connection,
    Event,
    Kicked,
    LoggedIn,
    Message,
    Notice,
    Refused,
    Registered,
    Send,
    State,
    Throttled,
    Unparsed,
    parse,
)

SILENCE: Final = 30.0
"""Seconds without any frame (the server sends a PING each 10) after which the line is taken for dead."""
ANSWER: Final = 15.0
"""Seconds within which LOGIN and REG must be answered."""
STALL: Final = 5.0
"""Seconds for which the event loop may stand still before that is told."""
SHORTEST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0

_TICK: Final = 1.0
_LONGEST_COUNTED: Final = 2 * _TICK  # of a tick: while the loop stood still, nobody could have read a frame
_REG_AGAIN_AFTER: Final = 1.0  # 105110: about five registrations a second are allowed
_STAYED_UP: Final = 30.0  # seconds of life after which the next pause is short again
_LAST_LOOK: Final = 0.1  # time for the loop to read what waits in the socket
_LEAVE_WITHIN: Final = 1.0
_STOPPED: Final = "stopped"
_TOKEN_REFUSALS: Final = ("80", "81")  # so begin Kiwoom's codes about tokens and keys
_BAD_TOKEN: Final = "805004"  # noqa: S105 - the code of a refused LOGIN whose text does not name the reason


class Transport(Protocol):
    """A socket that carries text frames."""

    async def send(self, frame: str) -> None:
        """Send one text frame; raise ConnectionFailed if the line is down."""
        ...

    async def receive(self) -> bytes:
        """Wait for a frame and return its bytes; raise ConnectionFailed once the line is down."""
        ...

    async def close(self) -> None:
        """Close the socket; never raises."""
        ...


class Tokens(Protocol):
    """Where the token comes from."""

    async def get(self) -> str:
        """Return the token to log in with."""
        ...

    async def refused(self, token: str) -> str:
        """Return another token than the one refused; raise AuthenticationError where there is none."""
        ...


class Sinks(asking.Sinks, Protocol):
    """Who is told what happens, at once and in order. None of these may raise."""

    def frame(self, received_at: int, raw: bytes, message: Message | Unparsed) -> None:
        """Take one received frame (microseconds since the epoch, as it came, parsed)."""
        ...

    def connected(self, at: int) -> None:
        """Note that balance events are pushed from now on."""
        ...

    def disconnected(self, at: int, since: int, reason: str) -> None:
        """Note that the line is down, and when something was heard last."""
        ...

    def connecting(self, attempt: int, reason: str) -> None:
        """Note that attempt number ``attempt`` to connect begins or is waited for; ``reason`` is of the last one."""
        ...

    def stalled(self, seconds: float) -> None:
        """Note that the event loop stood still for so long."""
        ...


class Session:
    """One account's subscription to balance events, for as long as :meth:`run` runs.

    Parameters
    ----------
    connect
        Opens a socket to the server for a token.
    tokens
        Gives the token, and another one when the server refuses it.
    sinks
        Are told what happens.
    now
        The clock of this machine, in microseconds since the epoch.
    server
        The server's name, for texts.
    read_holdings
        Asks what the account holds, after each REG, while receiving goes on; None: nobody asks.
    """

    def __init__(
        self,
        connect: Callable[[str], Awaitable[Transport]],
        tokens: Tokens,
        sinks: Sinks,
        *,
        now: Callable[[], int],
        server: str,
        read_holdings: ReadHoldings | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._connect = connect
        self._tokens = tokens
        self._sinks = sinks
        self._now = now
        self._server = server
        self._read_holdings = read_holdings
        self._jitter = jitter
        self._attempt = 0
        self._refusal: _Refusal | None = None
        self._token_was_renewed = False
        self._used: set[str] = set()  # every token that was shown to the server, which may echo an earlier one, too

    async def run(self) -> None:
        """Stay subscribed until cancelled.

        Raises
        ------
        AuthenticationError
            Kiwoom refuses the keys, or the token even after it was issued anew.
        KickedOut
            Another program logged in with the same app key (R10001).
        ProtocolError
            The server refused the registration.
        """
        try:
            await self._stay_subscribed()
        except KiwoomError as exc:
            failure = exc
        # Raised outside the handler and without its traceback, whose variables hold what was received: a server may
        # echo the token.
        raise failure.with_traceback(None)

    async def _stay_subscribed(self) -> Never:
        self._sinks.connecting(self._attempt, "")
        while True:
            try:
                await self._run_once()
            except _TokenRefused:
                self._sinks.connecting(self._attempt, "the token was refused and is issued anew")
            except (ConnectionFailed, RequestRefused) as exc:  # the second: where tokens come from is out of order
                self._attempt += 1
                self._sinks.connecting(self._attempt, _reason(exc))
                await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        """Return the seconds to wait: exponential backoff with full jitter, so that clients do not come in step."""
        longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(self._attempt, 16))
        return SHORTEST_PAUSE + (longest - SHORTEST_PAUSE) * self._jitter()

    async def _begin(self) -> _Life:
        """Return a new life with the token to log in with: asked for each time, it may have been renewed meanwhile."""
        refusal = self._refusal
        if refusal is None:
            return _Life(await self._tokens.get())
        life = _Life(await self._tokens.refused(refusal.token))
        if life.token == refusal.token:
            raise codes.authentication_error(refusal.code, refusal.message)
        self._refusal = None
        self._token_was_renewed = True
        return life

    async def _run_once(self) -> None:
        """Connect and receive until the line is down."""
        life = await self._begin()
        self._used.add(life.token)
        transport = await self._connect(life.token)
        life.heard_at = self._now()
        reason = _STOPPED
        try:
            await self._receive_and_watch(transport, life)
        except ConnectionFailed as exc:
            reason = life.notice or codes.scrubbed(exc.reason, self._used)
            raise ConnectionFailed(self._server, reason) from exc
        except Exception as exc:
            reason = "kicked" if isinstance(exc, KickedOut) else "failed"
            raise
        finally:
            if life.was_live:
                self._sinks.disconnected(self._now(), life.heard_at, reason)
            await _leave(transport, life.connection, stopping=reason == _STOPPED)

    async def _receive_and_watch(self, transport: Transport, life: _Life) -> None:
        tasks = [
            asyncio.ensure_future(self._receive(transport, life)),
            asyncio.ensure_future(self._watch(life)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            tasks += life.tasks
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, transport: Transport, life: _Life) -> None:
        receive, frame, now = transport.receive, self._sinks.frame, self._now
        respond, connection = self._respond, life.connection
        await _send(transport, connection.login(life.token))
        while True:
            raw = await receive()
            life.heard_at = at = now()
            life.silent_for = 0.0
            life.notice = ""
            message = parse(raw)
            frame(at, raw, message)
            if isinstance(message, Message) and message.trnm != "REAL":  # a push says nothing about the connection
                for event in connection.receive(message, raw):
                    await respond(event, transport, life)

    async def _respond(self, event: Event, transport: Transport, life: _Life) -> None:
        if isinstance(event, Send):
            await _send(transport, event)
        elif isinstance(event, LoggedIn):
            self._token_was_renewed = False
            life.unanswered_for = 0.0
            await _send(transport, life.connection.register())
        elif isinstance(event, Registered):
            life.went_live(asyncio.get_running_loop().time())
            self._sinks.connected(self._now())
            self._ask_for_holdings(life)
        elif isinstance(event, Throttled):
            await asyncio.sleep(_REG_AGAIN_AFTER)
            await _send(transport, life.connection.register())
        elif isinstance(event, Notice):
            notice = f"{event.message} ({event.code})" if event.message and event.code else event.message or event.code
            life.notice = codes.scrubbed(notice, self._used)
        elif isinstance(event, Kicked):
            raise KickedOut(self._server)
        elif isinstance(event, Refused):
            self._refused(event, life)

    def _ask_for_holdings(self, life: _Life) -> None:
        """Begin to ask beside receiving, for as long as this connection lives: each gap may have missed fills."""
        if self._read_holdings is not None:
            asks = asking.ask(self._read_holdings, lambda: life.token, self._sinks, self._now)
            life.tasks.append(asyncio.ensure_future(asks))

    def _refused(self, refused: Refused, life: _Life) -> Never:
        message = codes.scrubbed(refused.message, self._used)
        outer = codes.scrubbed(refused.code, self._used)
        code = codes.inner_code(refused.message) or outer
        if refused.trnm == "REG" and refused.code != NOT_LOGGED_IN:
            raise ProtocolError(f"it refused the registration of type 04 (code {outer}: {message})")
        if refused.trnm == "REG" or not code.startswith(_TOKEN_REFUSALS):
            raise ConnectionFailed(self._server, f"the server refused {refused.trnm} (code {code}: {message})")
        if (code in codes.REISSUE or code == _BAD_TOKEN) and not self._token_was_renewed:
            self._refusal = _Refusal(life.token, code, message)
            raise _TokenRefused
        raise codes.authentication_error(code, message)

    async def _watch(self, life: _Life) -> None:
        """Raise ConnectionFailed once nothing was heard for too long.

        Only time in which the loop ran is counted, a tick at a time: after a cell that computed for minutes frames
        are waiting in the socket, and they are read before this decides.
        """
        clock = asyncio.get_running_loop().time
        before = clock()
        while True:
            await asyncio.sleep(_TICK)
            passed = clock() - before
            before += passed
            if passed > STALL + _TICK:
                self._sinks.stalled(passed - _TICK)
            life.silent_for += min(passed, _LONGEST_COUNTED)
            life.unanswered_for += min(passed, _LONGEST_COUNTED)
            if _overdue(life):
                await asyncio.sleep(_LAST_LOOK)
                if reason := _overdue(life):
                    raise ConnectionFailed(self._server, reason)
            if life.was_live and clock() - life.live_since > _STAYED_UP:
                self._attempt = 0


class _TokenRefused(Exception):  # not an error: the session tries once more
    """The token was refused and another one is worth asking for."""


class _Refusal:
    """A token that was refused, and why."""

    def __init__(self, token: str, code: str, message: str) -> None:
        self.token = token
        self.code = code
        self.message = message


class _Life:
    """What is known of one connection.

    It also keeps the token, so that no variable does: a traceback, even of a bug, may show the variables of each
    frame, but of this only that it is there.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.connection = Connection()
        self.tasks: list[asyncio.Task[None]] = []
        self.heard_at = 0
        self.live_since = 0.0
        self.was_live = False
        self.silent_for = 0.0
        self.unanswered_for = 0.0
        self.notice = ""

    def went_live(self, clock: float) -> None:
        self.was_live = True
        self.live_since = clock


_WAITING: Final = {State.LOGIN_SENT: "LOGIN", State.LOGGED_IN: "REG", State.REG_SENT: "REG"}


def _overdue(life: _Life) -> str:
    """Return what should have come long ago, the empty string where nothing is missing."""
    if life.silent_for >= SILENCE:
        return f"nothing was heard for {SILENCE:.0f} seconds"
    waits_for = _WAITING.get(life.connection.state)
    return (
        f"{waits_for} was not answered within {ANSWER:.0f} seconds"
        if waits_for and life.unanswered_for >= ANSWER
        else ""
    )


def _reason(exc: ConnectionFailed | RequestRefused) -> str:
    if isinstance(exc, ConnectionFailed):
        return exc.reason
    return f"Kiwoom did not carry out {exc.what} (code {exc.code}: {exc.message})"


async def _send(transport: Transport, send: Send) -> None:
    """Send a frame; that the line is down is for :meth:`Transport.receive` to say.

    What came before the line went down is still to be read: events, and perhaps why (R10001).
    """
    with contextlib.suppress(ConnectionFailed):
        await transport.send(send.frame)


async def _leave(transport: Transport, connection: Connection, *, stopping: bool) -> None:
    """Close; take the registration back where we end it, and not the line did."""
    try:
        if stopping and connection.state is State.LIVE:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_WITHIN):
                    await _send(transport, connection.remove())
    finally:
        connection.close()
        await transport.close()
