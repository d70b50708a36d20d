"""Kiwoom's WebSocket protocol without I/O: feed it what was received, send what it returns, look at its events.

``LOGIN`` -> ack -> ``REG`` -> ack -> live; ``PING`` is echoed as it came in any state; nothing else but LOGIN is sent
before the LOGIN ack (the server drops such frames with 100013). LOGIN and PING are not on the official page of
type 04; they are what Kiwoom's own client and independent measurements show. REG and REMOVE are on the page.

The state machine is the table :data:`TRANSITIONS`: what is not in it changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

BALANCE: Final = "04"
"""The real-time type of a balance event (잔고)."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One received frame, read as far as the protocol needs; ``data`` is the JSON text of what a REAL frame carries."""

    trnm: object = None
    return_code: object = None
    return_msg: object = ""
    code: object = ""
    message: object = ""
    data: msgspec.Raw = msgspec.Raw()


class Unparsed(msgspec.Struct, frozen=True):
    """A received frame that is no JSON object; ``reason`` says why, ``raw`` is what came."""

    raw: bytes
    reason: str


_decode = msgspec.json.Decoder(Message).decode
_PING_TEXT: Final = b"PING"  # the bare word is accepted by Kiwoom's own client too
_PING: Final = Message(trnm="PING")


def parse(raw: bytes) -> Message | Unparsed:
    """Read one frame. Never raises: what is no JSON object comes back as :class:`Unparsed`."""
    try:
        return _decode(raw)
    except msgspec.ValidationError:
        return Unparsed(raw, "not_an_object")
    except UnicodeDecodeError:
        return Unparsed(raw, "not_utf8")
    except (msgspec.DecodeError, RecursionError):
        return _PING if raw.strip() == _PING_TEXT else Unparsed(raw, "not_json")


class State(Enum):
    """Where a connection is."""

    OPEN = auto()  # the socket is open, nothing was sent
    LOGIN_SENT = auto()
    LOGGED_IN = auto()  # between the LOGIN ack and our REG
    REG_SENT = auto()
    LIVE = auto()
    REMOVE_SENT = auto()
    REFUSED = auto()  # LOGIN or REG was refused
    KICKED = auto()  # another session took over the app key
    CLOSED = auto()


class Step(Enum):
    """What moves a connection: ours (``SEND_..``) and theirs."""

    SEND_LOGIN = auto()
    LOGIN_OK = auto()
    LOGIN_NO = auto()
    SEND_REG = auto()
    REG_OK = auto()
    REG_NO = auto()
    REG_LATER = auto()
    SEND_REMOVE = auto()
    REMOVE_OK = auto()
    KICK = auto()
    CLOSE = auto()


_LIVING = (State.OPEN, State.LOGIN_SENT, State.LOGGED_IN, State.REG_SENT, State.LIVE, State.REMOVE_SENT)

TRANSITIONS: Final = {
    (State.OPEN, Step.SEND_LOGIN): State.LOGIN_SENT,
    (State.LOGIN_SENT, Step.LOGIN_OK): State.LOGGED_IN,
    (State.LOGIN_SENT, Step.LOGIN_NO): State.REFUSED,
    (State.LOGGED_IN, Step.SEND_REG): State.REG_SENT,
    (State.REG_SENT, Step.REG_OK): State.LIVE,
    (State.REG_SENT, Step.REG_NO): State.REFUSED,
    (State.REG_SENT, Step.REG_LATER): State.LOGGED_IN,
    (State.LIVE, Step.SEND_REMOVE): State.REMOVE_SENT,
    (State.REMOVE_SENT, Step.REMOVE_OK): State.LOGGED_IN,
    **{(state, Step.KICK): State.KICKED for state in _LIVING},
    **{(state, Step.CLOSE): State.CLOSED for state in (*_LIVING, State.REFUSED, State.KICKED)},
}


@dataclass(frozen=True, slots=True)
class Send:
    """Send ``frame`` as a text frame."""

    frame: str

    def __repr__(self) -> str:
        """Leave the frame out: a LOGIN frame holds the token."""
        return "Send(...)"


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The server accepted the token."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The server accepted the registration: from here on balance events are pushed."""


@dataclass(frozen=True, slots=True)
class Removed:
    """The server accepted the removal of the registration."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refused ``trnm`` (LOGIN or REG) with its ``code`` and ``message``."""

    trnm: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """The server refused REG because there were too many requests (105110): send it again later."""


@dataclass(frozen=True, slots=True)
class Kicked:
    """Another program logged in with the same app key (SYSTEM R10001)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A SYSTEM frame that says why the server is about to close (R10002, R10004) or something unknown."""

    code: str
    message: str


Event = Send | LoggedIn | Registered | Removed | Refused | Throttled | Kicked | Notice

TOO_MANY_REQUESTS: Final = "105110"
NOT_LOGGED_IN: Final = "100013"
KICKED: Final = "R10001"
SYSTEM_CODES: Final = {
    KICKED: "another session logged in with the same app key",
    "R10002": "the server missed our answers to its PING",
    "R10004": "the server saw no LOGIN",
}
_SUBSCRIPTION: Final = [{"item": [""], "type": [BALANCE]}]  # account-level: the item is not looked at
_GROUP: Final = "1"


class Connection:
    """One connection to the server, from LOGIN to its end; a new one is made after each reconnect."""

    def __init__(self) -> None:
        self.state = State.OPEN

    def login(self, token: str) -> Send:
        """Return the LOGIN frame: the raw token, without the ``Bearer`` of HTTP headers."""
        self._step(Step.SEND_LOGIN)
        return _frame(trnm="LOGIN", token=token)

    def register(self) -> Send:
        """Return the REG frame for type 04, as on the official page; only after :class:`LoggedIn`."""
        self._step(Step.SEND_REG)
        return _frame(trnm="REG", grp_no=_GROUP, refresh="1", data=_SUBSCRIPTION)

    def remove(self) -> Send:
        """Return the REMOVE frame for type 04; only while live."""
        self._step(Step.SEND_REMOVE)
        return _frame(trnm="REMOVE", grp_no=_GROUP, data=_SUBSCRIPTION)

    def close(self) -> None:
        """Note that the socket is closed."""
        self.state = TRANSITIONS.get((self.state, Step.CLOSE), self.state)

    def receive(self, message: Message | Unparsed, raw: bytes) -> tuple[Event, ...]:
        """Take one parsed frame (``raw`` as it came) and return what follows from it. Never raises."""
        if isinstance(message, Unparsed) or message.trnm == "REAL":
            return ()
        if message.trnm == "PING":
            # With an error code it is no PING but the server's complaint about an echo: answered, it would come again.
            complaint = message.return_code is not None and not _is_success(_text(message.return_code))
            return () if complaint else (Send(raw.decode("utf-8", "replace")),)
        answer = self._ANSWERS.get(message.trnm) if isinstance(message.trnm, str) else None
        return answer(self, message) if answer else ()

    def _login_answered(self, message: Message) -> tuple[Event, ...]:
        code = _text(message.return_code)
        if _is_success(code):
            return (LoggedIn(),) if self._moved(Step.LOGIN_OK) else ()
        refused = Refused("LOGIN", code, _text(message.return_msg))
        return (refused,) if self._moved(Step.LOGIN_NO) else ()

    def _reg_answered(self, message: Message) -> tuple[Event, ...]:
        code = _text(message.return_code)
        if _is_success(code):
            return (Registered(),) if self._moved(Step.REG_OK) else ()
        if code == TOO_MANY_REQUESTS:
            return (Throttled(),) if self._moved(Step.REG_LATER) else ()
        refused = Refused("REG", code, _text(message.return_msg))
        return (refused,) if self._moved(Step.REG_NO) else ()

    def _system(self, message: Message) -> tuple[Event, ...]:
        code = _text(message.code)
        if code == KICKED:
            return (Kicked(),) if self._moved(Step.KICK) else ()
        return (Notice(code, _text(message.message)),)

    def _remove_answered(self, message: Message) -> tuple[Event, ...]:
        succeeded = _is_success(_text(message.return_code)) and self._moved(Step.REMOVE_OK)
        return (Removed(),) if succeeded else ()

    _ANSWERS: ClassVar[dict[str, Callable[[Connection, Message], tuple[Event, ...]]]] = {
        "LOGIN": _login_answered,
        "REG": _reg_answered,
        "REMOVE": _remove_answered,
        "SYSTEM": _system,
    }

    def _moved(self, step: Step) -> bool:
        after = TRANSITIONS.get((self.state, step))
        if after is not None:
            self.state = after
        return after is not None

    def _step(self, step: Step) -> None:
        if not self._moved(step):
            sentence = f"{step.name} is not possible in state {self.state.name}"
            raise RuntimeError(sentence)


def _frame(**fields: object) -> Send:
    return Send(json.dumps(fields, ensure_ascii=False))


def _text(value: object) -> str:
    """Return a code or a message as text: codes come as numbers and as strings; anything else says nothing."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) else ""


def _is_success(code: str) -> bool:
    return code != "" and not code.strip("0")  # measured as the number 0; the page says it is a string
