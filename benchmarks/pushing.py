"""A server in a process of its own that pushes numbered events at a pace, and drops the line on the way."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import multiprocessing
import re
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from typing import Any

from kiwoom_nb.classroom import serve

from .material import frames

NUMBER = re.compile(rb'(?<="932":")[^"]*(?=")')  # the only field that tells events apart
_DAY = 5_000  # different events; then they come again with other numbers


def numbered() -> Iterator[bytes]:
    """Yield frames of one event, the number of each in its FID 932; without end."""
    day = [raw for _, raw in frames(_DAY) if raw.count(b'"type":"04"') == 1]
    halves = [NUMBER.split(raw) for raw in day]
    for number in itertools.count():
        before, after = halves[number % len(halves)]
        yield b"%b%d%b" % (before, number, after)


def digest_of(raw: bytes) -> int:
    """Return a number of 64 bits that stands for the content of a frame."""
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest())


@contextmanager
def pushing(count: int, rate: float, drops: int) -> Iterator[tuple[str, str, str, Pipe]]:
    """Push ``count`` numbered events, ``rate`` a second, from a process of its own, and drop the line on the way.

    It begins when a client has registered. Yields the URL, the REST URL, a token, and a pipe: it says when all were
    pushed, takes each ``True`` for one more to be pushed, and then gives the digests of all that were.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_push, args=(there, count, rate, drops), daemon=True)
    process.start()
    there.close()
    try:
        yield *here.recv(), here
    finally:
        here.close()
        process.join(30)
        process.terminate()


def _push(pipe: Pipe, count: int, rate: float, drops: int) -> None:
    digests = array("Q")
    drop_at = {count * (number + 1) // (drops + 1): number for number in range(drops)}
    events = numbered()

    def paced() -> Iterator[tuple[int, bytes]]:
        for number, raw in enumerate(itertools.islice(events, count)):
            if number in drop_at:  # a cut, or a polite close
                (server.drop if drop_at[number] % 2 == 0 else server.close_sessions)()
            digests.append(digest_of(raw))
            yield round(number / rate * 1e6), raw

    with serve(_Source(paced), max_queued=count) as server:
        pipe.send((server.url, server.rest_url, server.token))
        server.finished.wait()
        if server.error is not None:
            raise server.error
        pipe.send("all were pushed")
        while pipe.recv():
            raw = next(events)
            digests.append(digest_of(raw))
            server.push(raw)
        pipe.send(digests)
        with contextlib.suppress(EOFError):  # the other side has come to its end
            pipe.recv()


class _Source:
    """Something to play, made anew for each time."""

    def __init__(self, paced: Any) -> None:
        self.frames = paced
