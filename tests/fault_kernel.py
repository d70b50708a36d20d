"""Kernels that are killed: a process that imports everything once and then forks one stream after the other.

``Nursery(url, token, folder)`` starts it; ``nursery.born()`` forks a kernel, which streams and says of each row that it
is visible, and ``kernel.kill()`` ends it by SIGKILL. A fork costs milliseconds where a fresh kernel costs a second.

Run as a program it is that process: a line on its standard input asks for a kernel, and its standard output tells
``born PID``, ``loaded N`` (rows of the day that were there), ``live``, ``seen NUMBER`` and, behind all of these,
``died PID``.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path


class Nursery:
    """The process that forks kernels, and what the living one has said; a context manager."""

    def __init__(self, url, token, folder):
        # One thread: a library's pool of threads does not live through a fork.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "error", __file__, url, token, str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = subprocess.Popen(command, **pipes, text=True, env=environment, bufsize=1)
        self._said = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="nursery", daemon=True)
        self._reader.start()
        self._kernel = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._kernel is not None and not self._kernel.is_dead:  # the test has failed meanwhile
            os.kill(self._kernel.pid, signal.SIGKILL)
        self._process.stdin.close()
        try:
            self.errors = self._process.stderr.read()
            self._process.wait(30)
        finally:
            self._process.kill()
            self._reader.join(10)
            self._process.stdout.close()
            self._process.stderr.close()

    def _read(self):
        for line in self._process.stdout:
            self._said.put(line.split())
        self._said.put(["ended"])

    def born(self):
        """Fork a kernel."""
        self._process.stdin.write("\n")
        self._kernel = Kernel(self._next)
        return self._kernel

    def _next(self):
        return self._said.get(timeout=30)


class Kernel:
    """One that lives, or has lived: what it loaded and what it has shown so far."""

    def __init__(self, next_said):
        self._next = next_said
        self.loaded = None
        self.was_live = False
        self.seen = []
        self.is_dead = False
        self.pid = int(self.hears("born"))

    def hears(self, word):
        """Wait until it says this, and return what stands behind the word."""
        said = self._next()
        while said[0] != word:
            self._note(said)
            said = self._next()
        self._note(said)
        return said[-1]

    def hears_anything(self):
        self._note(self._next())

    def _note(self, said):
        word, what = said[0], said[-1]
        assert word != "ended", "the nursery has ended"
        if word == "loaded":
            self.loaded = int(what)
        elif word == "seen":
            self.seen.append(int(what))
        self.was_live = self.was_live or word == "live"
        self.is_dead = self.is_dead or word == "died"

    def kill(self):
        """Kill it, and note what it had still said."""
        os.kill(self.pid, signal.SIGKILL)
        self.hears("died")


# --- the process itself ---


def _stream(url, token, folder):
    """Stream until killed, and say of each row that it is visible."""
    import kiwoom_nb as kn

    df = kn.stream_balances(url=url, token=token, record=folder, holdings=False)
    _say("loaded", len(df))
    told = len(df)
    while df.kn.status.state != "live":
        df.kn.wait(told + 1, timeout=0.005)
    _say("live")
    while True:
        for number in df["quantity"].iloc[told:]:
            _say("seen", number)
            told += 1
        df.kn.wait(told + 1)


def _say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())  # one write: whole even if killed a moment later


def _main(url, token, folder):
    _warm()
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.close(0)
            _stream(url, token, Path(folder))
        _say("born", pid)
        os.waitpid(pid, 0)
        _say("died", pid)


def _warm():
    """Import what a stream imports late, without a thread that stays."""
    import email.parser
    import encodings.idna
    import http.cookies

    import filelock
    import websockets.asyncio.client

    import kiwoom_nb as kn

    assert [email.parser, encodings.idna, http.cookies, filelock, websockets.asyncio.client]
    day = kn.replay("sample:calm", speed=float("inf"))
    day.kn.wait(1)
    day.kn.stop()
    assert threading.active_count() == 1, threading.enumerate()


if __name__ == "__main__":
    _main(*sys.argv[1:])
