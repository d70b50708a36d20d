"""Every error that kiwoom_nb raises: one tree, each text a sentence that says who, what, why and what to do.

::

    KiwoomError
    ├── CredentialsNotFound     no app key for the mode asked for
    ├── CredentialsNotStored    the OS keyring took no keys
    ├── AuthenticationError     Kiwoom refused the keys or the token
    │   ├── TokenNotAccepted    ... a token that was given with url=
    │   └── IPNotRegistered     ... because of the address this machine has (8010, 8040, 8050)
    ├── RequestRefused          Kiwoom answered a REST request with an error of another kind
    ├── ConnectionFailed        no connection, or it broke
    ├── KickedOut               another program logged in with the same app key (R10001)
    ├── ProtocolError           the server said something that a session cannot go on with
    ├── InsecureURL             a token would have travelled in clear
    ├── JournalError            a journal cannot be written or read
    ├── SourceError             what was to be loaded is not there or not ours
    ├── NotLive                 a live-only call on a frame with nothing behind it
    │   └── NotReplayed         a replay-only call on the frame of a live stream
    ├── ColumnsMissing          a frame without the columns that an analysis reads
    ├── ReadOnlyFrame           a write into a live frame
    └── MissingExtra            an optional dependency is not installed

Beside it, as a warning: ScopeWarning, where data contradict what realized P&L was taken to count.

No text ever holds a token, an app key or a secret key. Attributes keep the parts of each sentence.
"""

from __future__ import annotations

from typing import TypeVar

Failure = TypeVar("Failure", bound=Exception)


class KiwoomError(Exception):
    """Base class of every error raised by kiwoom_nb."""


class CredentialsNotFound(KiwoomError):
    """No app key and secret key were found for ``mode`` (``"demo"`` or ``"real"``).

    ``other`` is the other mode when keys were found for that one only, else ``None``.
    """

    def __init__(self, mode: str, other: str | None = None) -> None:
        super().__init__(mode, other)
        self.mode = mode
        self.other = other

    def __str__(self) -> str:
        hint = (
            f' Keys for the other mode were found: if you meant those, pass mode="{self.other}".' if self.other else ""
        )
        return (
            f'No Kiwoom app key was found for mode="{self.mode}".{hint} There are three ways in: '
            f"pass credentials=(app_key, secret_key), set the environment variables {_variables(self.mode)}, "
            f'or store them once in the OS keyring with kn.set_credentials(mode="{self.mode}"). '
            "kn.replay() needs no account."
        )


class CredentialsNotStored(KiwoomError):
    """The OS keyring took no keys for ``mode``; ``reason`` is the kind of error that it ended with."""

    def __init__(self, mode: str, reason: str) -> None:
        super().__init__(mode, reason)
        self.mode = mode
        self.reason = reason

    def __str__(self) -> str:
        return (
            f'The keys for mode="{self.mode}" were not stored: this machine has no OS keyring that works '
            f"({self.reason}). Set the environment variables {_variables(self.mode)} instead."
        )


class AuthenticationError(KiwoomError):
    """Kiwoom refused the keys or the token; ``code`` is Kiwoom's (such as ``"8005"``), ``message`` its text."""

    advice = (
        "Check that the app key and secret key belong to the mode you connect to (real and demo keys differ), "
        "that they have not expired, and run the cell again."
    )

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"Kiwoom refused the credentials (code {self.code}: {self.message}). {self.advice}"


class TokenNotAccepted(AuthenticationError):
    """The server does not know the token that was given with ``url=``."""

    advice = (
        "Take a token that this server issued: server.token of kn.serve(), or the line that kiwoom-nb serve printed."
    )


class IPNotRegistered(AuthenticationError):
    """Kiwoom does not accept the app key or the token from this machine's address (8010, 8040, 8050)."""

    advice = (
        "The key is bound to registered IP addresses and this machine's public address is not one of them: "
        "register it on the Kiwoom REST API site (up to 10 addresses), then run the cell again."
    )


class RequestRefused(KiwoomError):
    """Kiwoom answered the REST request ``what`` with ``return_code`` ``code`` and ``message``."""

    def __init__(self, what: str, code: str, message: str) -> None:
        super().__init__(what, code, message)
        self.what = what
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return (
            f"Kiwoom did not carry out {self.what} (code {self.code}: {self.message}). "
            "If the code says that there were too many requests, wait a second and try again."
        )


class ConnectionFailed(KiwoomError):
    """There is no connection to ``server``, or it broke; ``reason`` says why."""

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(server, reason)
        self.server = server
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"No connection to {self.server}: {self.reason}. "
            "Check the network and the address; Kiwoom also refuses connections during its nightly maintenance."
        )


class KickedOut(KiwoomError):
    """Another program logged in to ``server`` with the same app key, and Kiwoom ended this session (R10001)."""

    def __init__(self, server: str) -> None:
        super().__init__(server)
        self.server = server

    def __str__(self) -> str:
        return (
            f"Another program logged in to {self.server} with the same app key, so Kiwoom ended this session "
            "(R10001). One key holds one connection: stop the other program (another notebook, a trading bot), "
            "then run the cell again. kiwoom_nb does not take the connection back by itself."
        )


class ProtocolError(KiwoomError):
    """The server broke the protocol in a way that the session cannot go on with; ``what`` says how."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return (
            f"The server did not keep to Kiwoom's protocol: {self.what}. "
            "If this is Kiwoom itself, please report it with the journal of that minute."
        )


class InsecureURL(KiwoomError):
    """``url`` is not encrypted and not on this machine, so the token would travel in clear."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    def __str__(self) -> str:
        return (
            f"{self.url} is not encrypted and not on this machine, so the token would travel in clear. "
            "Use wss:// (https:// for requests), or pass allow_plaintext=True in a network that you trust."
        )


class JournalError(KiwoomError):
    """The journal at ``path`` cannot be written or read; ``why`` says the reason, ``todo`` what helps."""

    def __init__(self, path: str, why: str, todo: str) -> None:
        super().__init__(path, why, todo)
        self.path = path
        self.why = why
        self.todo = todo

    def __str__(self) -> str:
        return f"The journal {self.path} {self.why}. {self.todo}"


class SourceError(KiwoomError):
    """``source`` cannot be loaded; ``why`` says the reason, ``todo`` what helps."""

    def __init__(self, source: str, why: str, todo: str) -> None:
        super().__init__(source, why, todo)
        self.source = source
        self.why = why
        self.todo = todo

    def __str__(self) -> str:
        return f"Cannot load {self.source}: it {self.why}. {self.todo}"


class NotLive(KiwoomError):
    """``call`` needs a stream or a replay behind the frame, and this frame has none."""

    def __init__(self, call: str) -> None:
        super().__init__(call)
        self.call = call

    def __str__(self) -> str:
        return (
            f"df.kn.{self.call} works only on the frame that kn.stream_balances() or kn.replay() returned; "
            "this one is a plain DataFrame (loaded, copied or derived) with nothing behind it."
        )


class NotReplayed(NotLive):
    """``call`` moves along a recording, and the frame is that of a live stream."""

    def __str__(self) -> str:
        return (
            f"df.kn.{self.call} works only on a frame that kn.replay() returned; this one is live, "
            "and what comes next is not known yet."
        )


class ColumnsMissing(KiwoomError):
    """``call`` needs the ``columns`` of balance events, which the frame does not have."""

    def __init__(self, call: str, columns: list[str]) -> None:
        super().__init__(call, columns)
        self.call = call
        self.columns = columns

    def __str__(self) -> str:
        named = ", ".join(self.columns)
        return (
            f"df.kn.{self.call} reads balance events, and this frame has no {named}. "
            "Call it on the frame as it came, or on some of its rows; choose columns afterwards."
        )


class ReadOnlyFrame(KiwoomError):
    """A write (``what``) into a live frame, whose rows are only ever added by its stream."""

    # Neither a TypeError nor an AttributeError: pandas swallows those in NDFrame.__setattr__ and would
    # store a shadow attribute instead of refusing.

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return (
            f"A live frame is read-only, so {self.what} is refused: its rows are what Kiwoom sent. "
            "Take df.copy() and work on that."
        )


class MissingExtra(KiwoomError):
    """``what`` needs the package ``package``, which the extra ``extra`` installs."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(what, package, extra)
        self.what = what
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"{self.what} needs {self.package}, which is not installed. "
            f'Install it with: python -m pip install "kiwoom-nb[{self.extra}]"'
        )


def unframed(exc: Failure) -> Failure:
    """Return ``exc`` without the frames that it and its causes came through.

    A verbose traceback (``%xmode Verbose``, pytest, rich) prints the variables of each frame, and some hold keys.
    """
    one: BaseException | None = exc
    while one is not None:
        one.__traceback__ = None
        one = one.__cause__ or one.__context__
    return exc


def _variables(mode: str) -> str:
    return "APP_KEY and APP_SECRET" if mode == "real" else "APP_KEY_MOCK and APP_SECRET_MOCK"


class ScopeWarning(UserWarning):
    """Realized P&L (FIDs 990, 992) seems to count something else than ``scope`` says.

    ``row`` is the label of the first event that shows it, ``time`` when it came, ``change`` (won) what a buy of
    ``symbol`` realized there.
    """

    def __init__(self, scope: str, row: object, time: str, symbol: str, change: int) -> None:
        super().__init__(scope, row, time, symbol, change)
        self.scope = scope
        self.row = row
        self.time = time
        self.symbol = symbol
        self.change = change

    def __str__(self) -> str:
        other = "account" if self.scope == "position" else "position"
        return (
            f"{self.symbol} was bought at {self.time} (row {self.row}), and yet the realized P&L (FIDs 990 and 992) "
            f"changed by {self.change:+,} won, which a buy of one {self.scope} cannot do. They seem to count by "
            f'{other} here: compare with scope="{other}", and with what your HTS shows.'
        )
