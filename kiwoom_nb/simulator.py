"""The server that speaks Kiwoom: LOGIN, REG, REMOVE, PING, 04 pushes, refusals, tokens, and what the account holds.

:class:`Simulator` is an ASGI app (Starlette) for any ASGI server; ``kiwoom_nb.classroom`` hosts it on a thread and
plays recordings through it. Frames, codes and texts are the measured ones. Where nobody has measured, the choice is
ours, and written down where it is made: ``simulator_frames`` (texts, an echoed ``trnm`` of at most 10 characters),
``registrations`` (shapes and limits of REG and REMOVE), ``simulator_session`` (time limits, and that every close after
a refusal is 1000 "Bye"), ``token_office`` and ``account_office`` (REST: ``return_code`` 2 for errors of the input,
which value is checked first), ``account_pages`` (what kt00018 says of a holding). Here: one app key has one
session, and a second LOGIN of the same session sends nobody away.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from .account_book import Book
from .account_office import PATH as ACCOUNT_PATH
from .account_office import AccountOffice
from .account_pages import PAGE_SIZE
from .errors import MissingExtra
from .simulator_frames import raw_frame, system_frame, with_own_account
from .simulator_session import Session
from .token_office import REST_ERRORS, TokenOffice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from starlette.types import Receive, Scope, Send
    from starlette.websockets import WebSocket

PATH = "/api/dostk/websocket"


class Simulator:
    """An ASGI app that speaks Kiwoom's protocol, and the state of all its sessions.

    Its methods belong to the event loop that serves it (``kiwoom_nb.classroom.Server`` has the same ones for other
    threads).

    Parameters
    ----------
    handshake
        ``"measured"``: only the LOGIN frame counts. ``"documented"``: the header ``authorization: Bearer <token>`` of
        the official page logs in too, without a LOGIN frame and so without its ack.
    tokens
        Tokens that are valid besides the issued ones, for ever, each as an app key of its own.
    app_keys
        App key -> secret key pairs that get a token. ``None``: any pair does.
    accounts
        ``"same"``: pushes are sent byte for byte. ``"each"``: field 9201 is another account for every app key, and so
        is the account number that queries tell.
    wait_for
        How many sessions must have registered for 04 until :attr:`enough` is set.
    ping_interval, heartbeat_timeout, login_timeout
        Seconds; ``heartbeat_timeout`` is 3 x ``ping_interval`` unless given.
    max_queued
        Frames that may wait for one client; one more and it is closed (1008).
    refuse
        An error code (8005, 8010, 8030, 8050, ...) by which every LOGIN and request is refused.
    token_lifetime, token_rate, too_many
        Seconds that a token lives; requests a second that the token endpoints take (``None``: any number); the HTTP
        status (429, or 200 with ``return_code`` 5) of one too many.
    query_rate, page_size
        Requests a second that the account queries take for each app key and api-id (``None``: any number; mock trading
        takes 1); rows on a page of kt00018.

    Attributes
    ----------
    book
        What the account holds: :class:`kiwoom_nb.account_book.Book`. Only its first account is asked about.

    Raises
    ------
    MissingExtra
        Starlette is not installed.
    """

    def __init__(
        self,
        *,
        handshake: Literal["measured", "documented"] = "measured",
        tokens: Iterable[str] = (),
        app_keys: Mapping[str, str] | None = None,
        accounts: Literal["same", "each"] = "same",
        wait_for: int = 1,
        ping_interval: float = 10.0,
        heartbeat_timeout: float | None = None,
        login_timeout: float = 10.0,
        max_queued: int = 10_000,
        refuse: str | None = None,
        token_lifetime: float = 86_400.0,
        token_rate: int | None = None,
        too_many: Literal[429, 200] = 429,
        query_rate: int | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        _require("handshake", handshake, ("measured", "documented"))
        _require("accounts", accounts, ("same", "each"))
        _require("too_many", too_many, (429, 200))
        if page_size < 1:
            raise ValueError(f"page_size={page_size!r} is below 1: a page has rows.")
        self.handshake = handshake
        self.ping_interval = ping_interval
        self.heartbeat_timeout = 3 * ping_interval if heartbeat_timeout is None else heartbeat_timeout
        self.login_timeout = login_timeout
        self.max_queued = max_queued
        self.mute = False
        self.sent = 0
        self.enough = asyncio.Event()
        self._accounts = accounts
        self._wait_for = wait_for
        self._office = TokenOffice(tokens, app_keys, token_lifetime, token_rate, too_many)
        self._account_office = AccountOffice(
            self._office, accounts=accounts, page_size=page_size, rate=query_rate, too_many=too_many
        )
        self._open: set[Session] = set()
        self._by_key: dict[str, Session] = {}
        self._listeners: dict[Session, None] = {}  # a set that keeps its order
        self.refuse(refuse)
        self._app = self._routes()
        if wait_for <= 0:
            self.enough.set()

    def _routes(self) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        try:
            from starlette.applications import Starlette
            from starlette.routing import Route, WebSocketRoute
        except ImportError as exc:
            raise MissingExtra("The simulator", "starlette and uvicorn", "simulator") from exc
        app: Callable[[Scope, Receive, Send], Awaitable[None]] = Starlette(
            routes=[
                WebSocketRoute(PATH, self._serve_session),
                Route("/oauth2/token", self._office.serve_token, methods=["POST"]),
                Route("/oauth2/revoke", self._office.serve_revoke, methods=["POST"]),
                Route(ACCOUNT_PATH, self._account_office.serve, methods=["POST"]),
            ]
        )
        return app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection or request, as ASGI asks."""
        await self._app(scope, receive, send)

    @property
    def sessions(self) -> int:
        """How many sessions are logged in."""
        return len(self._by_key)

    @property
    def book(self) -> Book:
        """What the account holds."""
        return self._account_office.book

    @book.setter
    def book(self, book: Book) -> None:
        self._account_office.book = book

    # What a lesson or a test does to its clients

    def push(self, raw: bytes, *, at: int | None = None) -> None:
        """Send one REAL frame now, byte for byte, to every session registered for 04.

        The account holds what it says from now on; ``at`` is its time in the recording that is played, if it is of one.
        """
        self.sent += 1
        self.book.take(raw, at)
        whole = raw_frame(raw)  # made once: a thousand clients share it
        for session in list(self._listeners):
            session.put(whole if self._accounts == "same" else raw_frame(with_own_account(raw, session.app_key)))

    def system(self, code: str, message: str | None = None) -> None:
        """Send a SYSTEM frame to every session that is logged in; known codes have their text."""
        for session in list(self._by_key.values()):
            session.put(system_frame(code, message))

    def close_sessions(self, code: int = 1000, reason: str = "Bye") -> None:
        """Close every connection, by default as Kiwoom does at the end of the day."""
        for session in list(self._open):
            session.close(code, reason)

    def drop(self) -> None:
        """Cut every connection without a close frame, as a network does."""
        for session in list(self._open):
            session.abort()

    def close_stalled(self, timeout: float, backlog: int) -> bool:
        """Close clients that took nothing for ``timeout`` s; return whether one still has over ``backlog`` waiting."""
        crowded = [session for session in self._listeners if session.waiting > backlog]
        for session in crowded:
            if session.stalled_for > timeout:
                session.close_slow()
        return bool(crowded)

    def issue_token(self, app_key: str) -> str:
        """Return the valid token of ``app_key``."""
        return self._office.issue(app_key)[0]

    def expire(self, token: str | None = None) -> None:
        """End a token (``None``: all): the next LOGIN with it gets 8005, the next request for one a new one."""
        self._office.expire(token)

    def refuse(self, code: str | None) -> None:
        """Refuse every LOGIN and request with this error code from now on; ``None`` ends that."""
        _require("refuse", code, (None, *REST_ERRORS))
        self._office.refused_with = code

    # What sessions tell

    def app_key_of(self, token: str) -> str | None:
        """Return the app key that this token logs in, or ``None`` if it logs nobody in."""
        return self._office.app_key_of(token)

    def token_error(self) -> str:
        """Return the error code that a LOGIN is refused with."""
        return self._office.refused_with or "8005"

    def enter(self, session: Session, app_key: str) -> None:
        """Log ``session`` in; one key holds one session, so an older one is sent away (R10001)."""
        older = self._by_key.get(app_key)
        if older is not None and older is not session:
            older.dismiss("R10001")
        self._forget_key(session)
        session.app_key = app_key
        self._by_key[app_key] = session

    def leave(self, session: Session) -> None:
        """Forget who was logged in and what was registered."""
        self._forget_key(session)
        self._listeners.pop(session, None)

    def listen(self, session: Session, listens: bool) -> None:
        """Take note of whether ``session`` is registered for 04."""
        if listens:
            self._listeners[session] = None
        else:
            self._listeners.pop(session, None)
        if len(self._listeners) >= self._wait_for:
            self.enough.set()

    def _forget_key(self, session: Session) -> None:
        if session.app_key is not None and self._by_key.get(session.app_key) is session:
            del self._by_key[session.app_key]

    async def _serve_session(self, websocket: WebSocket) -> None:
        session = Session(self, websocket)
        self._open.add(session)
        try:
            await session.run()
        finally:
            self._open.discard(session)


def _require(option: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{option}={value!r} is not one of {', '.join(map(repr, allowed))}.")
