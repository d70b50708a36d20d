"""Kiwoom's token endpoints, and the one place that knows which token is good now.

Facts: fact sheet, section 6 (au10001, au10002). A refusal comes as HTTP 200 with a ``return_code`` other than 0;
a token lives for 24 hours; asking again while it is valid hands the same one back; ``expires_dt`` is in KST.

Requests block: an event loop runs them on a thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, NoReturn

from kiwoom_nb import paths
from kiwoom_nb.addresses import REST_URLS, server_name
from kiwoom_nb.errors import AuthenticationError, ConnectionFailed, RequestRefused
from kiwoom_nb.request import WHAT, Hidden, Server, address, json_object, post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kiwoom_nb.credentials import Credentials

KST: Final = timezone(timedelta(hours=9), "KST")

_EARLY: Final = timedelta(minutes=10)  # as the official client does; a request must not meet the very end
_AGAIN: Final = timedelta(minutes=1)  # the least time between two requests for a token that is good anyway
_EXPIRY: Final = "%Y%m%d%H%M%S"  # how expires_dt is written, in KST
_PATIENCE = 90.0  # seconds to wait for another kernel: longer than three tries take it


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """An access token and the moment (tz-aware) when it ends; no text of it shows the token."""

    value: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Token(expires_at={self.expires_at.isoformat()})"

    def __reduce__(self) -> NoReturn:
        """Refuse, so that a notebook store, a cache or a job queue never writes a token to a disk."""
        raise TypeError("A Token is never pickled or copied: ask the TokenSource there.")

    def expires_soon(self, now: datetime) -> bool:
        """Tell whether the token ends within 10 minutes from ``now`` (tz-aware), or has ended."""
        return now + _EARLY >= self.expires_at


def issue(credentials: Credentials, *, base_url: str | None = None, allow_plaintext: bool = False) -> Token:
    """Ask for an access token (au10001); while one is valid, Kiwoom hands that same one back.

    ``base_url`` defaults to the server of the credentials' mode. Raises ``AuthenticationError`` (or its
    ``IPNotRegistered``) where the keys are refused, ``RequestRefused`` where the request is (too many, after three
    tries; an answer that cannot be read), ``ConnectionFailed`` where there is no answer or a 5xx one, and
    ``InsecureURL`` where the keys would travel in clear.
    """
    server = _server(credentials, base_url, allow_plaintext)
    grant = Hidden(grant_type="client_credentials", **_keys(credentials))
    token = _token_in(post(server, "/oauth2/token", "au10001", grant).answer)
    if token is None:
        raise RequestRefused(WHAT["au10001"], "0", "the answer holds no token, or no time when it ends")
    return token


def revoke(
    credentials: Credentials, token: Token, *, base_url: str | None = None, allow_plaintext: bool = False
) -> None:
    """End ``token`` now (au10002), for every program that uses it.

    Raises what ``issue`` raises.
    """
    server = _server(credentials, base_url, allow_plaintext, token)
    post(server, "/oauth2/revoke", "au10002", Hidden(token=token.value, **_keys(credentials)))


class TokenSource:
    """The access token of one app key on one server, shared by all kernels of this user.

    The token is kept in memory and in ``tokens/`` of the data folder, in a file for this user only (``0600``).
    Only one thread or kernel at a time asks the server. Nothing here ever revokes a token by itself: the user's
    trading program may hold the same one.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str | None = None,
        allow_plaintext: bool = False,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._server = _server(credentials, base_url, allow_plaintext)
        self._credentials = credentials
        self._allow_plaintext = allow_plaintext
        self._now = now or _now
        self._token: Token | None = None
        self._asked_at: datetime | None = None

    def get(self) -> Token:
        """Return the token from memory, else from the disk, else from the server; renewed 10 minutes early.

        Raises what ``issue`` raises; ``ConnectionFailed`` also where another kernel asks for over 90 s.
        """
        token = self._token
        if token is not None and self._is_good(token):
            return token
        with self._alone():
            cached = self._cached()
            if cached is not None and self._is_good(cached):
                self._token = cached
                return cached
            return self._renew(cached or token)

    def refused(self, token: Token) -> Token:
        """Return another token than ``token``, which the server has just refused.

        It is the one that another kernel has got meanwhile, else a new one. Raises ``AuthenticationError`` where
        the server hands the refused one back, and what ``issue`` raises.
        """
        with self._alone():
            for other in (self._cached(), self._token):
                if other is not None and other.value != token.value and self._is_good(other):
                    self._token = other
                    return other
            self._forget()
            fresh = self._issue()
            if fresh.value == token.value:
                raise AuthenticationError("8005", "the token was refused, and asking for another gave the same one")
            return self._keep(fresh)

    def revoke(self) -> None:
        """End the token that is held here or on the disk, if any, for every program that uses it.

        Raises what ``issue`` raises; the token is then still held.
        """
        with self._alone():
            token = self._cached() or self._token
            if token is not None:
                url, plaintext = self._server.url, self._allow_plaintext
                revoke(self._credentials, token, base_url=url, allow_plaintext=plaintext)
            self._forget()

    def _is_good(self, token: Token) -> bool:
        # In its last ten minutes a token is still what the server hands out, and with a wrong clock on this
        # machine every token looks old: without the pause each call would ask again.
        return not token.expires_soon(self._now()) or (token == self._token and self._asked_lately())

    def _asked_lately(self) -> bool:
        return self._asked_at is not None and abs(self._now() - self._asked_at) < _AGAIN

    def _renew(self, held: Token | None) -> Token:
        try:
            return self._keep(self._issue())
        except (ConnectionFailed, RequestRefused):
            if held is None or held.expires_at <= self._now():
                raise
        # Renewing comes ahead of time, so a server in trouble stops nobody while the token lives.
        self._token = held
        return held

    def _issue(self) -> Token:
        self._asked_at = self._now()
        return issue(self._credentials, base_url=self._server.url, allow_plaintext=self._allow_plaintext)

    def _keep(self, token: Token) -> Token:
        self._token = token
        # A full disk takes no cache, and costs no more than one request from each kernel.
        with contextlib.suppress(OSError):
            paths.write_private(self._file(), _cache_line(token))
        return token

    def _forget(self) -> None:
        self._token = None
        with contextlib.suppress(OSError):  # then another kernel is refused too, and gets the next one
            self._file().unlink()

    def _cached(self) -> Token | None:
        content = _read_private(self._file())
        return None if content is None else _token_in(json_object(content) or {})

    def _file(self) -> Path:
        owner = paths.owner_of(self._credentials.app_key)
        return paths.home() / "tokens" / f"{server_name(self._server.url)}-{owner}.json"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        import filelock

        file = self._file()
        # A lock object for each call excludes threads as well as processes.
        lock = filelock.FileLock(file.with_suffix(".lock"), timeout=_PATIENCE, mode=paths.PRIVATE_FILE)
        # A disk that takes no lock costs no more than one request from each kernel, as one that takes no cache.
        with contextlib.suppress(OSError):
            paths.make_private_folder(file.parent)
            try:
                lock.acquire()
            except filelock.Timeout as exc:
                why = f"another program on this machine has been asking it for a token for {_PATIENCE:.0f} s"
                raise ConnectionFailed(self._server.url, why) from exc
        try:
            yield
        finally:
            lock.release()


def _now() -> datetime:
    return datetime.now(KST)


def _keys(credentials: Credentials) -> Hidden:
    return Hidden(appkey=credentials.app_key, secretkey=credentials.secret_key)


def _server(
    credentials: Credentials, base_url: str | None, allow_plaintext: bool, token: Token | None = None
) -> Server:
    url = address(REST_URLS[credentials.mode] if base_url is None else base_url, allow_plaintext=allow_plaintext)
    held = () if token is None else (token.value,)
    return Server(url, (credentials.app_key, credentials.secret_key, *held))


def _token_in(answer: dict[str, Any]) -> Token | None:
    """Return the token of an answer or of our cache, which has the same two fields; ``None`` if it has none."""
    value, expires_dt = answer.get("token"), answer.get("expires_dt")
    if not (isinstance(value, str) and re.fullmatch("[!-~]+", value)):  # it goes into a header
        return None
    if not (isinstance(expires_dt, str) and re.fullmatch("[0-9]{14}", expires_dt)):
        return None
    try:
        expires_at = datetime.strptime(f"{expires_dt}+0900", f"{_EXPIRY}%z")
    except ValueError:
        return None
    return Token(value, expires_at)


def _cache_line(token: Token) -> bytes:
    expires_dt = token.expires_at.astimezone(KST).strftime(_EXPIRY)
    return json.dumps({"token": token.value, "expires_dt": expires_dt}).encode()


def _read_private(file: Path) -> bytes | None:
    """Return what ``file`` holds, or ``None`` where it is not there or not this user's alone."""
    try:
        with file.open("rb") as opened:
            return opened.read() if _is_private(os.fstat(opened.fileno())) else None
    except OSError:
        return None


def _is_private(status: os.stat_result) -> bool:
    private = True  # on Windows the user's profile is, and the mode bits say nothing
    if sys.platform != "win32":
        private = status.st_uid == os.geteuid() and not status.st_mode & 0o077
    return private
