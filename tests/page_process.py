"""``kiwoom-nb dashboard`` as a process of its own, with an address and an end."""

import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager

import psutil
from lines import until


@contextmanager
def served(*arguments, **environment):
    """Start the command and yield its process and the address that it prints; it must end by itself."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kiwoom_nb", "dashboard", "--no-browser", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )
    killer = threading.Timer(300, process.kill)
    killer.start()
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, re.search(r"at (http://127\.0\.0\.1:\d+/\?token=\w+) ", line)[1]
    finally:
        killer.cancel()
        process.kill()
        process.communicate()


def family_of(process):
    """Return the ids of the process and of all that it has started."""
    return [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]


def ended(process, number):
    """Send a signal, and return the exit code and what was said; no process is left behind."""
    family = family_of(process)
    process.send_signal(number)
    said = process.communicate(timeout=60)
    until(lambda: not any(psutil.pid_exists(pid) for pid in family), 60)
    return process.returncode, said
