"""Voilà, as ``kiwoom-nb dashboard`` needs it; nothing else here knows that library.

Voilà starts a kernel for each page. Here there is one for all of them, which lives as long as the command: a page that
is closed ends nothing, and no page logs in a second time.

Who may look: it listens on 127.0.0.1 alone; every request and WebSocket needs the token of the printed address (made
anew at each start; the browser keeps it as a cookie); requests under a foreign name of this machine (DNS rebinding)
or from pages of another origin are refused. Pages can talk to widgets, they cannot run code.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import webbrowser
from pathlib import Path
from typing import Any, Final

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.netutil import bind_sockets
from traitlets import default
from traitlets.config import Config
from voila.app import Voila

_CELL: Final = "from kiwoom_nb.page import show\n\nshow()"
_NOTEBOOK: Final = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "cells": [
        {"cell_type": "code", "id": "page", "metadata": {}, "execution_count": None, "outputs": [], "source": _CELL}
    ],
}
# Voilà's page without what it fetches from a content network: the icons are in its own files, too.
_PAGE: Final = """{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}{{ super() | replace("https://cdn.jsdelivr.net/", "data:text/css,") }}{%- endblock -%}
"""
_REDIRECT: Final = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={url}">'
_WINDOWS_LOOKS_EVERY: Final = 500  # ms: there a signal is seen only when the loop wakes up


class OneKernel(AsyncMappingKernelManager):  # type: ignore[misc]  # jupyter_server is followed no further
    """Gives every page the same kernel."""

    _started: asyncio.Future[str] | None = None

    async def start_kernel(self, **options: Any) -> str:
        """Return the kernel, started for the first page; one that could not be started is tried again."""
        if self._started is None or (self._started.done() and self._started.exception() is not None):
            self._started = asyncio.ensure_future(self._async_start_kernel(**options))
        return await asyncio.shield(self._started)

    async def shutdown_kernel(self, kernel_id: str, **options: Any) -> None:
        """Do nothing: a page that is closed asks for it."""


class OwnKernels(KernelSpecManager):
    """Knows the kernel of this interpreter alone: another one of that name may lack this package."""

    @default("kernel_dirs")
    def _no_dirs(self) -> list[str]:
        return []


class PageServer(Voila):  # type: ignore[misc]  # Voilà has no types
    """A Voilà that serves one notebook on a free port of this machine until it is told to end."""

    folder: Path
    opens_browser: bool
    port: int

    @property
    def address(self) -> str:
        """Where the page is; with its token, so that it is for who started the command alone."""
        return f"{self.connection_url}?token={self.identity_provider.token}"

    def setup_template_dirs(self) -> None:
        """Put our page before Voilà's."""
        super().setup_template_dirs()
        (self.folder / "index.html.j2").write_text(_PAGE, "utf-8")
        self.template_paths.insert(0, str(self.folder))

    def listen(self) -> None:
        """Serve until Ctrl-C or a request to terminate; then end the kernel, which closes its journal."""
        sockets = bind_sockets(self.port, self.ip)
        self.port = int(sockets[0].getsockname()[1])
        server = HTTPServer(self.app)
        server.add_sockets(sockets)
        self.ioloop = IOLoop.current()
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._handle_signal_stop)
        if sys.platform == "win32":
            PeriodicCallback(lambda: None, _WINDOWS_LOOKS_EVERY).start()
        print(f"The dashboard is at {self.address} (Ctrl-C ends it).", flush=True)  # noqa: T201 - for who started it
        if self.opens_browser:
            self.launch_browser()
        try:
            self.ioloop.start()
        finally:
            server.stop()
            self.stop()

    def launch_browser(self) -> None:
        """Open the page by way of a file: the arguments of a browser can be read by everyone on this machine."""
        redirect = self.folder / "open.html"
        redirect.write_text(_REDIRECT.format(url=self.address), "utf-8")
        webbrowser.open(redirect.as_uri())


def serve(folder: Path, port: int, *, opens_browser: bool) -> None:
    """Serve the dashboard until Ctrl-C or a request to terminate.

    Parameters
    ----------
    folder
        An empty one, readable by its owner alone; for the notebook, which holds nothing but a call.
    port
        0: any free one.
    opens_browser
        Open the page in the user's browser.

    Raises
    ------
    OSError
        The port is taken.
    """
    path = folder / "kiwoom_nb.ipynb"  # its name is the title of the page
    path.write_text(json.dumps(_NOTEBOOK), "utf-8")
    logging.getLogger("tornado").setLevel(logging.ERROR)
    config = Config()
    config.Voila.update(
        ip="127.0.0.1",
        port=port,
        auto_token=True,
        open_browser=False,
        config_file_paths=[],
        log_level=logging.ERROR,
        # Voilà allows foreign names; and a token that is mistyped must not be printed with its request.
        tornado_settings={"allow_remote_access": False, "log_function": lambda _: None},
    )
    config.KernelManager.transport_encryption = "auto"  # where this ipykernel can
    config.VoilaConfiguration.update(multi_kernel_manager_class=OneKernel, kernel_spec_manager_class=OwnKernels)
    server = PageServer(config=config)
    server.folder, server.opens_browser = folder, opens_browser
    server.initialize([str(path)])
    server.start()
