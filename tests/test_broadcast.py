import asyncio
import json
import threading
import time

import pytest
import simulator_client
from holding_pages import page, row
from msgspec import Raw
from simulator_client import FAST, START, frame, join, read, recording, serving
from websockets.sync.client import connect

from kiwoom_nb.account_pages import holding_of
from kiwoom_nb.broadcast import Broadcast, Journals, play
from kiwoom_nb.classroom import serve
from kiwoom_nb.journal import Entry
from kiwoom_nb.simulator import Simulator
from kiwoom_nb.trading_day import simulate

all_closed = simulator_client.all_closed
no_traceback = simulator_client.no_traceback


def test_every_frame_arrives_byte_for_byte_and_in_order():
    """With speed=inf 5,000 frames arrive as they are, and the server says that it is through."""
    frames = recording(5_000)
    with serving(frames, speed=FAST) as server, connect(server.url) as client:
        assert read(join(client, server.token), len(frames)) == [raw for _, raw in frames]
        assert server.finished.wait(5)
        assert (server.sent, server.error) == (5_000, None)


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_frames_keep_the_pace_of_their_times(speed):
    """The differences of the times, divided by speed, are the pauses: never shorter, and no drift."""
    frames = recording(6, step_ms=50 * speed)
    with serving(frames, speed=speed) as server, connect(server.url) as client:
        join(client, server.token)
        start = time.monotonic()
        arrivals = [time.monotonic() - start for _ in read_each(client, 6)]
    assert 0.2 < arrivals[-1] < 2.0


def read_each(client, count):
    for _ in range(count):
        yield client.recv(timeout=5)


def test_a_time_that_goes_backwards_is_sent_at_once():
    """The clock of a recording may have been set back; the broadcast does not wait for it, nor fail."""
    frames = [(START + 1_000, frame(0)), (START - 10**12, frame(1)), (START + 2_000, frame(2))]
    with serving(frames) as server, connect(server.url) as client:
        assert read(join(client, server.token), 3) == [raw for _, raw in frames]


def test_the_broadcast_waits_for_as_many_sessions_as_it_is_told():
    """With wait_for=2 nothing is sent until the second registration, and both get everything."""
    frames = recording(20)
    with (
        serving(frames, speed=FAST, wait_for=2) as server,
        connect(server.url) as first,
        connect(server.url) as second,
    ):
        join(first, server.issue_token("first"))
        with pytest.raises(TimeoutError):
            first.recv(timeout=0.1)
        join(second, server.issue_token("second"))
        assert read(first, 20) == read(second, 20) == [raw for _, raw in frames]


def test_with_wait_for_0_the_clock_runs_without_clients():
    """Nobody is waited for: the source is through before anyone came."""
    with serving(recording(100), speed=FAST, wait_for=0) as server:
        assert server.finished.wait(5)
        assert server.sent == 100


def test_who_comes_later_joins_in_the_middle():
    """There is one clock: a late client sees what the others see from then on, not the beginning."""
    frames = recording(60, step_ms=10)
    with serving(frames) as server, connect(server.url) as early, connect(server.url) as late:
        read(join(early, server.issue_token("early")), 20)
        seen = read(join(late, server.issue_token("late")), 5)
        numbers = [int(json.loads(raw)["data"][0]["values"]["930"]) for raw in seen]
        assert numbers == list(range(numbers[0], numbers[0] + 5))
        assert numbers[0] >= 20


@pytest.mark.parametrize("speed", [100.0, FAST])
def test_a_loop_starts_over_at_the_end(speed):
    """loop=True plays the recording again and again, and is never finished."""
    frames = recording(3)
    with serving(frames, speed=speed, loop=True) as server, connect(server.url, close_timeout=0.1) as client:
        assert read(join(client, server.token), 9) == [raw for _, raw in frames] * 3
        assert not server.finished.is_set()


def test_a_loop_over_nothing_ends():
    """An empty recording does not spin."""
    with serving([], loop=True, wait_for=0) as server:
        assert server.finished.wait(5)


def test_a_source_with_frames_is_asked_again_at_each_round():
    """An object with .frames() is what a recorded source looks like; a generator inside it may loop."""

    class Source:
        def frames(self):
            yield from recording(2)

    with serving(Source(), speed=FAST, loop=True) as server, connect(server.url, close_timeout=0.1) as client:
        assert read(join(client, server.token), 4) == [frame(0), frame(1)] * 2


def test_a_source_that_fails_is_told_and_the_server_lives_on():
    """What the source raised is the server's .error; push still works."""

    def broken():
        yield from recording(1)
        raise OSError("the disk is gone")

    with serving(broken(), speed=FAST) as server, connect(server.url) as client:
        assert read(join(client, server.token), 1) == [frame(0)]
        assert server.finished.wait(5)
        assert str(server.error) == "the disk is gone"
        server.push(frame(7))
        assert read(client, 1) == [frame(7)]


def test_without_a_source_there_is_nothing_to_wait_for():
    """The source None has no frames: finished at once, whoever comes."""
    with serving() as server:
        assert server.finished.wait(5)
        assert (server.sent, server.error) == (0, None)


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        (b"sample", {}, TypeError),
        (7, {}, TypeError),
        ([], {"speed": 0}, ValueError),
        ([], {"speed": -1.0}, ValueError),
        ([], {"speed": float("nan")}, ValueError),
        (iter([]), {"loop": True}, ValueError),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_starts(source, options, error):
    """Bytes, a number, a backward speed, an iterator in a loop: a sentence, and no thread left."""
    before = set(threading.enumerate())
    with pytest.raises(error, match=r"source|speed"):
        serve(source, **options)
    assert set(threading.enumerate()) <= before


async def test_play_is_for_any_loop():
    """Under another ASGI server play() is a coroutine of its own; it ends with the source."""
    app = Simulator(wait_for=0)
    await play(app, recording(3), speed=FAST)
    assert app.sent == 3


def test_a_recording_that_starts_over_starts_over_with_what_was_held():
    """What the last round bought is not held before the first event of the next."""
    day = simulate(3, events=60)
    simulator = Simulator(wait_for=0)
    broadcast = Broadcast(simulator, day, speed=FAST, loop=True, stall_timeout=5)
    frames = len(list(day.frames()))

    async def play_twice():
        playing = asyncio.create_task(broadcast.play())
        while simulator.sent <= frames:  # noqa: ASYNC110 - nothing tells of a frame
            await asyncio.sleep(0)
        at = next(at for number, (at, _) in enumerate(day.frames()) if number == simulator.sent - frames - 1)
        held = simulator.book.holdings()
        playing.cancel()
        return at, held

    at, held = asyncio.run(play_twice())
    assert held == [holding_of(event) for event in day.holdings(at)]


def test_lines_of_a_journal_that_cannot_be_read_are_passed_over():
    """A recording is played all the same; what is known of its account is what else it tells."""
    entries = [
        Entry(5, "holdings", asked_at=3, account="5555555555", pages=[Raw(page(row()))]),
        Entry(2, "holdings", asked_at=1, pages=[Raw(b"{}")]),
    ]
    journals = Journals([(10, frame(1))], entries)
    assert [(told.at, told.account, len(told.holdings)) for told in journals.told] == [(3, "5555555555", 1)]
    assert list(journals.frames()) == [(10, frame(1))]
