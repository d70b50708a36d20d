"""A line to a server that the test plays: what is fed is received, what is sent is kept.

``Server().connect`` is what a Stream or a Session wants as ``connect``. LOGIN, REG and REMOVE are answered as a
friendly server does unless ``answers`` says otherwise.
"""

import asyncio
import json
import threading
import time

import frames

from kiwoom_nb.errors import ConnectionFailed

TOKEN = "t0ken-Zq7/+secret"
ANSWERS = {"LOGIN": frames.LOGIN_ACK, "REG": frames.REG_ACK, "REMOVE": frames.REMOVE_ACK}


def until(condition, seconds=20.0):
    """Wait until ``condition()`` holds and return what it gives."""
    ends_at = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < ends_at, "waited too long"
        time.sleep(0.005)
    return result


async def until_async(condition, seconds=20.0):
    """Wait on the event loop until ``condition()`` holds and return what it gives."""
    async with asyncio.timeout(seconds):
        while not (result := condition()):  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.005)
        return result


class Line:
    """One connection; a transport."""

    def __init__(self, server):
        self.sent = []
        self.closed = False
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._queue = asyncio.Queue()

    async def send(self, frame):
        trnm = json.loads(frame)["trnm"]
        self.sent.append(frame)
        answer = self._server.answers.get(trnm)
        if answer is not None:
            self._queue.put_nowait(answer)

    async def receive(self):
        raw = await self._queue.get()
        if isinstance(raw, Exception):
            raise raw
        return raw

    async def close(self):
        self.closed = True

    def feed(self, raw):
        """Let ``raw`` (or an exception) be received; from any thread."""
        self._loop.call_soon_threadsafe(self._queue.put_nowait, raw)


class Server:
    """Where lines end; while it is not ``open`` nobody gets in, and a ``refusal`` is raised instead."""

    def __init__(self, **answers):
        self.answers = ANSWERS | answers
        self.lines = []
        self.refusal = None
        self.open = threading.Event()
        self.open.set()

    async def connect(self, token):
        assert token == TOKEN
        while not self.open.is_set():  # noqa: ASYNC110 - it is opened from any thread
            await asyncio.sleep(0.005)
        if self.refusal is not None:
            raise self.refusal
        self.lines.append(Line(self))
        return self.lines[-1]

    def push(self, *raws):
        for raw in raws:
            self.lines[-1].feed(raw)

    def drop(self, reason="the connection broke"):
        self.lines[-1].feed(ConnectionFailed("test", reason))


class Tokens:
    """Gives one token; if it is refused there is no other."""

    def __init__(self, error=None):
        self._error = error

    async def get(self):
        return TOKEN

    async def refused(self, token):
        raise self._error
