"""A replay is the recording, as far as it was known at its virtual time."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import math
import sys
import threading
import time
import weakref

import numpy as np
import pandas as pd
import pytest
from frames import entry, event, frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import Kernel
from lines import Server, Tokens, until, until_async

import kiwoom_nb as kn
from kiwoom_nb import labels, samples
from kiwoom_nb.errors import NotLive, NotReplayed, ReadOnlyFrame, SourceError
from kiwoom_nb.playback import Playback, name_of
from kiwoom_nb.protocol import parse
from kiwoom_nb.schema import COLUMNS
from kiwoom_nb.stream import Stream
from kiwoom_nb.table import BalanceTable, empty_frame

SECOND = 1_000_000
START = 1_795_132_800 * SECOND  # 2026-11-20 09:00 KST
DAYS = sorted(samples.DAYS)


class Clock:
    """Turned by the test."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def at(seconds):
    return START + int(seconds * SECOND)


def moment(seconds):
    return pd.Timestamp(at(seconds), unit="us", tz="Asia/Seoul")


def recorded(*seconds, gaps=()):
    """Return a recording of a row at each of these seconds, with gaps of (start, end, reason)."""
    table = BalanceTable(capacity=8)
    table.line.connected(at(seconds[0]))
    for number, second in enumerate(seconds):
        table.receive(parse(event(f930=str(number))), at(second))
    for start, end, reason in gaps:
        table.line.disconnected(at(start), reason)
        if end is not None:
            table.line.connected(at(end))
    return table.frame().copy()


def playback(recording, clock=time.monotonic, **options):
    return Playback(recording, name="day.jsonl", clock=clock, **options)


def check(replay, recording):
    """Compare with what the recording says must have been known, worked out in another way."""
    replay.sync()
    shown, row = replay.frame, len(replay.frame)
    pd.testing.assert_frame_equal(shown.copy(), recording.iloc[:row])
    assert shown.dtypes.astype(str).to_dict() == COLUMNS
    if row == len(recording):
        assert shown.attrs == recording.attrs
        return
    now = pd.Timestamp(replay.status.as_of)
    gaps = recording.kn.gaps
    known = gaps[gaps["start"] <= now].reset_index(drop=True)
    known["end"] = known["end"].where(known["end"] <= now)
    known["missed"] = known["missed"].where(known["end"].notna())  # the account is asked once the line is up
    pd.testing.assert_frame_equal(shown.kn.gaps, known)
    rejected = recording.kn.rejected
    of_rows = rejected["row"].notna()
    here = (of_rows & (rejected["row"].fillna(0) < row)) | (~of_rows & (rejected["received_at"] <= now))
    pd.testing.assert_frame_equal(shown.kn.rejected, rejected[here].reset_index(drop=True))
    assert (replay.status.gaps, replay.status.rejected) == (len(known), int(here.sum()))


# Equal to the recording at every position

FRAMES = st.sampled_from(
    [
        event(),
        event(f930="1O2"),
        event(f930="", f946="9", f990="-1"),
        event("005930_NX", f777="new"),
        frame(entry(f930="1"), entry(f930="2x"), entry(f931="3x")),
        b"not json",
        b'{"trnm":"REAL","data":[1]}',
    ]
)
RECEIVED = st.lists(st.tuples(st.sampled_from([-5, 0, 0, 1e-6, 0.3, 7, 4000]), FRAMES | st.none()), max_size=14)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("step"), st.integers(-4, 4)),
        st.tuples(st.just("seek row"), st.floats(0, 1)),
        st.tuples(st.just("seek time"), st.floats(0, 1)),
        st.tuples(st.just("play"), st.sampled_from([0, 1e-6, 0.3, 5, 5000])),
        st.tuples(st.just("pass"), st.sampled_from([0, 0.1, 3, 5000])),
        st.tuples(st.just("pause"), st.none()),
        st.tuples(st.just("speed"), st.sampled_from([0.25, 1.0, 60.0, math.inf])),
    ),
    max_size=10,
)


def recording_of(received):
    table = BalanceTable(capacity=4)
    now, up = START, True
    table.line.connected(now)
    for silence, raw in [*received, (1, event())]:
        now += int(silence * SECOND)
        if raw is not None:
            table.receive(parse(raw), now)
        elif up:
            table.line.disconnected(now - SECOND, "closed")
            up = False
        else:
            table.line.connected(now)
            up = True
    return table.frame().copy()


def move(replay, clock, what, value):
    """Do it through the frame, as a user does."""
    do, times = replay.frame.kn, replay._head.times
    if what == "step":
        do.step(value)
    elif what == "seek row":
        do.seek(round(value * len(times)))
    elif what == "seek time":
        do.seek(pd.Timestamp(int(times[0] + value * (times[-1] - times[0])), unit="us", tz="UTC"))
    elif what == "speed":
        do.speed = value
    elif what == "pause":
        do.pause()
    else:
        if what == "play":
            do.play()
        clock.now += value
        do.sync()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(received=RECEIVED, moves=MOVES, max_silence=st.sampled_from([None, 0.5, 60.0]))
def test_at_every_position_a_replay_equals_the_recording_however_it_was_reached(received, moves, max_silence):
    """Cell for cell, dtype for dtype, and of gaps and rejects exactly those known at the virtual time."""
    recording = recording_of(received)
    clock = Clock()
    replay = playback(recording.copy(), clock, max_silence=max_silence)
    replay.frame.attrs["mine"] = [1]
    recording.attrs["mine"] = [1]
    check(replay, recording)
    for what, value in moves:
        move(replay, clock, what, value)
        check(replay, recording)
    replay.seek(len(recording))
    check(replay, recording)


@pytest.mark.parametrize("name", DAYS)
def test_each_sample_day_replays_as_it_loads(name, clock):
    """Walked through forwards and backwards by many ways, each position is that of kn.load."""
    recording = kn.load(f"sample:{name}")
    replay = Playback(kn.load(f"sample:{name}"), name=name, clock=clock)
    for row in range(len(recording) + 1):
        pd.testing.assert_frame_equal(replay.frame._plain(), recording.iloc[:row]) if row % 50 == 0 else None
        assert len(replay.frame) == row
        replay.step()
    check(replay, recording)
    for row in range(len(recording), -1, -37):
        replay.seek(row)
        check(replay, recording)
        at_row = len(replay.frame)
        if at_row:
            replay.seek(recording["received_at"].iloc[at_row - 1])
            check(replay, recording)
    replay.play()
    while replay.status.state == "replaying":
        clock.now += 1800
        replay.sync()
        check(replay, recording)


def test_a_gap_has_no_end_while_it_lasts(clock):
    """As it was then: nobody knew when the line would be back."""
    replay = playback(recorded(0, 100, gaps=[(10, 50, "closed")]), clock)
    seen = []
    for second in (0, 10, 30, 50, 100):
        replay.seek(moment(second))
        seen.append([pd.isna(end) for end in replay.frame.kn.gaps["end"]])
    assert seen == [[], [True], [True], [False], [False]]


def test_a_reject_of_a_row_comes_with_its_row():
    """Also where several rows share a moment, and at the very start, where no row is shown yet."""
    table = BalanceTable(capacity=4)
    table.receive(parse(frame(entry(f930="1x"), entry(), entry(f930="3x"))), START)
    replay = playback(table.frame().copy())
    known = []
    for row in range(4):
        replay.seek(row)
        known.append(list(replay.frame.kn.rejected["row"]))
    assert known == [[], [0], [0], [0, 2]]


def test_the_rejects_of_a_file_of_chosen_rows_still_come_with_their_rows(tmp_path):
    """There a row is known by its label, which is not its place any more."""
    recording = kn.load("sample:oddities")
    row = int(recording.kn.rejected["row"][0])
    path = recording.iloc[row - 2 : row + 3].kn.to_parquet(tmp_path / "some.parquet")
    df = kn.replay(path, autoplay=False)
    df.kn.seek(2)
    assert len(df.kn.rejected) == 0
    df.kn.step()
    assert len(df.kn.rejected) == 1


# What a user does with the frame


def test_a_users_own_attrs_survive(tmp_path, clock):
    """Set, changed or removed by the user, whether or not the file had some: growth does not touch them."""
    recording = recorded(0, 1, 2)
    recording.attrs.update({"note": "of the file", "other": 1})
    df = playback(recording, clock).frame
    assert df.attrs == {"note": "of the file", "other": 1}
    df.attrs["note"] = "mine"
    del df.attrs["other"]
    for row in (2, 0, 3):
        df.kn.seek(row)
        assert df.attrs == {"note": "mine"}


def test_writes_are_refused_and_never_reach_the_recording(clock):
    """Not even by way of an array: what is shown after a seek is what was recorded."""
    recording = recorded(0, 1, 2)
    replay = playback(recording.copy(), clock)
    replay.seek(3)
    df = replay.frame
    with pytest.raises(ReadOnlyFrame):
        df["price"] = 1
    with pytest.raises(ReadOnlyFrame):
        df.loc[0, "price"] = 1
    for name in COLUMNS:
        with pytest.raises(ValueError, match="read-only"):
            df[name].array[0] = df[name].array[1]
    head = df.head(2)
    head.loc[0, "quantity"] = 77
    replay.seek(0)
    replay.seek(3)
    check(replay, recording)


def test_what_is_derived_never_moves(clock):
    """A copy, a mask and a head are of their moment."""
    df = playback(recorded(0, 1, 2), clock).frame
    df.kn.seek(2)
    derived = [df.copy(), df.head(), df[df["quantity"] >= 0]]
    df.kn.seek(0)
    assert [len(frame) for frame in derived] == [2, 2, 2]
    with pytest.raises(NotLive, match=r"df\.kn\.seek\(\)"):
        derived[0].kn.seek(1)


# Along the clock


def test_rows_appear_as_they_did_at_the_speed_asked_for(clock):
    """A change of speed begins now; what was played stays played."""
    df = playback(recorded(0, 10, 20, 30), clock, speed=10).frame
    df.kn.play()
    assert len(df) == 1
    clock.now += 1
    assert len(df) == 1
    df.kn.sync()
    assert len(df) == 2
    df.kn.speed = 1
    assert (df.kn.speed, df.kn.status.speed) == (1.0, 1.0)
    clock.now += 9
    df.kn.sync()
    assert len(df) == 2
    clock.now += 1
    df.kn.sync()
    assert len(df) == 3


def test_long_silences_are_cut_short(clock):
    """max_silence is in recorded seconds."""
    df = playback(recorded(0, 3600, 3601), clock, max_silence=5, speed=5).frame
    df.kn.play()
    clock.now += 1
    df.kn.sync()
    assert (len(df), df.kn.status.as_of) == (2, moment(3600))


def test_playing_while_it_plays_loses_no_time(clock):
    """play() and resume() on a replay that plays change nothing: the rows of the time since are there."""
    df = playback(recorded(0, 10, 20), clock).frame
    df.kn.play()
    clock.now += 10
    df.kn.play()
    assert len(df) == 2
    clock.now += 100
    df.kn.resume()
    assert (len(df), df.kn.status.state) == (3, "finished")


def test_playing_after_the_end_begins_anew(clock):
    """The frame goes back to its first row."""
    df = playback(recorded(0, 10), clock, speed=math.inf).frame
    df.kn.play()
    assert (len(df), df.kn.status.state) == (2, "finished")
    df.kn.speed = 1
    df.kn.play()
    assert (len(df), df.kn.status.state) == (1, "replaying")


def test_a_seek_while_playing_plays_on_from_there(clock):
    """And to the end is the end."""
    df = playback(recorded(0, 10, 20), clock).frame
    df.kn.play()
    clock.now += 1
    df.kn.seek(moment(15))
    clock.now += 4
    df.kn.sync()
    assert len(df) == 2
    clock.now += 1
    df.kn.sync()
    assert len(df) == 3
    df.kn.seek(3)
    assert df.kn.status.state == "finished"


@pytest.mark.parametrize(
    "to",
    [
        "10:30",
        "10:30:00",
        "10:30+09:00",
        "01:30+00:00",
        "20:30-05:00",
        "2026-11-20 10:30",
        "2026-11-20T10:30",
        dt.time(10, 30),
        dt.datetime(2026, 11, 20, 10, 30),  # noqa: DTZ001 - such a one is Korean time
        pd.Timestamp("2026-11-20 10:30"),
        pd.Timestamp("2026-11-20 01:30", tz="UTC"),
        pd.Timestamp("2026-11-19 20:30", tz="America/New_York"),
        np.datetime64("2026-11-20T10:30"),
    ],
)
def test_a_time_may_be_given_in_many_ways(to, clock):
    """Without a date it is of the recording's day, without a zone it is Korean time."""
    if to == "20:30-05:00":  # of the recording's day, which is the next one there
        to = "2026-11-19 20:30-05:00"
    df = playback(recorded(0, 5400, 5401, 9000), clock).frame
    df.kn.seek(to)
    assert (len(df), df.kn.status.as_of) == (2, moment(5400))


def test_every_row_can_be_sought_by_its_own_time():
    """To the microsecond: no row is missed by rounding."""
    recording = kn.load("sample:busy")
    df = kn.replay("sample:busy", autoplay=False)
    for stamp in recording["received_at"]:
        df.kn.seek(stamp)
        assert len(df) == (recording["received_at"] <= stamp).sum()


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("08:00", r"2026-11-20 08:00:00\.0+ is outside .* from 2026-11-20 09:00:00\.5.* to 2026-11-20 10:00:00"),
        ("09:00", r"09:00:00\.0+ is outside .* from 2026-11-20 09:00:00\.5"),
        (pd.Timestamp("2026-11-20 08:00", tz="UTC"), "2026-11-20 17:00:00"),
        ("2026-11-21 09:30", "2026-11-21 09:30:00"),
        (dt.date(2026, 11, 20), "2026-11-20 00:00:00"),
        (pd.Timestamp("2500-01-01"), "2500-01-01"),
        (-1, "seek to a row from 0 to 2, not -1"),
        (3, "There are 2 rows"),
        (np.int64(3), "There are 2 rows"),
        ("tomorrow at noon", "'tomorrow at noon' is no time"),
        ("25:99", "'25:99' is no time"),
        ("", "'' is no time"),
        (None, "None is no time"),
        (pd.NaT, "NaT is no time"),
        (1.5, "1.5 is no time"),
        ([1], r"\[1\] is no time"),
    ],
)
def test_a_place_outside_of_the_recording_is_refused_by_a_sentence(to, told, clock):
    """The span is named in Korean time, to the microsecond; the replay stays where it was."""
    df = playback(recorded(0.5, 3600), clock).frame
    df.kn.seek(1)
    with pytest.raises(ValueError, match=told):
        df.kn.seek(to)
    assert len(df) == 1


@pytest.mark.parametrize("start", [2, "09:00:10", pd.Timestamp("2026-11-20 00:00:10", tz="UTC")])
def test_a_replay_may_begin_anywhere(start, tmp_path):
    """At a row, at a time, at a time of another zone."""
    path = recorded(0, 10, 20).kn.to_parquet(tmp_path / "day.parquet")
    df = kn.replay(path, start=start, autoplay=False)
    assert (len(df), df.kn.status.state) == (2, "paused")
    with pytest.raises(ValueError, match="outside of the recording"):
        kn.replay(path, start="08:59")
    with pytest.raises(ValueError, match="There are 3 rows"):
        kn.replay(path, start=4)


def test_a_replay_that_does_not_play_by_itself_waits_for_play(clock):
    """autoplay=False: nothing is shown until it is asked for."""
    df = kn.replay(autoplay=False)
    assert (len(df), df.kn.status.state) == (0, "paused")
    df.kn.speed = math.inf
    df.kn.play()
    assert (len(df), df.kn.status.state) == (600, "finished")


@pytest.mark.parametrize("speed", [0, -1, 0.2, math.nan])
def test_a_speed_that_never_arrives_is_refused(speed):
    """At the start as later; the speed stays what it was."""
    df = kn.replay("sample:calm", autoplay=False)
    with pytest.raises(ValueError, match=r"speed must be 0\.25 or more"):
        df.kn.speed = speed
    assert df.kn.speed == 1.0
    with pytest.raises(ValueError, match="speed must be"):
        kn.replay("sample:calm", speed=speed)
    with pytest.raises(ValueError, match="max_silence must be"):
        kn.replay("sample:calm", max_silence=0)


def test_a_step_of_no_whole_number_is_refused_and_breaks_nothing(clock):
    """The replay stands where it stood and goes on."""
    df = playback(recorded(0, 1, 2), clock).frame
    with pytest.raises(TypeError):
        df.kn.step(1.5)
    df.kn.step(np.int64(2))
    df.kn.step(-1)
    assert len(df) == 1


def test_the_work_of_a_seek_does_not_depend_on_where_to():
    """In 100,000 rows each seek makes the same few calls: nothing goes through the rows one by one."""
    one = recorded(0)
    rows = 100_000
    recording = one.take(np.zeros(rows, int)).reset_index(drop=True)
    recording["received_at"] = one["received_at"][0] + pd.to_timedelta(np.arange(rows), "us").as_unit("us")
    recording["received_at"] = recording["received_at"].astype(COLUMNS["received_at"])
    replay = playback(recording)
    replay.seek(1)

    def calls_of(to):
        calls = []
        sys.setprofile(lambda frame, what, arg: calls.append(what) if "call" in what else None)
        try:
            replay.seek(to)
        finally:
            sys.setprofile(None)
        assert len(replay.frame) == to
        return len(calls)

    counts = [calls_of(to) for to in (10, 50_000, 99_990, 11, 99_999)]
    assert max(counts) < 2000
    assert max(counts) - min(counts) < 50
    assert np.shares_memory(replay.frame["cost"].array._data, replay._recording["cost"].array._data)


# Waiting


def test_a_wait_in_a_script_is_over_when_the_row_is_due():
    """Rows come while it waits, by the clock of the machine."""
    df = playback(recorded(0, 0.1, 0.2, 5000)).frame
    df.kn.play()
    assert df.kn.wait(3, timeout=20)
    assert len(df) == 3
    assert not df.kn.wait(timeout=0.02)
    assert df.kn.wait(2)


async def test_changed_in_a_script_that_runs_a_loop():
    """The loop goes on meanwhile."""
    df = playback(recorded(0, 0.1, 0.2, 5000)).frame
    df.kn.play()
    ticks = []
    ticking = asyncio.create_task(tick(ticks))
    assert await df.kn.changed(3, timeout=20)
    ticking.cancel()
    assert len(df) == 3
    assert len(ticks) > 2
    assert not await df.kn.changed(timeout=0.02)


async def tick(ticks):
    while True:
        ticks.append(1)
        await asyncio.sleep(0.01)


async def test_a_wait_in_a_script_that_would_never_end_is_false_at_once(clock):
    """Paused, finished or stopped: nobody would go on. What is there counts all the same."""
    df = playback(recorded(0, 10), clock).frame
    for move_on in (df.kn.pause, lambda: df.kn.seek(2), df.kn.stop):
        move_on()
        assert not df.kn.wait()
        assert not await df.kn.changed()
        assert df.kn.wait(len(df))
    assert not df.kn.wait(3)


def test_a_pause_on_another_thread_ends_the_wait():
    """In a script nothing would come any more."""
    df = playback(recorded(0, 5000)).frame
    df.kn.play()
    threading.Timer(0.05, df.kn.pause).start()
    begun = time.monotonic()
    assert not df.kn.wait()
    assert time.monotonic() - begun < 5


def test_a_change_of_speed_on_another_thread_is_heard_by_who_waits():
    """The next row is due sooner than it was."""
    df = playback(recorded(0, 5000)).frame
    df.kn.play()
    threading.Timer(0.05, setattr, (df.kn, "speed", math.inf)).start()
    assert df.kn.wait(2, timeout=20)


def test_moves_on_many_threads_leave_the_replay_in_one_piece():
    """Wherever they end up, the position and the rows shown belong together."""
    recording = recorded(*[number / 1000 for number in range(300)])
    replay = playback(recording)

    def wander(seed):
        random = np.random.default_rng(seed)
        for _ in range(60):
            replay.seek(int(random.integers(300)))
            replay.play()
            replay.sync()

    threads = [threading.Thread(target=wander, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    replay.pause()
    check(replay, recording)
    assert len(replay.frame) == replay.status.events
    reached = pd.Timestamp(replay.status.as_of)
    assert abs(len(replay.frame) - (recording["received_at"] <= reached).sum()) <= 1


# On a loop, as in a notebook


def here(recording, **options):
    return playback(recording, loop=asyncio.get_running_loop(), **options)


async def test_on_a_loop_rows_appear_by_themselves():
    """Between two steps of the loop; within one the frame stands still."""
    df = here(recorded(0, 0.05, 0.1, 5000)).frame
    df.kn.play()
    assert len(df) == 1
    time.sleep(0.2)  # noqa: ASYNC251 - a cell that computes
    assert len(df) == 1
    assert df.kn.status.waiting == 2
    await until_async(lambda: len(df) == 3)
    df.kn.stop()


async def test_on_a_loop_a_wait_while_paused_goes_on_until_somebody_plays():
    """A button may; changed() does not give up."""
    df = here(recorded(0, 0.05, 0.1)).frame
    waiting = asyncio.create_task(df.kn.changed(3, timeout=20))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    df.kn.play()
    assert await waiting
    assert df.kn.status.state == "finished"
    assert not await df.kn.changed()


async def test_on_a_loop_a_stop_ends_every_wait():
    """And no timer is left."""
    replay = here(recorded(0, 5000))
    replay.play()
    waiting = asyncio.create_task(replay.changed())
    await asyncio.sleep(0.02)
    replay.stop()
    assert not await asyncio.wait_for(waiting, 5)
    assert replay._timer is None


async def test_nothing_polls_between_two_rows():
    """One timer, for when the next row is due."""
    loop = asyncio.get_running_loop()
    replay = here(recorded(0, 5000))
    replay.play()
    await asyncio.sleep(0.25)
    assert replay._timer.when() - loop.time() == pytest.approx(5000, abs=5)
    replay.stop()


async def test_a_call_from_another_thread_moves_the_frame_on_the_loops_own():
    """A callback of a widget may come on any thread; errors come back to it."""
    replay = here(recorded(0, 1, 2))
    seen = []
    show = replay.frame._show
    object.__setattr__(replay.frame, "_show", lambda view: (seen.append(threading.get_ident()), show(view)))

    def callback():
        replay.seek(2)
        replay.step(-1)
        with pytest.raises(ValueError, match="There are 3 rows"):
            replay.seek(9)
        return len(replay.frame)

    assert await asyncio.to_thread(callback) == 1
    assert set(seen) == {threading.get_ident()}


async def test_while_a_cell_computes_a_call_from_another_thread_does_not_move_its_frame(monkeypatch):
    """It is done once the cell is over; a cell of a subshell does not show rows either."""
    monkeypatch.setattr("kiwoom_nb.playback._DONE_WITHIN", 0.05)
    replay = here(recorded(0, 1, 2))
    thread = threading.Thread(target=lambda: (replay.start_cell(), replay.seek(2)))
    thread.start()
    thread.join(20)  # the loop stands still meanwhile
    assert len(replay.frame) == 0
    await until_async(lambda: len(replay.frame) == 2)


def test_a_call_after_the_loop_was_closed_is_quiet():
    """The kernel is going."""

    async def make():
        return here(recorded(0, 1))

    replay = asyncio.run(make())
    thread = threading.Thread(target=lambda: replay.seek(1))
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


async def test_a_replay_that_nobody_holds_ends():
    """Running the cell of kn.replay() again and again leaves no timers that play to nobody."""
    replay = here(recorded(0, 0.2, 5000))
    replay.play()
    gone = weakref.ref(replay)
    del replay
    gc.collect()
    assert gone() is None
    await asyncio.sleep(0.25)  # its timer finds nobody, and no error is logged


# What it says


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (
            "en",
            [
                "‖ paused · recording day.jsonl · 0 of 3 events · virtual time 2026-11-20 09:00:00",
                "▶ replaying ×2 · recording day.jsonl · 1 of 3 events · virtual time 2026-11-20 09:00:08 · gaps: 1 (df.kn.gaps)",
                "■ replay finished · recording day.jsonl · 3 of 3 events · virtual time 2026-11-20 09:00:20 · gaps: 1 (df.kn.gaps)",
            ],
        ),
        (
            "ko",
            [
                "‖ 일시정지 · 녹화본 day.jsonl · 이벤트 0/3건 · 가상 시각 2026-11-20 09:00:00",
                "▶ 재생 중 ×2 · 녹화본 day.jsonl · 이벤트 1/3건 · 가상 시각 2026-11-20 09:00:08 · 끊김 1번 (df.kn.gaps)",
                "■ 재생 끝 · 녹화본 day.jsonl · 이벤트 3/3건 · 가상 시각 2026-11-20 09:00:20 · 끊김 1번 (df.kn.gaps)",
            ],
        ),
    ],
)
def test_the_state_line_never_looks_live(language, texts, clock):
    """It names the recording and calls its time virtual, in both languages, above the rows too."""
    kn.set_language(language)
    df = playback(recorded(0, 10, 20, gaps=[(5, 6, "x")]), clock, speed=2).frame
    assert str(df.kn.status) == texts[0]
    df.kn.play()
    clock.now += 4
    assert str(df.kn.status) == texts[1]
    clock.now += 100
    df.kn.sync()
    assert str(df.kn.status) == texts[2]
    assert repr(df).startswith(texts[2] + "\n")
    assert texts[2] in df._repr_html_()
    live = labels.WORDS["live"]
    assert not any(word in text for text in texts for word in (*live, "●"))


def test_the_status_counts_what_is_not_shown_yet(clock):
    """Asking does not move the frame."""
    df = playback(recorded(0, 10, 20), clock).frame
    status = df.kn.status
    assert (status.state, status.events, status.total, status.last_event_at) == ("paused", 0, 3, None)
    df.kn.play()
    clock.now += 15
    status = df.kn.status
    assert (status.state, status.events, status.waiting, len(df)) == ("replaying", 2, 1, 1)
    assert (status.last_event_at, status.as_of, status.speed) == (moment(10), moment(15), 1.0)
    assert (status.server, status.ended, status.error, status.journal) == ("day.jsonl", False, None, None)
    df.kn.sync()
    assert df.kn.status.waiting == 0


def test_after_a_stop_the_frame_stays_as_it_is(clock):
    """Moving on is refused by a sentence; stopping twice is not."""
    replay = playback(recorded(0, 10, 20), clock)
    df = replay.frame
    df.kn.play()
    df.kn.stop()
    df.kn.stop()
    clock.now += 100
    df.kn.sync()
    assert (len(df), df.kn.status.state, df.kn.status.ended) == (1, "stopped", True)
    for move_on in (df.kn.play, df.kn.resume, df.kn.step, lambda: df.kn.seek(2)):
        with pytest.raises(ValueError, match=r"after stop\(\): call kn\.replay\(\) again"):
            move_on()
    assert len(df) == 1
    assert repr(replay) == "<Playback day.jsonl 1/3>"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nowhere.jsonl", r"nowhere\.jsonl: it does not exist"),
        ("sample:quiet", '"sample:quiet": it is no sample'),
        ("notes.txt", "does not exist"),
    ],
)
def test_a_source_that_is_not_there_is_named(source, told):
    """The sentence is that of kn.load."""
    with pytest.raises(SourceError, match=told):
        kn.replay(source)


def test_a_recording_of_nothing_is_refused(tmp_path):
    """Nothing to replay is said, instead of an empty frame that never grows."""
    path = empty_frame().kn.to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(SourceError, match=r"empty\.parquet: it holds no balance event"):
        kn.replay(path)


def test_a_recording_without_times_is_refused(tmp_path):
    """Some columns of a frame can be exported and loaded, but not played."""
    path = kn.load("sample:calm")[["symbol", "price"]].kn.to_parquet(tmp_path / "some.parquet")
    with pytest.raises(SourceError, match="it has no column received_at"):
        kn.replay(path)


def test_a_folder_of_several_days_can_be_replayed(tmp_path):
    """Put together in order of time, as kn.load gives them."""
    for name in DAYS:
        (tmp_path / f"{name}.jsonl").write_bytes(samples.path_of(f"sample:{name}").read_bytes())
    df = kn.replay(tmp_path, speed=math.inf)
    pd.testing.assert_frame_equal(df.copy(), kn.load(tmp_path))
    assert df.attrs == kn.load(tmp_path).attrs


def test_a_day_of_the_simulator_can_be_replayed():
    """As its journal would be; accounts are masked, also in its name."""
    day = kn.simulate(seed=3, events=50, date="2026-11-20")
    df = kn.replay(day, speed=math.inf)
    assert len(df) >= 50
    assert set(df["account"]) == {"xxxxxx1111"}
    assert str(df.kn.status).startswith("■ replay finished · recording simulate(seed=3, date=2026-11-20) · ")
    assert set(kn.replay(day, speed=math.inf, mask_accounts=False)["account"]) == {"1111111111"}


def test_a_recording_is_named_by_its_last_name(tmp_path, monkeypatch):
    """Not by its path, which names the user; the folder one is in has a name too."""
    monkeypatch.chdir(tmp_path)
    assert name_of("sample:calm") == "sample:calm"
    assert name_of(tmp_path / "2026-11-20.jsonl") == "2026-11-20.jsonl"
    assert name_of("sample_data/busy.jsonl") == "busy.jsonl"
    assert name_of(".") == tmp_path.name
    assert name_of("/") == "/"


@pytest.mark.parametrize("call", ["play", "step", "seek", "speed"])
def test_calls_along_a_recording_are_refused_on_a_live_frame_and_on_a_plain_one(call):
    """A live frame has no future to move to (NotReplayed); a plain one has nothing behind it (NotLive)."""
    stream = Stream(connect=Server().connect, tokens=Tokens(), server="test", owner="0123456789ab")
    until(lambda: stream.status.state == "live")
    arguments = ("10:30",) if call == "seek" else ()
    try:
        for df, error in ((stream.frame, NotReplayed), (empty_frame(), NotLive)):
            with pytest.raises(error, match=rf"df\.kn\.{call}") as caught:
                getattr(df.kn, call) if call == "speed" else getattr(df.kn, call)(*arguments)
            assert type(caught.value) is error
    finally:
        stream.stop()


# In a real kernel


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    kernel = Kernel(tmp_path_factory.mktemp("playback") / "kernel")
    kernel.run("import asyncio, time\nimport pandas as pd\nimport kiwoom_nb as kn")
    yield kernel
    kernel.close()
    assert (kernel.printed(), kernel.logged()) == ("", [])


def test_in_a_kernel_rows_appear_between_cells_by_themselves(kernel):
    """The cell returns at once and prints nothing; no cell needs to run for the next rows."""
    cell = kernel.run("df = kn.replay(speed=600, max_silence=60)")
    assert cell.content("stream", "display_data", "execute_result", "error") == []
    seen = kernel.peek("len(df)")
    kernel.until(lambda: kernel.peek("len(df)") >= seen + 3)
    kernel.run("df.kn.stop()")


def test_in_a_kernel_the_frame_stands_still_within_a_cell(kernel):
    """The next cell begins with the newest rows."""
    kernel.run("df = kn.replay(speed=600, max_silence=60)")
    cell = kernel.run("before = len(df); time.sleep(0.6); after = len(df); waiting = df.kn.status.waiting")
    assert cell.error is None
    assert kernel.run("before == after, waiting > 0, len(df) >= after + waiting").value == (True, True, True)
    kernel.run("df.kn.stop()")


def test_in_a_kernel_seeks_and_steps_show_at_once(kernel):
    """In the same cell, and the frame equals the recording there."""
    kernel.run("df = kn.replay(autoplay=False)\nday = kn.load('sample')\nsizes = []")
    kernel.run(
        "for do in (lambda: df.kn.seek(100), lambda: df.kn.step(-3), lambda: df.kn.step(5)):\n    do(); sizes.append(len(df))"
    )
    assert kernel.run("sizes, df.copy().equals(day.iloc[:102]), df.kn.status.state").value == (
        [100, 97, 102],
        True,
        "paused",
    )
    assert kernel.run(
        "df.kn.seek(day.received_at[9]); len(df) == int((day.received_at <= day.received_at[9]).sum())"
    ).value


def test_in_a_kernel_a_wait_in_a_cell_gives_the_rows(kernel):
    """Blocking and awaited, and False when the time is over."""
    kernel.run("df = kn.replay(speed=600, max_silence=60)")
    assert kernel.run("n = len(df); df.kn.wait(n + 3), len(df) >= n + 3").value == (True, True)
    assert kernel.run("n = len(df); (await df.kn.changed(n + 2), len(df) >= n + 2)").value == (True, True)
    kernel.run("df.kn.pause()")
    assert kernel.run("df.kn.wait(timeout=0.1), df.kn.status.state").value == (False, "paused")
    kernel.run("df.kn.stop()")
    assert kernel.run("df.kn.wait()").value is False


# Who looks


async def test_on_a_loop_an_observer_sees_rows_and_moves():
    """Each seek, step, pause, change of speed and stop is told; so is the end of the recording."""
    replay = here(recorded(0, 5, 10))
    seen = []
    replay.observe(lambda: seen.append((len(replay.frame), replay.status.state, replay.speed)))

    async def told(expected):
        await until_async(lambda: seen[-1:] == [expected])
        seen.clear()

    replay.seek(2)
    assert seen == []
    await told((2, "paused", 1.0))
    replay.seek(moment(7))  # the same rows, another time
    await told((2, "paused", 1.0))
    replay.speed = 10
    await told((2, "paused", 10.0))
    replay.play()
    await told((2, "replaying", 10.0))
    await told((3, "finished", 10.0))
    replay.step(-1)
    await told((2, "paused", 10.0))
    await asyncio.to_thread(replay.seek, 1)
    await told((1, "paused", 10.0))
    replay.stop()
    await told((1, "stopped", 10.0))


async def test_on_a_loop_an_observer_is_not_called_while_nothing_comes():
    """Neither by the start of a cell nor by a look at the status in a long silence."""
    replay = here(recorded(0, 5000))
    replay.play()
    await asyncio.sleep(0.15)
    seen = []
    replay.observe(lambda: seen.append(len(replay.frame)))
    for _ in range(3):
        replay.start_cell()
        str(replay.status)
        await asyncio.sleep(0.12)
    assert seen == []
    replay.stop()


async def test_on_a_loop_an_observer_that_fails_does_not_stop_the_replay():
    """What it raises is given to its hook."""
    replay = here(recorded(0, 0.05, 0.3))
    failures = []
    replay.observe(lambda: 1 / 0, failures.append)
    replay.play()
    await until_async(lambda: replay.status.state == "finished")
    await until_async(lambda: len(failures) >= 2)
    assert {type(error) for error in failures} == {ZeroDivisionError}


async def test_an_observer_keeps_no_replay_alive():
    """A replay that nobody holds ends, also where somebody looked at it and holds what ends that."""
    replay = here(recorded(0, 5000))
    end = replay.observe(list)
    replay.play()
    await asyncio.sleep(0.05)
    gone = weakref.ref(replay)
    del replay
    gc.collect()
    assert gone() is None
    end()


def test_in_a_script_an_observer_is_called_by_each_move_and_sync_that_shows_something(clock):
    """And by a wait when it is over."""
    replay = playback(recorded(0, 10, 20), clock)
    seen = []
    replay.observe(lambda: seen.append(len(replay.frame)))
    replay.step()
    replay.step()
    replay.seek(1)
    assert seen == [1, 2, 1]
    replay.play()
    clock.now += 10
    replay.sync()
    replay.sync()
    assert seen == [1, 2, 1, 1, 2]
    clock.now += 10
    assert replay.wait()
    assert seen[-1] == 3
