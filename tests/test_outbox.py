import asyncio
import time

import pytest
import simulator_client
from simulator_client import FAST, closing, frame, join, read, recording, serving
from websockets.sync.client import connect

from kiwoom_nb import simulator_session
from kiwoom_nb.outbox import Outbox

all_closed = simulator_client.all_closed
no_traceback = simulator_client.no_traceback


@pytest.mark.parametrize("speed", [1.0, FAST])
def test_a_client_that_stops_reading_is_closed_and_slows_no_other(speed, monkeypatch):
    """The reader gets every frame; the other one, when it reads again, finds the close 1008 and its reason."""
    monkeypatch.setattr(simulator_session, "LINGER", 60)
    frames = recording(600, step_ms=1, size=65_536)
    with (
        serving(frames, speed=speed, wait_for=2, max_queued=40, stall_timeout=0.3) as server,
        connect(server.url, max_queue=1) as sleeper,
        connect(server.url) as reader,
    ):
        join(sleeper, server.issue_token("sleeper"))
        join(reader, server.issue_token("reader"))
        assert read(reader, len(frames)) == [raw for _, raw in frames]
        assert server.sessions == 1
        code, reason = closing(sleeper)
        assert code == 1008
        assert reason.startswith("too slow")


def test_a_client_that_never_reads_again_is_cut(monkeypatch):
    """Who does not take the close frame either loses the connection: its memory and socket are freed."""
    monkeypatch.setattr(simulator_session, "LINGER", 0.1)
    with serving(max_queued=10) as server, connect(server.url, max_queue=1) as sleeper:
        join(sleeper, server.token)
        for n in range(600):
            server.push(frame(n, 65_536))
        assert server.sessions == 0
        until = time.monotonic() + 5
        while server._simulator._open and time.monotonic() < until:
            time.sleep(0.01)
        assert closing(sleeper)[0] == 1006


async def test_messages_are_delivered_in_order_up_to_the_close():
    """What is put after a close is not sent."""
    outbox, sent = Outbox(), []

    async def send(message):
        sent.append(message)

    messages = [{"type": "websocket.send", "text": "1"}, {"type": "websocket.close"}, {"type": "websocket.send"}]
    for message in messages:
        outbox.put(message)
    assert len(outbox) == 3
    await outbox.deliver(send)
    assert sent == messages[:2]


async def test_an_end_delivers_what_waits_and_a_clear_lets_go_of_it():
    """The end has no frame of its own."""
    outbox, sent = Outbox(), []

    async def send(message):
        sent.append(message)

    outbox.put({"type": "websocket.send", "text": "gone"})
    outbox.clear()
    outbox.put({"type": "websocket.send", "text": "last"})
    outbox.end()
    await outbox.deliver(send)
    assert [message["text"] for message in sent] == ["last"]


async def test_who_takes_nothing_though_something_waits_is_stalled():
    """With an empty outbox nobody is."""
    outbox = Outbox()
    await asyncio.sleep(0.01)
    assert outbox.stalled_for == 0
    outbox.put({"type": "websocket.send", "text": "1"})
    await asyncio.sleep(0.01)
    assert 0 < outbox.stalled_for < 5
