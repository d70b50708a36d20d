"""Where the servers are, and which of them a key or a token may be sent to.

The addresses of the two modes are those of Kiwoom's REST API guide (fact sheet, section 1).
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kiwoom_nb.errors import InsecureURL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

MODES: Final = ("demo", "real")
REST_URLS: Final[Mapping[str, str]] = {
    "demo": "https://mockapi.kiwoom.com",
    "real": "https://api.kiwoom.com",
}
WEBSOCKET_URLS: Final[Mapping[str, str]] = {
    "demo": "wss://mockapi.kiwoom.com:10000/api/dostk/websocket",
    "real": "wss://api.kiwoom.com:10000/api/dostk/websocket",
}

# Other characters are escaped, not dropped, so that two servers never share a name.
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.-]")
_PORTS: Final[Mapping[str, int]] = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_ENCRYPTED: Final = ("https", "wss")
# REST answers on 443 and the WebSocket on 10000: both are the same Kiwoom server.
_KIWOOM: Final[Mapping[tuple[str, int], str]] = {
    ("mockapi.kiwoom.com", 443): "demo",
    ("mockapi.kiwoom.com", 10000): "demo",
    ("api.kiwoom.com", 443): "real",
    ("api.kiwoom.com", 10000): "real",
}


def other_mode(mode: str) -> str:
    """Return ``"real"`` for ``"demo"`` and ``"demo"`` for ``"real"``.

    Raises ``ValueError`` for anything else.
    """
    if mode not in MODES:
        raise ValueError(f'mode must be "demo" (mock trading) or "real", not {mode!r}.')
    return "real" if mode == "demo" else "demo"


def is_encrypted(url: str) -> bool:
    """Tell whether ``url`` is ``https://`` or ``wss://``; ``ValueError`` where it is no address of a server."""
    return _split(url).scheme in _ENCRYPTED


def is_loopback(url: str) -> bool:
    """Tell whether ``url`` can only be this machine: ``localhost``, ``127.x.x.x`` or ``[::1]``.

    Other names are never looked up: what DNS answers now may be another machine a moment later.
    """
    host = _host(_split(url))
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_plaintext(url: str, *, allow_plaintext: bool = False) -> None:
    """Raise ``InsecureURL`` where a token sent to ``url`` would travel in clear.

    Encrypted addresses and this machine itself are always allowed, the rest only with ``allow_plaintext``.
    Raises ``ValueError`` where ``url`` is no address of a server.
    """
    if not (allow_plaintext or is_encrypted(url) or is_loopback(url)):
        raise InsecureURL(shown(url))


def shown(url: str) -> str:
    """Return ``url`` as it may be shown and logged: without a query, where people put tokens."""
    parts = _split(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def server_name(url: str) -> str:
    """Return a short name of the server at ``url`` that every file system takes.

    ``real`` and ``demo`` are Kiwoom's own servers, over TLS only; any other is its host and port, such as
    ``127.0.0.1-8765``. So nothing from another server can ever get into the files of ``real`` or ``demo``.
    REST and WebSocket addresses of one server give one name.
    """
    parts = _split(url)
    host, port = _host(parts), _port(parts)
    if parts.scheme in _ENCRYPTED and (host, port) in _KIWOOM:
        return _KIWOOM[host, port]
    return f"{_UNSAFE.sub(_escaped, host)}-{port}"


def _escaped(match: re.Match[str]) -> str:
    return f"_{ord(match[0]):x}_"


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not _host(parts):
        raise ValueError("The address of a server begins with https://, wss://, http:// or ws:// and a host.")
    if parts.username is not None:
        # httpx logs the whole address of each request.
        raise ValueError("The address of a server must not hold a user name or a password.")
    return parts


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").rstrip(".")  # "api.kiwoom.com." is the same host


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else _PORTS[parts.scheme]
