"""Where the app key and the secret key come from, and how they are kept out of sight.

The environment variables and the keyring entries of Kiwoom's own client ``kwcli`` are read too (fact sheet,
section 12), so whoever set that up need not do so again. Only our own keyring entries are ever written.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from kiwoom_nb.addresses import MODES, other_mode
from kiwoom_nb.errors import CredentialsNotFound, CredentialsNotStored, unframed
from kiwoom_nb.request import Hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

APP_KEY_USER: Final = "appkey"
SECRET_KEY_USER: Final = "secretkey"  # noqa: S105 - the name of a keyring entry

_VARIABLES: Final[Mapping[str, tuple[str, str]]] = {
    "demo": ("APP_KEY_MOCK", "APP_SECRET_MOCK"),
    "real": ("APP_KEY", "APP_SECRET"),
}
_PASTED: Final = re.compile("[\\s\u200b\ufeff]+")  # keys hold no whitespace; web pages add it, and invisible ones


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """An app key and its secret key for ``mode`` (``"demo"`` or ``"real"``); no text of it shows either."""

    app_key: str
    secret_key: str
    mode: str

    def __repr__(self) -> str:
        return f"Credentials(mode={self.mode!r}, app_key=<set>, secret_key=<set>)"

    def __reduce__(self) -> NoReturn:
        """Refuse, so that a notebook store, a cache or a job queue never writes keys to a disk."""
        raise TypeError("Credentials are never pickled or copied: pass the object on, or call find() again there.")


def default_mode() -> str:
    """Return the mode that ``KIWOOM_MODE`` names, else ``"demo"``.

    Raises ``ValueError`` where it names neither ``real`` nor ``demo``. Source: fact sheet, section 12.
    """
    mode = os.environ.get("KIWOOM_MODE", "").strip().lower() or "demo"
    if mode not in MODES:
        raise ValueError(f"The environment variable KIWOOM_MODE must be real or demo, not {mode!r}.")
    return mode


def find(mode: str, given: object = None) -> Credentials:
    """Return the keys for ``mode``: those ``given``, else from the environment, else from the OS keyring.

    ``given`` is ``(app_key, secret_key)``, a mapping with these two names, or ``Credentials``. A keyring that is
    missing, locked or broken counts as an empty one.

    Raises ``CredentialsNotFound`` (its ``other`` is the other mode where that one's keys are there) and
    ``ValueError`` where only one of the two keys is there, or ``given`` is something else.
    """
    other = other_mode(mode)
    if given is not None:
        return _from_argument(mode, given)
    place = _complete(mode)
    if place is not None:
        app_key = _checked(place.app_key, place.app_key_name)
        return Credentials(app_key, _checked(place.secret_key, place.secret_key_name), mode)
    _refuse_half(mode)
    raise CredentialsNotFound(mode, None if _complete(other) is None else other)


def set_credentials(mode: str | None = None, *, ask: Callable[[str], str] | None = None) -> None:
    """Ask for the app key and the secret key of ``mode`` and store them in the OS keyring.

    Parameters
    ----------
    mode
        ``"demo"`` (mock trading) or ``"real"``; default ``KIWOOM_MODE``, else ``"demo"``.
    ask
        Called with each prompt, returns the answer; default ``getpass``: nothing is echoed, nothing stays in the
        notebook.

    Raises
    ------
    CredentialsNotStored
        This machine has no keyring that works; nothing was stored.
    ValueError
        An answer is empty or holds what no key has, or there is no such mode; nothing was stored.
    """
    mode = default_mode() if mode is None else mode
    other_mode(mode)
    _require_keyring(mode)  # before anyone types
    failure = _ask_and_store(mode, ask or getpass.getpass)  # looked up now: a Jupyter kernel puts its own there
    if failure is not None:
        raise failure


def _ask_and_store(mode: str, ask: Callable[[str], str]) -> CredentialsNotStored | ValueError | None:
    """Store what is answered, and return what went wrong, without the frames that know the answers."""
    keys = Hidden()
    keys["app_key"] = ask(f"앱 키 · App key ({mode}): ")
    keys["secret_key"] = ask(f"시크릿 키 · Secret key ({mode}): ")
    try:
        _store(_from_argument(mode, keys))
    except (CredentialsNotStored, ValueError) as exc:
        return unframed(exc)
    return None


def _from_argument(mode: str, given: object) -> Credentials:
    match given:
        case Credentials():
            if given.mode != mode:
                raise ValueError(f'The credentials are for mode="{given.mode}", not for mode="{mode}".')
            return given
        case {"app_key": str(app_key), "secret_key": str(secret_key)}:
            return _pair(mode, app_key, secret_key)
        case [str(app_key), str(secret_key)]:
            return _pair(mode, app_key, secret_key)
    # What was given is not shown: it probably holds a key.
    raise ValueError('credentials must be (app_key, secret_key) or {"app_key": ..., "secret_key": ...}, all text.')


def _pair(mode: str, app_key: str, secret_key: str) -> Credentials:
    return Credentials(_checked(app_key, "the app key"), _checked(secret_key, "the secret key"), mode)


def _checked(text: str, what: str) -> str:
    text = _clean(text)
    if not text:
        raise ValueError(f"Give both the app key and the secret key: {what} is empty.")
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"Copy the key again from the Kiwoom site: {what} holds characters that no key has.")
    return text


def _clean(text: str | None) -> str:
    return _PASTED.sub("", text or "")


class _Place(NamedTuple):
    app_key_name: str
    secret_key_name: str
    app_key: str
    secret_key: str


def _places(mode: str) -> Iterator[_Place]:
    """Yield each place where keys may be, the first to ask first; a place is not read before its turn."""
    key, secret = _VARIABLES[mode]
    values = _clean(os.environ.get(key)), _clean(os.environ.get(secret))
    yield _Place(f"the environment variable {key}", f"the environment variable {secret}", *values)
    for service in (_our_service(mode), f"kiwoom-{mode}"):
        values = _from_keyring(service, APP_KEY_USER), _from_keyring(service, SECRET_KEY_USER)
        yield _Place(f"{APP_KEY_USER} in keyring {service}", f"{SECRET_KEY_USER} in keyring {service}", *values)


def _our_service(mode: str) -> str:
    return f"kiwoom_nb-{mode}"


def _from_keyring(service: str, user: str) -> str:
    # Backends raise what their platform raises; none of it may hide the sentence that names the three ways in.
    with contextlib.suppress(Exception):
        return _clean(_keyring().get_password(service, user))
    return ""


def _complete(mode: str) -> _Place | None:
    return next((place for place in _places(mode) if place.app_key and place.secret_key), None)


def _refuse_half(mode: str) -> None:
    halves = (_half(place) for place in _places(mode))
    if half := next(filter(None, halves), None):
        there, missing = half
        raise ValueError(f"There is {there} but not {missing}: Kiwoom needs both keys. Set {missing} as well.")


def _half(place: _Place) -> tuple[str, str] | None:
    if bool(place.app_key) == bool(place.secret_key):
        return None
    names = place.app_key_name, place.secret_key_name
    return names if place.app_key else names[::-1]


def _require_keyring(mode: str) -> None:
    reason = _failure(lambda: _keyring().get_password(_our_service(mode), APP_KEY_USER))
    if reason:
        raise CredentialsNotStored(mode, reason)


def _store(credentials: Credentials) -> None:
    reason = _failure(lambda: _write(credentials))
    if not reason:
        return
    # One new key beside one old key would be refused by Kiwoom with words that lead astray: rather none.
    _erase(credentials.mode)
    raise CredentialsNotStored(credentials.mode, reason)


def _erase(mode: str) -> None:
    for user in (APP_KEY_USER, SECRET_KEY_USER):
        with contextlib.suppress(Exception):
            _keyring().delete_password(_our_service(mode), user)


def _write(credentials: Credentials) -> None:
    service = _our_service(credentials.mode)
    for user, value in ((SECRET_KEY_USER, credentials.secret_key), (APP_KEY_USER, credentials.app_key)):
        _keyring().set_password(service, user, value)
        if _keyring().get_password(service, user) != value:  # the "null" backend forgets, and says nothing
            raise LookupError


def _keyring() -> ModuleType:
    import keyring

    return keyring


def _failure(call: Callable[[], object]) -> str:
    """Return the kind of error that ``call`` ends with, or ``""``; never its text, which may hold a key."""
    try:
        call()
    except Exception as exc:  # noqa: BLE001 - backends raise what their platform raises
        return type(exc).__name__
    return ""
