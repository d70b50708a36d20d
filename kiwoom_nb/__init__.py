"""Kiwoom balance events (real-time type ``04``, 잔고) as a live pandas DataFrame.

>>> import kiwoom_nb as kn
>>> df = kn.stream_balances()  # doctest: +SKIP

``df`` grows by itself while the account trades; ``df.kn`` is what can be done with it. ``kn.serve()`` is a server
that speaks Kiwoom's protocol, for trying things out and for a class, and ``kn.simulate()`` a day for it to play.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import accessor as _accessor  # noqa: F401 - registers df.kn
from .labels import set_language

if TYPE_CHECKING:
    from .archiving import archive
    from .classroom import serve
    from .costs import Costs
    from .credentials import set_credentials
    from .lessons import check
    from .notebook import replay, stream_balances
    from .storage import load
    from .trading_day import simulate

__version__ = "0.1.0"

__all__ = [
    "Costs",
    "archive",
    "check",
    "load",
    "replay",
    "serve",
    "set_credentials",
    "set_language",
    "simulate",
    "stream_balances",
]

# Where each name is found when it is first used: `import kiwoom_nb` stays about as quick as `import pandas`.
_HOMES = {
    "Costs": "costs",
    "archive": "archiving",
    "check": "lessons",
    "load": "storage",
    "replay": "notebook",
    "serve": "classroom",
    "set_credentials": "credentials",
    "simulate": "trading_day",
    "stream_balances": "notebook",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        return value
    if name == "errors":
        return import_module(".errors", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", "errors"})
