"""Known secrets, and a search for them in whatever was written, printed, logged or raised.

``secrets_in(text)`` names the secrets that a text or bytes hold: as they are, in another case, escaped for a URL, HTML
or JSON, in hex, or in base64 at any offset of whatever was encoded together with them.
"""

import base64
import contextlib
import html
import logging
import os
import traceback
from pathlib import Path
from urllib.parse import quote

APP_KEY = "Zq7/App+Key-x9WcLm4TnR2vB8sD"
SECRET_KEY = "Yt3/Secret+Key-k8HdJp5QgF6uN1eA"
TOKEN = "Xw5/Access+Token-m7GfKr4ZbV9yC2hE"
ACCOUNT = "8123456789"

KEYS = {"APP_KEY_MOCK": APP_KEY, "APP_SECRET_MOCK": SECRET_KEY, "APP_KEY": APP_KEY, "APP_SECRET": SECRET_KEY}
"""The environment of somebody who has set the keys."""
SECRETS = {"app key": APP_KEY, "secret key": SECRET_KEY, "token": TOKEN}

_LEAST = 12  # characters of an encoded form that are no accident


def forms(secret):
    """Return the ways in which ``secret`` may stand in a text, in lower case, and those in which case counts."""
    raw = secret.encode()
    folded = {secret, quote(secret), quote(secret, safe=""), html.escape(secret), secret.replace("/", "\\/"), raw.hex()}
    # What stands before it in the encoded bytes moves it by 0, 1 or 2 bytes; the edges then depend on the neighbours.
    moved = [base64.b64encode(b"\0" * before + raw)[edge:] for before, edge in enumerate((0, 2, 3))]
    cut = [text.rstrip(b"=")[:-1].decode() for text in moved]
    exact = {form for text in cut for form in (text, text.translate(str.maketrans("+/", "-_")))}
    assert all(len(form) >= _LEAST for form in exact)
    return {form.lower() for form in folded}, exact


def secrets_in(text, secrets=None):
    """Return the names of the ``secrets`` (default: all of ours) that ``text`` (str or bytes) holds."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    lowered = text.lower()
    return [
        name
        for name, secret in (SECRETS if secrets is None else secrets).items()
        for folded, exact in [forms(secret)]
        if any(form in lowered for form in folded) or any(form in text for form in exact)
    ]


def told_by(exc, *, besides=()):
    """Return all that a verbose traceback tells of ``exc``: texts, arguments, attributes, and variables of each frame.

    Frames of the files ``besides`` are left out: a test has the secrets in variables of its own.
    """
    texts = []
    waiting, seen = [exc], set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one), repr(one.args), repr(vars(one))]
        frames = [
            (frame, line)
            for frame, line in traceback.walk_tb(one.__traceback__)
            if frame.f_code.co_filename not in besides
        ]
        texts += traceback.StackSummary.extract(iter(frames), capture_locals=True).format()
        waiting += [one.__cause__, one.__context__]
    return "\n".join(texts)


def environment(**more):
    """Return the environment of a program whose user has set the keys."""
    return {**os.environ, **KEYS, "PYTHONASYNCIODEBUG": "1", "PYTHONIOENCODING": "utf-8", **more}


def written_below(folder, *, besides=()):
    """Return the (name, content) of each file below ``folder``, but for those below the folders ``besides``."""
    left_out = [Path(folder, name) for name in besides]
    return [
        (str(path.relative_to(folder)), path.read_bytes())
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and not any(path.is_relative_to(one) for one in left_out)
    ]


class Log(logging.Handler):
    """All that any library logs, from DEBUG on, with its arguments and the variables of its tracebacks."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.texts = []

    def emit(self, record):
        self.texts += [record.getMessage(), repr(record.args)]
        if record.exc_info and record.exc_info[1] is not None:
            self.texts.append(told_by(record.exc_info[1]))


@contextlib.contextmanager
def logged():
    """Turn on every logger there is at DEBUG, as people do who look for a fault, and yield what they say."""
    root, log = logging.getLogger(), Log()
    names = [logging.getLogger(name) for name in ("asyncio", "httpx", "httpcore", "kiwoom_nb", "websockets")]
    levels = [
        (logger, logger.level) for logger in (root, *names, *map(logging.getLogger, list(root.manager.loggerDict)))
    ]
    root.addHandler(log)
    for logger, _ in levels:
        logger.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        root.removeHandler(log)
        for logger, level in reversed(levels):
            logger.setLevel(level)
