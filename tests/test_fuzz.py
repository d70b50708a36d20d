"""Whatever a server, a client or a disk does: nothing but the documented errors, no row lost or made up, no token told.

The laws and the grammar are those of ``tests/fuzz``, whose fuzzers look for more of the same for as long as one likes.
"""

import asyncio
import contextlib
import gzip
import io
import json
import logging
import traceback
from pathlib import Path

import pyarrow as pa
import pytest
from clock import virtual_time
from fuzz import grammar
from fuzz.laws import NOON, TOKEN, check_connection, check_journal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from kiwoom_nb.errors import AuthenticationError, ConnectionFailed, JournalError, KiwoomError
from kiwoom_nb.intake import Intake
from kiwoom_nb.protocol import parse
from kiwoom_nb.recording import Recorder
from kiwoom_nb.session import Session
from kiwoom_nb.simulator import PATH, Simulator
from kiwoom_nb.simulator_frames import object_of
from kiwoom_nb.storage import load
from kiwoom_nb.table import BalanceTable

CORPUS = Path(__file__).parent / "fuzz" / "corpus"
OWN_FILES = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def seeds(kind):
    files = sorted((CORPUS / kind).iterdir())
    return pytest.mark.parametrize("seed", files, ids=[file.stem for file in files])


# --- what the fuzzers begin with, and what they found --------------------------------------------------------------


@seeds("connection")
def test_the_laws_of_a_connection_hold_for_each_seed(seed):
    """What was once thought of or found is tried each time."""
    check_connection(seed.read_bytes())


@seeds("journal")
def test_the_laws_of_a_journal_hold_for_each_seed(seed, tmp_path):
    """The same for journals."""
    check_journal(seed.read_bytes(), tmp_path)


# --- a connection, its decoding and its journal --------------------------------------------------------------------


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(grammar.SCRIPTS)
def test_no_order_of_frames_and_steps_breaks_a_connection(script):
    """Frames of the protocol, sound or spoiled, in any order and state: each entry is a row or told."""
    check_connection(script)


# --- the session ---------------------------------------------------------------------------------------------------

LOST = st.just(ConnectionFailed("test", "the connection broke"))
ECHOES = grammar.ECHOES.map(grammar.tree_of).map(grammar.written)
SAYS = st.one_of(
    *(grammar.spoiled(grammar.SAID), grammar.spoiled(grammar.SAID), ECHOES, st.sampled_from([0.1, 5, 40]), LOST)
)
LIVES = st.tuples(st.booleans(), st.lists(SAYS, max_size=6))
"""What a server does on one line: whether LOGIN and REG succeed first, then frames, pauses, and an end of the line."""


class Wire:
    """A line to a server that says what the test drew, whatever it is sent."""

    def __init__(self, is_friendly, says, fed):
        self._says = [*(grammar.UP.splitlines() if is_friendly else ()), *says]
        self._fed = fed
        self.sent = []
        self.is_open = True

    async def send(self, frame):
        self.sent.append(frame)

    async def receive(self):
        while self._says:
            says = self._says.pop(0)
            if isinstance(says, bytes):
                self._fed.append(says)
                return says
            if isinstance(says, Exception):
                break
            await asyncio.sleep(says)
        raise ConnectionFailed("test", "the server closed it (1000 Bye)")

    async def close(self):
        assert self.is_open
        self.is_open = False


class World:
    """Servers one after the other, tokens, and the sinks of a stream."""

    def __init__(self, folder, lives):
        self.lives = list(lives)
        self.wires = []
        self.fed = []
        self.reasons = []
        self.table = BalanceTable(capacity=4)
        self.recorder = Recorder(folder, server="demo", owner="x", at=NOON)
        self.intake = Intake(self.table, self.recorder, self.look)
        self.over = asyncio.Event()

    def look(self):
        self.reasons.append(self.intake.reason)

    def now(self):
        return NOON + round(asyncio.get_running_loop().time() * 1e6)

    async def connect(self, token):
        assert token.startswith(TOKEN)
        if not self.lives:
            self.over.set()
            await asyncio.Event().wait()
        self.wires.append(Wire(*self.lives.pop(0), self.fed))
        return self.wires[-1]

    async def get(self):
        return TOKEN

    async def refused(self, token):
        if token != TOKEN:
            raise AuthenticationError("8005", "refused again")
        return TOKEN + "2"

    async def run(self):
        """Run a session through all lives; return the error that ended it before, if one did."""
        session = Session(self.connect, self, self.intake, now=self.now, server="demo", jitter=lambda: 0.5)
        task = asyncio.ensure_future(session.run())
        over = asyncio.ensure_future(self.over.wait())
        await asyncio.wait([task, over], return_when=asyncio.FIRST_COMPLETED)
        error = task.exception() if task.done() else None
        task.cancel()
        over.cancel()
        await asyncio.wait([task, over])
        self.intake.end(self.now(), "failed" if error else "stopped", error)
        return error

    def decoded(self):
        while self.intake.arrived:
            self.intake.arrived.popleft()()
        return self.table.frame()


ECHO = b'{"trnm":"LOGIN","return_code":805004,"return_msg":"[CODE=8005, MESSAGE=%s]"}' % TOKEN.encode()


@settings(OWN_FILES, max_examples=40)
@given(lives=st.lists(LIVES, min_size=1, max_size=3))
@example(lives=[(False, [ECHO]), (False, [ECHO])])  # the second time of a token that is not the one in use
def test_no_server_breaks_a_session_or_its_journal(tmp_path_factory, lives):
    """It ends with an error of ours or not at all; every frame is kept, in order; the journal loads as what was live.

    No token is in what a user may see, though the server may echo it, nor in any line of the journal but such an echo.
    """
    folder = tmp_path_factory.mktemp("session")

    @virtual_time
    async def live():
        world = World(folder, lives)
        check_end(world, await world.run())
        journal = world.recorder.path.read_bytes()
        assert_frame_equal(load(world.recorder.path), shown := world.decoded())
        assert load(world.recorder.path).attrs == shown.attrs
        assert world.table.received == len(world.fed)
        assert len(shown) == sum(rows_of(raw) for raw in world.fed)
        assert all(b'"event":' not in line for line in journal.splitlines() if TOKEN.encode() in line)

    live()


def rows_of(raw):
    """Return how many rows a frame gives by itself."""
    table = BalanceTable(capacity=1)
    table.receive(parse(raw), NOON)
    return table.rows


def check_end(world, error):
    """Look at what a user may see of the end, and that nothing but the steps of the protocol was sent."""
    assert error is None or isinstance(error, KiwoomError), error
    assert not any(wire.is_open for wire in world.wires)
    told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()) if error else ""
    assert TOKEN not in f"{told}{error}{error!r}{world.reasons}"
    for wire in world.wires:
        assert json.loads(wire.sent[0])["trnm"] == "LOGIN"
        assert all(TOKEN not in frame or frame in map(_text, world.fed) for frame in wire.sent[1:])


def _text(raw):
    return raw.decode("utf-8", "replace")


# --- the simulator's own side --------------------------------------------------------------------------------------

CLIENT_SAYS = st.one_of(
    grammar.spoiled(grammar.ASKED).map(lambda raw: {"text": _text(raw)}),
    grammar.spoiled(grammar.ASKED).map(lambda raw: {"bytes": raw}),
    grammar.ASKED.map(lambda asked: {"text": json.dumps(asked)}),
    st.sampled_from([0.3, 12.0]),
)


SCOPE = {
    "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws", "path": PATH,
    "raw_path": PATH.encode(), "query_string": b"", "root_path": "", "headers": [], "subprotocols": [],
    "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
}  # fmt: skip


class Asgi:
    """One client of an ASGI app: what it says, and what it was answered."""

    def __init__(self, says):
        self._says = [{"type": "websocket.connect"}, *says]
        self.heard = []

    async def receive(self):
        while self._says:
            says = self._says.pop(0)
            if isinstance(says, dict):
                return {"type": "websocket.receive", **says}
            await asyncio.sleep(says)
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(self, message):
        self.heard.append(message)
        await asyncio.sleep(0)


@settings(OWN_FILES, max_examples=100)
@given(says=st.lists(CLIENT_SAYS, max_size=10), logs_in=st.booleans())
def test_no_client_breaks_the_simulator(caplog, says, logs_in):
    """Each request has one answer, an error is none of Python's, and no answer tells a token."""
    first = [{"text": json.dumps({"trnm": "LOGIN", "token": TOKEN})}] if logs_in else []
    client = Asgi([*first, *says])

    @virtual_time
    async def serve():
        simulator = Simulator(tokens=[TOKEN])
        await simulator({**SCOPE, "state": {}, "extensions": {}}, client.receive, client.send)
        assert simulator.sessions == 0

    serve()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    accept, *heard = client.heard
    assert accept["type"] == "websocket.accept"
    frames = [json.loads(message["text"]) for message in heard if message["type"] == "websocket.send"]
    assert [message["type"] for message in heard[len(frames) :]] in ([], ["websocket.close"])
    assert TOKEN not in repr(client.heard)
    requests = [said.get("text", "") for said in [*first, *says] if isinstance(said, dict)]
    check_answers(requests, [frame for frame in frames if "return_code" in frame], is_closed=len(frames) < len(heard))


def check_answers(requests, answers, *, is_closed):
    """Each request has one answer, which says its trnm, up to the end; only the echo of a PING has none."""
    is_in = False
    for request in requests:
        trnm = object_of(request).get("trnm")
        if is_in and trnm == "PING":
            continue
        if not answers:
            assert is_closed
            return
        answer = answers.pop(0)
        assert answer["trnm"] == (trnm[:10] if isinstance(trnm, str) else "")
        assert isinstance(answer["return_code"], int)
        is_in |= (trnm, answer["return_code"]) == ("LOGIN", 0)
    assert not answers


# --- journals ------------------------------------------------------------------------------------------------------


@settings(OWN_FILES, max_examples=150)
@given(content=grammar.damaged_journals())
def test_a_journal_damaged_anywhere_is_refused_or_accounted_for(tmp_path, content):
    """Each line gives the rows and rejects that it gives by itself, or the whole is refused with JournalError."""
    check_journal(content, tmp_path)


def compressed(content, kind):
    if kind == "gz":
        return gzip.compress(content, mtime=0)
    buffer = io.BytesIO()
    with pa.CompressedOutputStream(buffer, "zstd") as stream:
        stream.write(content)
        stream.flush()
        return buffer.getvalue()


@settings(OWN_FILES, max_examples=60)
@given(
    content=grammar.damaged_journals(),
    kind=st.sampled_from(["gz", "zst"]),
    at=st.floats(0, 1, exclude_max=True),
    patch=st.binary(max_size=4) | st.none(),
)
def test_a_damaged_compressed_journal_is_refused_or_loads(tmp_path, content, kind, at, patch):
    """Cut off, or with bytes changed: JournalError is all that comes of it."""
    packed = bytearray(compressed(content, kind))
    place = int(at * len(packed))
    packed[place : len(packed) if patch is None else place + len(patch)] = patch or b""
    path = tmp_path / f"damaged.jsonl.{kind}"
    path.write_bytes(packed)
    with contextlib.suppress(JournalError):
        load(path)
    assert path.read_bytes() == packed
