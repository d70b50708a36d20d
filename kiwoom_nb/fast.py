"""Fast: the kernels of the extra ``fast`` and how they get ready, which nobody waits for.

numba takes half a second to import, and the first time on a machine some seconds to compile; so that happens on a
thread, once enough was received for it to pay, and the plain way serves meanwhile. Without numba, or with
``KIWOOM_NB_FAST=0`` in the environment, the plain way always does. Nothing but speed depends on any of this.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Final

SWITCH: Final = "KIWOOM_NB_FAST"
"""The environment variable that switches the kernels off, where it is ``0``."""
WORTHWHILE: Final = 5_000
"""Frames that the plain way decodes first: they cost about a tenth of a second, and most streams never have as many."""
LARGE: Final = 16 << 20
"""Bytes of a journal from which loading asks for the kernels at once."""

_PLAIN_SPEED: Final = 20e6  # bytes of a journal in a second
_PATIENCE: Final = 0.25  # of the time that the plain way would take


class _Kernels:
    """The module of kernels, once it is imported and compiled, or why there is none."""

    def __init__(self) -> None:
        self.module: ModuleType | None = None
        self.read: Callable[..., int] = int
        self.trouble = ""
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()

    def warm_up(self) -> None:
        with self.lock:
            if self.thread is None:
                # No daemon: the interpreter must not end while compiled code is being made.
                self.thread = threading.Thread(target=self._make, name="kiwoom_nb-fast")
                self.thread.start()

    def _make(self) -> None:
        try:
            importlib.import_module("numba")
        except ModuleNotFoundError as exc:
            if exc.name == "numba":  # not installed, as with most users: that is no trouble
                return
            self.trouble = _told(exc)
        except Exception as exc:  # noqa: BLE001 - whatever is wrong with it, the plain way serves
            self.trouble = _told(exc)
        else:
            self._compile()

    def _compile(self) -> None:
        try:
            module = importlib.import_module(f"{__package__}.kernels")
            self.read = module.make_reader()
        except Exception as exc:  # noqa: BLE001 - the same
            self.trouble = _told(exc)
        else:
            self.module = module


_kernels = _Kernels()


def kernels() -> tuple[ModuleType, Callable[..., int]] | None:
    """Return the module of kernels and what it compiled, None until they are ready and where they are switched off."""
    module = _kernels.module
    return None if module is None or not is_on() else (module, _kernels.read)


def is_on() -> bool:
    """Tell whether the kernels are wanted."""
    return os.environ.get(SWITCH, "").strip() != "0"


def trouble() -> str:
    """Return why there are no kernels though numba is installed; empty where nothing is wrong."""
    return _kernels.trouble if is_on() else ""


def warm_up(timeout: float = 0.0) -> None:
    """Get the kernels ready on a thread, and wait for them for ``timeout`` seconds at the most."""
    if not is_on():
        return
    _kernels.warm_up()
    if timeout and _kernels.thread is not None:
        _kernels.thread.join(timeout)


def warm_up_for(size: int) -> None:
    """Get the kernels ready for a journal of ``size`` bytes, if that pays.

    It is waited for at most a quarter of the time that the plain way would need for all of it.
    """
    if size >= LARGE:
        warm_up(size / _PLAIN_SPEED * _PATIENCE)


def _told(exc: Exception) -> str:
    """Return the first line of what went wrong: numba's errors go on for pages."""
    lines = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {lines[0]}" if lines else type(exc).__name__
