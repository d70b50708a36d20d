"""A WebSocket server that does not keep to the protocol, as a script says.

``Scripted(first, second, ...)`` lets each connection follow the next script, and all later ones the last. A script is
an async function of one :class:`Line`: ``await line.hears("LOGIN")``, ``await line.says(LOGIN_ACK)``,
``await line.closes(1011)``, ``line.cut()``, ``await line.stays()``. :func:`friendly` is one that behaves.
"""

import asyncio
import contextlib
import json
import logging
import threading

import frames
import websockets.asyncio.server
from websockets.exceptions import ConnectionClosed


class Line:
    """One connection to a scripted server, seen from the server."""

    def __init__(self, socket):
        self.heard = []
        self._socket = socket

    async def hears(self, trnm):
        """Wait for a frame of this kind."""
        while True:
            frame = json.loads(await self._socket.recv())
            self.heard.append(frame["trnm"])
            if frame["trnm"] == trnm:
                return frame

    async def says(self, *raws):
        for raw in raws:
            await self._socket.send(raw.decode())

    async def says_in_pieces(self, raw, size):
        """Send one message as fragments of so many bytes."""
        await self._socket.send([raw[at : at + size] for at in range(0, len(raw), size)], text=True)

    async def closes(self, code, reason=""):
        await self._socket.close(code, reason)

    def cut(self):
        """End the connection without a close frame: what a client calls 1006."""
        self._socket.transport.abort()

    async def stays(self):
        """Go on until the client leaves; a registration is taken back as asked."""
        while True:
            await self.hears("REMOVE")
            await self.says(frames.REMOVE_ACK)

    async def lets_in(self):
        """Answer LOGIN and REG."""
        await self.hears("LOGIN")
        await self.says(frames.LOGIN_ACK)
        await self.hears("REG")
        await self.says(frames.REG_ACK)


async def friendly(line):
    """Behave."""
    await line.lets_in()
    await line.stays()


class Scripted:
    """The server, on a thread; a context manager. ``lines`` are its connections so far."""

    def __init__(self, *scripts, ssl=None):
        self._scripts = list(scripts)
        self.ssl = ssl
        self.lines = []
        self.error = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="fault-server", daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.error is None, repr(self.error)

    def do(self, coroutine):
        """Run a coroutine on the server's loop, from the test's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    async def _main(self):
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        logger = logging.getLogger("scripted server")
        logger.setLevel(logging.CRITICAL)
        options = {"logger": logger, "ping_interval": None, "ssl": self.ssl, "close_timeout": 0.2}
        async with websockets.asyncio.server.serve(self._serve, "127.0.0.1", 0, **options) as server:
            port = server.sockets[0].getsockname()[1]
            self.url = f"ws{'s' if self.ssl else ''}://127.0.0.1:{port}/api/dostk/websocket"
            self._ready.set()
            await self._end.wait()

    async def _serve(self, socket):
        line = Line(socket)
        script = self._scripts[min(len(self.lines), len(self._scripts) - 1)]
        self.lines.append(line)
        with contextlib.suppress(ConnectionClosed):
            try:
                await script(line)
            except ConnectionClosed:
                raise
            except Exception as exc:  # noqa: BLE001 - a bug of the script: the test is to fail, not its client
                self.error = exc
