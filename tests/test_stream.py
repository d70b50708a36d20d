import asyncio
import gc
import json
import os
import threading
import time

import frames
import pandas as pd
import pytest
from frames import OFFICIAL, event
from holding_pages import page, row
from lines import TOKEN, Server, Tokens, until, until_async

from kiwoom_nb import frame as frame_module
from kiwoom_nb import session as session_module
from kiwoom_nb import stream as stream_module
from kiwoom_nb.errors import (
    AuthenticationError,
    ConnectionFailed,
    JournalError,
    KickedOut,
    NotLive,
    ProtocolError,
)
from kiwoom_nb.holdings import Answer
from kiwoom_nb.protocol import parse
from kiwoom_nb.recording import Recorder
from kiwoom_nb.storage import load
from kiwoom_nb.stream import Stream
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.told import told_by

DAY = 1_795_302_000_000_000  # 2026-11-22 08:00 KST


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The pause before connecting again is no part of these requirements."""
    monkeypatch.setattr(session_module, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(session_module, "LONGEST_PAUSE", 0.01)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def start(server):
    """Start streams; they are stopped after the test."""
    started = []

    def begin(tokens=None, **options):
        tokens = Tokens() if tokens is None else tokens
        started.append(Stream(connect=server.connect, tokens=tokens, server="test", owner="0123456789ab", **options))
        return started[-1]

    yield begin
    for stream in started:
        stream.stop()


@pytest.fixture
def stream(server, start):
    """A stream on a thread, live."""
    return live(start())


def live(stream):
    until(lambda: stream.status.state == "live")
    return stream


async def live_here(start, **options):
    """Start a stream on this loop, as in a notebook, and wait until it is live."""
    stream = start(loop=asyncio.get_running_loop(), **options)
    await until_async(lambda: stream.status.state == "live")
    return stream


def numbered(first, last):
    return [event(f930=str(number)) for number in range(first, last)]


# In a script: rows appear when it asks


def test_in_a_script_rows_appear_only_at_sync_and_wait(server, stream):
    """Nothing moves inside an expression: what arrived is counted by the status and shown when asked for."""
    server.push(*numbered(0, 3))
    until(lambda: stream.status.events == 3)
    assert len(stream.frame) == 0
    assert stream.status.waiting == 3
    stream.sync()
    assert list(stream.frame["quantity"]) == [0, 1, 2]
    assert stream.status.waiting == 0


def test_wait_gives_true_when_the_rows_are_there_and_false_when_the_time_is_over(server, stream):
    """wait(n) is about rows in all, wait() about one more than shown, and what waits counts at once."""
    assert stream.wait(0)
    assert not stream.wait(timeout=0)
    assert not stream.wait(1, timeout=0.05)
    server.push(*numbered(0, 2))
    assert stream.wait(2, timeout=20)
    assert len(stream.frame) == 2
    threading.Timer(0.05, server.push, numbered(2, 3)).start()
    assert stream.wait(timeout=20)
    assert len(stream.frame) == 3


def test_wait_without_a_timeout_returns_as_soon_as_the_row_is_there(server, stream):
    """It is woken by the row, not by the clock."""
    threading.Timer(0.1, server.push, numbered(0, 1)).start()
    begun = time.monotonic()
    assert stream.wait()
    assert time.monotonic() - begun < 0.9


def test_a_wait_on_a_stream_that_was_stopped_is_false_at_once(server, stream):
    """Nothing will come any more; rows that are there still count."""
    server.push(*numbered(0, 1))
    stream.wait(1)
    stream.stop()
    assert not stream.wait()
    assert stream.wait(1)


def test_a_stop_ends_a_wait_on_another_thread(stream):
    """Who waits does not wait for ever."""
    results = []
    waiting = threading.Thread(target=lambda: results.append(stream.wait()))
    waiting.start()
    stream.stop()
    waiting.join(20)
    assert results == [False]


async def test_an_asyncio_script_awaits_changed(server, start):
    """The script's own loop is not the stream's; it is woken from the other thread."""
    stream = start()
    await until_async(lambda: stream.status.state == "live")
    asyncio.get_running_loop().call_later(0.05, server.push, *numbered(0, 2))
    assert await stream.changed(2, timeout=20)
    assert len(stream.frame) == 2
    assert not await stream.changed(timeout=0.05)
    assert not await stream.changed(timeout=0)


async def test_changed_returns_when_the_stream_ends_at_any_moment(server, start):
    """Also when it ends on its thread just between the look and the wait, with nothing received."""
    for _ in range(30):
        stream = start()
        waiting = asyncio.create_task(stream.changed())
        await asyncio.sleep(0)
        await asyncio.to_thread(stream.stop)
        assert await asyncio.wait_for(waiting, 20) is False


async def test_an_end_between_the_look_and_the_wait_is_seen(start):
    """The stream ends on its thread just after it was looked at: the ring for that must not be missed."""
    stream = start()
    settle = stream._settle

    def settle_and_end(wanted):
        settled = settle(wanted)
        stream._intake.end(0, "stopped", None)
        return settled

    stream._waits._settle = settle_and_end
    assert await asyncio.wait_for(stream.changed(), 20) is False


# In a notebook: rows appear between two steps of its loop


@pytest.mark.parametrize("background", [False, True])
async def test_in_a_notebook_rows_appear_by_themselves_between_steps(server, start, background):
    """Within a step the frame stands still, whoever receives; after it the rows are there."""
    stream = await live_here(start, background=background)
    server.push(*numbered(0, 5))
    time.sleep(0.3)  # noqa: ASYNC251 - a cell that does not await
    assert len(stream.frame) == 0
    await until_async(lambda: len(stream.frame) == 5)


async def test_the_frame_is_refreshed_ten_times_a_second_at_the_most(server, start, monkeypatch):
    """A burst costs one refresh, not one for each event."""
    shown = []
    show = frame_module.LiveFrame._show
    monkeypatch.setattr(frame_module.LiveFrame, "_show", lambda self, view: (shown.append(len(view)), show(self, view)))
    stream = await live_here(start)
    shown.clear()
    begun = time.monotonic()
    for raw in numbered(0, 60):
        server.push(raw)
        await asyncio.sleep(0.005)
    await until_async(lambda: len(stream.frame) == 60)
    assert len(shown) <= (time.monotonic() - begun) / stream_module.REFRESH + 2


async def test_a_paused_frame_stands_still_and_resume_shows_what_came(server, start):
    """Receiving goes on meanwhile; the next cell does not move it, an explicit sync does."""
    stream = await live_here(start)
    stream.pause()
    server.push(*numbered(0, 2))
    await until_async(lambda: stream.status.events == 2)
    await asyncio.sleep(0.2)
    stream.start_cell()
    assert (len(stream.frame), stream.status.waiting, stream.status.paused) == (0, 2, True)
    assert str(stream.status).startswith("● live, paused · ")
    stream.sync()
    assert len(stream.frame) == 2
    stream.resume()
    assert not stream.status.paused


async def test_a_cell_starts_with_the_newest_rows(server, start):
    """What arrived while nothing ran is decoded and shown before the cell begins."""
    stream = await live_here(start, background=True)
    server.push(*numbered(0, 3))
    until(lambda: len(stream._intake.arrived) == 3)  # the loop does not run
    stream.start_cell()
    assert len(stream.frame) == 3


async def test_another_thread_never_moves_the_frame_under_a_cell(server, start):
    """A widget's callback may run on a thread of its own (ipykernel 7): there the notebook's loop does the showing."""
    stream = await live_here(start, background=True)
    server.push(*numbered(0, 1))
    moved = []

    def callback():
        stream.start_cell()
        assert stream.wait(1, timeout=20)
        moved.append(len(stream.frame))
        stream.sync()
        moved.append(len(stream.frame))

    thread = threading.Thread(target=callback)
    thread.start()
    time.sleep(0.3)  # noqa: ASYNC251 - a cell that does not await
    assert len(stream.frame) == 0
    await asyncio.to_thread(thread.join)
    assert moved == [1, 1]


async def test_changed_can_be_awaited_on_another_loop(server, start):
    """The loop of a subshell is another one than the notebook's."""
    stream = await live_here(start)
    waiting = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(stream.changed(2, timeout=20))))
    await asyncio.sleep(0.1)
    server.push(*numbered(0, 2))
    assert await waiting


async def test_a_stop_from_another_thread_ends_the_task_of_the_loop(server, start):
    """The Stop button of a widget may be pressed there."""
    stream = await live_here(start)
    await asyncio.to_thread(stream.stop)
    assert stream.status.state == "stopped"
    await until_async(lambda: server.lines[-1].closed)


async def test_an_interrupted_wait_leaves_the_stream_alone(server, start):
    """Interrupting a cell cancels what it awaits: that must not be the stream's own task."""
    stream = await live_here(start)
    waiting = asyncio.create_task(stream.changed())
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not stream._waits._waiters
    server.push(*numbered(0, 1))
    assert await stream.changed(1, timeout=20)


async def test_a_stall_of_the_notebook_is_told_once_with_what_to_do(server, start, monkeypatch):
    """A loop that stood still for longer than five seconds is mentioned in the state line."""
    assert session_module.STALL == 5
    monkeypatch.setattr(session_module, "STALL", 0.2)
    stream = await live_here(start)
    time.sleep(1.6)  # noqa: ASYNC251 - a cell that computes
    await until_async(lambda: stream.status.stalled_for)
    assert str(stream.status).count("background=True") == 1
    assert str(stream.status).endswith("⚠ the notebook stood still for 1 s: for long computations use background=True")


# What ends a stream, and what does not


@pytest.mark.parametrize("where", ["script", "notebook"])
async def test_a_line_that_drops_comes_back_and_leaves_a_gap(server, start, where):
    """State and reason are told meanwhile; afterwards the gap has a start, an end and the reason."""
    stream = await live_here(start) if where == "notebook" else start()
    await until_async(lambda: stream.status.state == "live")
    server.push(*numbered(0, 1))
    await until_async(lambda: stream.status.events == 1)
    server.open.clear()
    server.drop("the cable was cut")
    await until_async(lambda: stream.status.state == "reconnecting" and stream.status.attempt == 1)
    assert str(stream.status).startswith("◐ reconnecting attempt 1 · ")
    assert str(stream.status).endswith(" · last attempt: the cable was cut")
    stream.sync()
    assert list(gaps(stream)["end"].isna()) == [True]
    server.open.set()
    await until_async(lambda: stream.status.state == "live")
    stream.sync()
    assert list(gaps(stream)["end"].isna()) == [False]
    assert list(gaps(stream)["reason"]) == ["the cable was cut"]


def gaps(stream):
    return stream.frame.kn.gaps


def test_a_second_drop_is_a_second_gap(server, stream):
    """Every time that the line was down is told, each with its own reason."""
    for number, reason in enumerate(["first", "second"], 1):
        server.drop(reason)
        until(lambda number=number: len(server.lines) == number + 1 and stream.status.state == "live")
    stream.sync()
    told = gaps(stream)
    assert list(told["reason"]) == ["first", "second"]
    assert not told["end"].isna().any()
    assert (told["end"] >= told["start"]).all()
    assert stream.status.gaps == 2


@pytest.mark.parametrize("where", ["script", "notebook"])
async def test_a_kick_ends_the_stream_and_every_wait_raises_it(server, start, where):
    """Another program took the key: it is never fought for."""
    stream = await live_here(start) if where == "notebook" else start()
    await until_async(lambda: stream.status.state == "live")
    server.push(*numbered(0, 1), frames.KICK)
    with pytest.raises(KickedOut, match="Another program logged in to test"):
        await stream.changed(2, timeout=20)
    with pytest.raises(KickedOut):
        stream.wait(5)
    assert stream.wait(1)
    assert (stream.status.state, type(stream.status.error)) == ("kicked", KickedOut)
    assert str(stream.status).startswith("■ another program took over · test · 1 events")
    assert len(stream.frame) == 1
    assert len(server.lines) == 1
    assert list(gaps(stream)["reason"]) == ["kicked"]


def test_a_refused_token_ends_the_stream_with_what_to_do(server, start):
    """AuthenticationError is what the waits raise, and the state line says it."""
    server.answers["LOGIN"] = frames.token_refusal()
    stream = start(Tokens(AuthenticationError("8005", "no")))
    with pytest.raises(AuthenticationError):
        stream.wait(timeout=20)
    assert stream.status.state == "failed"
    assert "Kiwoom refused the credentials (code 8005: no)" in str(stream.status)


def test_a_refused_registration_ends_the_stream(server, start):
    """There is nothing to wait for on a line that will never push."""
    server.answers["REG"] = frames.reg_refusal(105111, "no such type")
    with pytest.raises(ProtocolError, match="105111"):
        start().wait(timeout=20)


async def test_a_server_that_is_not_there_is_tried_again(server, start):
    """The status counts the attempts and says why; once the server is there the stream is live."""
    server.refusal = ConnectionFailed("test", "nothing answers there")
    stream = start(loop=asyncio.get_running_loop())
    await until_async(lambda: stream.status.attempt >= 3)
    assert stream.status.state == "connecting"
    assert stream.status.reason == "nothing answers there"
    assert str(stream.status).endswith("nothing answers there")
    server.refusal = None
    await until_async(lambda: stream.status.state == "live")
    assert "nothing answers" not in str(stream.status)
    assert stream.status.gaps == 0


def test_a_bug_in_a_sink_ends_the_stream_for_all_to_see(start, monkeypatch):
    """An error that nobody foresaw is the status' error with the lines of its code, and without their variables."""

    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(stream_module.Intake, "connected", broken)
    stream = start()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        stream.wait(timeout=20)
    assert stream.status.state == "failed"
    notes = "".join(stream.status.error.__notes__)
    assert "in broken" in notes
    assert TOKEN not in notes


def test_an_end_that_cannot_be_recorded_is_an_end_all_the_same(server, start, monkeypatch, tmp_path):
    """Nobody waits for ever because the journal broke first."""
    stream = live(start(folder=tmp_path))

    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(stream._recorder, "event", broken)
        server.push(frames.KICK)
        with pytest.raises((KickedOut, ZeroDivisionError)):
            stream.wait(timeout=20)
    assert stream.ended


def test_what_ended_a_stream_holds_no_frame_with_the_token(server, start):
    """Tools that show the variables of each frame of a traceback (%xmode Verbose, rich) must find no token there."""
    server.answers["LOGIN"] = frames.token_refusal()
    stream = start(Tokens(AuthenticationError("8005", "no")))
    until(lambda: stream.ended)
    error = stream.status.error
    while error is not None:
        assert error.__traceback__ is None
        error = error.__cause__ or error.__context__
    assert TOKEN not in repr(stream.status)
    assert repr(stream) == "<Stream test failed>"


def choking(method):
    """Return ``method`` with a bug: it fails where it meets a quantity of 666."""

    def chokes(self, taken, *args):
        if b'"930":"666"' in b"".join(map(bytes, taken if isinstance(taken, list) else [taken.data])):
            raise ZeroDivisionError("a bug")
        return method(self, taken, *args)

    return chokes


@pytest.mark.parametrize("where", ["script", "notebook"])
async def test_a_bug_in_decode_costs_one_frame_and_is_told(server, start, monkeypatch, where, caplog):
    """The loop is not killed: the frame is rejected whole, the next one is a row, nothing is logged."""
    monkeypatch.setenv("KIWOOM_NB_FAST", "0")  # the bug is put into the plain way
    stream = await live_here(start) if where == "notebook" else start()
    await until_async(lambda: stream.status.state == "live")
    for part, name in ((stream._table._reader, "read"), (stream._table._decoder, "decode")):
        monkeypatch.setattr(type(part), name, choking(getattr(type(part), name)))
    server.push(event(f930="1"), event(f930="666"), event(f930="2"))
    assert await stream.changed(2, timeout=20)
    assert list(stream.frame["quantity"]) == [1, 2]
    told = stream.frame.kn.rejected
    assert list(told["reason"]) == ["not_decoded"]
    assert told["text"][0].startswith("ZeroDivisionError: a bug in [{")
    assert "1111111111" not in told["text"][0]
    assert stream.status.state == "live"
    assert not caplog.records


@pytest.mark.parametrize("where", ["before a frame is taken", "after it was taken", "while it is decoded"])
def test_an_interrupt_while_decoding_neither_loses_nor_doubles_a_row(server, stream, monkeypatch, where):
    """Ctrl-C may come at any moment, also between a row and the note that it is there."""
    monkeypatch.setenv("KIWOOM_NB_FAST", "0")  # it comes on the plain way; tests/test_fast.py has the other one
    interrupts = [KeyboardInterrupt(), KeyboardInterrupt()]
    receive, extend = BalanceTable.receive, BalanceTable._extend

    def interrupt(at, trnm):
        if interrupts and at == where and trnm == "REAL":
            raise interrupts.pop()

    def interrupted_receive(self, message, received_at):
        interrupt("before a frame is taken", message.trnm)
        receive(self, message, received_at)
        interrupt("after it was taken", message.trnm)

    def interrupted_extend(self, columns):
        extend(self, columns)
        interrupt("while it is decoded", "REAL")

    monkeypatch.setattr(BalanceTable, "receive", interrupted_receive)
    monkeypatch.setattr(BalanceTable, "_extend", interrupted_extend)
    server.push(*numbered(0, 3))
    until(lambda: len(stream._intake.arrived) >= 3)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            stream.sync()
    stream.sync()
    assert list(stream.frame["quantity"]) == [0, 1, 2]


async def test_a_bug_while_showing_is_told_to_who_waits(server, start, monkeypatch):
    """A wait does not hang because the refresh failed."""
    stream = await live_here(start)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(stream._table, "reserve", broken)
    waiting = asyncio.create_task(stream.changed())
    await asyncio.sleep(0)
    server.push(event())
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(waiting, 20)
    monkeypatch.undo()


def test_stop_is_safe_to_call_twice_and_the_frame_stays(server, stream):
    """The rows remain, the state is told, the socket is closed and the thread is gone."""
    server.push(event())
    stream.wait(1)
    stream.stop()
    stream.stop()
    assert stream.status.state == "stopped"
    assert stream.status.ended
    assert len(stream.frame) == 1
    assert server.lines[-1].closed
    assert json.loads(server.lines[-1].sent[-1])["trnm"] == "REMOVE"


def test_a_stream_that_never_came_up_can_be_stopped(server, start):
    """Also while the handshake hangs."""
    server.open.clear()
    stream = start()
    stream.stop()
    assert stream.status.state == "stopped"


async def test_no_task_is_left_unretrieved(server, start, caplog):
    """Whatever ends a stream: no "Task exception was never retrieved", which would land where nobody sees it."""
    for end in (frames.KICK, RuntimeError("a bug"), ConnectionFailed("test", "gone")):
        stream = await live_here(start)
        server.push(end)
        await until_async(lambda s=stream: s.ended or len(server.lines) > 3)
        stream.stop()
        del stream
    await asyncio.sleep(0.05)
    gc.collect()
    assert not caplog.records


# The journal


def test_what_is_shown_is_in_the_journal_and_loads_equal(server, start, tmp_path):
    """kn.load of the journal equals the frame, cell for cell, with gaps and rejects."""
    stream = live(start(folder=tmp_path))
    server.push(*numbered(0, 2), event(f930="1O2"), b"not json", event(f777="1"))
    assert stream.wait(4, timeout=20)
    server.drop("gone")
    until(lambda: len(server.lines) == 2 and stream.status.state == "live")
    server.push(event(f930="9"))
    stream.wait(5)
    stream.stop()
    loaded = load(stream.status.journal)
    pd.testing.assert_frame_equal(loaded, stream.frame.copy())
    pd.testing.assert_frame_equal(loaded.kn.gaps, stream.frame.kn.gaps)
    pd.testing.assert_frame_equal(loaded.kn.rejected, stream.frame.kn.rejected)


def test_the_next_stream_of_the_day_goes_on_from_the_journal(server, start, tmp_path):
    """After stop() a new stream begins with the day's rows, and the pause is a gap."""
    first = live(start(folder=tmp_path))
    server.push(*numbered(0, 2))
    first.wait(2)
    first.stop()
    second = live(start(folder=tmp_path))
    server.push(*numbered(2, 3))
    assert second.wait(3, timeout=20)
    assert list(second.frame["quantity"]) == [0, 1, 2]
    assert list(gaps(second)["reason"]) == ["stopped"]
    assert second.status.journal == first.status.journal


def test_a_folder_that_cannot_be_written_is_refused_at_once(start, tmp_path):
    """JournalError says which file and what to do; no stream is left behind."""
    (tmp_path / "file").write_text("")
    before = threading.active_count()
    with pytest.raises(JournalError, match="record=False"):
        start(folder=tmp_path / "file" / "journals")
    assert threading.active_count() == before


def test_a_journal_that_cannot_be_read_back_is_let_go_of(start, tmp_path, monkeypatch):
    """The file's lock is free for the next try."""

    def broken(*_):
        raise OSError("unreadable")

    with monkeypatch.context() as patch:
        patch.setattr(stream_module, "read_journal", broken)
        with pytest.raises(OSError, match="unreadable"):
            start(folder=tmp_path)
    stream = live(start(folder=tmp_path))
    assert "-2.jsonl" not in stream.status.journal.name


def test_a_full_disk_is_told_while_it_lasts_and_the_stream_goes_on(server, start, tmp_path, monkeypatch):
    """Rows arrive, the state line warns; once there is room everything is in the journal."""
    stream = live(start(folder=tmp_path))
    with monkeypatch.context() as patch:
        write = os.write

        def full(file, data):
            if threading.current_thread().name == "kiwoom_nb-stream" and len(data) > 1:
                raise OSError(28, "No space left on device")
            return write(file, data)

        patch.setattr(os, "write", full)
        server.push(*numbered(0, 3))
        assert stream.wait(3, timeout=20)
        assert stream.status.journal_error == "No space left on device"
        assert "⚠ not being recorded: No space left on device" in str(stream.status)
        assert stream.status.state == "live"
    server.push(*numbered(3, 4))
    assert stream.wait(4, timeout=20)
    assert stream.status.journal_error is None
    stream.stop()
    assert list(load(stream.status.journal)["quantity"]) == [0, 1, 2, 3]


def test_a_journal_that_cannot_begin_the_next_day_is_told_and_the_stream_goes_on(server, start, tmp_path):
    """The state line warns; rows arrive, and none is missing from what was recorded."""
    at = [DAY]
    folder = tmp_path / "journals"
    stream = live(start(folder=folder, now=lambda: at[0]))
    server.push(*numbered(0, 1))
    assert stream.wait(1, timeout=20)
    folder.rename(tmp_path / "moved")
    folder.write_text("a file is in the way")
    at[0] += 24 * 3600 * 1_000_000
    server.push(*numbered(1, 2))
    assert stream.wait(2, timeout=20)
    assert stream.status.journal_error
    assert "⚠ not being recorded: " in str(stream.status)
    assert stream.status.state == "live"
    stream.stop()
    assert list(load(tmp_path / "moved")["quantity"]) == [0, 1]


def test_without_a_journal_nothing_is_written(start, tmp_path):
    """The state line says so."""
    stream = live(start())
    assert "not recorded" in str(stream.status)
    assert list(tmp_path.iterdir()) == []


def test_an_account_is_masked_unless_asked_for(server, start):
    """mask_accounts=False shows the number."""
    masked, plain = live(start()), live(start(mask_accounts=False))
    for line in server.lines:
        line.feed(event())
    assert masked.wait(1, timeout=20)
    assert plain.wait(1, timeout=20)
    assert list(masked.frame["account"]) == ["xxxxxx1111"]
    assert list(plain.frame["account"]) == ["1111111111"]


def test_a_derived_frame_has_nothing_behind_it(stream):
    """What is taken from a live frame never moves, and says so."""
    with pytest.raises(NotLive, match=r"df\.kn\.wait\(\)"):
        stream.frame.head().kn.wait()


def test_every_frame_stands_in_the_journal_as_valid_json(tmp_path):
    """A frame read as a message need not be JSON: the bare word PING is one too, and other programs query a journal."""
    recorder = Recorder(tmp_path, server="test", owner="0" * 12, at=1_763_600_400_000_000)
    intake = stream_module.Intake(BalanceTable(), recorder, lambda: None)
    for raw in (b"PING", b' {"trnm":"PING"}', OFFICIAL, b"{", b"\xff"):
        intake.frame(1_763_600_400_000_001, raw, parse(raw))
    recorder.close()
    lines = [json.loads(line) for line in recorder.path.read_bytes().splitlines()]
    assert [line.get("text") for line in lines[1:]] == ["PING", None, None, "{", None]
    assert len(lines) == 6


# What the account holds


class Desk:
    """Answers what the account holds once it is ``open``: the next of ``answers``, the last for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0
        self.open = threading.Event()
        self.open.set()

    async def __call__(self, token):
        assert token == TOKEN
        self.asked += 1
        while not self.open.is_set():  # noqa: ASYNC110 - it is opened from any thread
            await asyncio.sleep(0.005)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def held_by(stream):
    """Return of each query when it was asked, the row it came before, the account, and the quantities."""
    stream.sync()
    told = told_by(stream.frame).holdings
    return [(held.row, held.account, [holding.quantity for holding in held.holdings]) for held in told]


def test_holdings_are_read_beside_the_events_and_are_no_rows(server, start):
    """The status says so; the account is masked as in the column."""
    stream = live(start(read_holdings=Desk(Answer("1111111111", [page(row()), page(row(stk_cd="A000660"))]))))
    until(lambda: stream.status.holdings == "read")
    assert held_by(stream) == [(0, "xxxxxx1111", [3, 3])]
    assert len(stream.frame) == 0
    assert "only what fills" not in str(stream.status)


def test_pushes_during_the_query_are_kept_and_win_over_it(server, start):
    """They came after it was asked, whatever came first to us."""
    desk = Desk(Answer(None, [page(row())]))
    desk.open.clear()
    stream = live(start(read_holdings=desk))
    server.push(*numbered(0, 3))
    assert stream.wait(3, timeout=20)
    assert stream.status.holdings is None
    desk.open.set()
    until(lambda: stream.status.holdings == "read")
    assert held_by(stream) == [(0, None, [3])]
    assert stream.frame["quantity"].tolist() == [0, 1, 2]


def test_after_a_drop_they_are_read_again_and_the_gap_tells_what_was_missed(server, start):
    """One position changed while nobody listened."""
    more = row(rmnd_qty="4", pur_amt="500000")
    stream = live(start(read_holdings=Desk(Answer(None, [page(row())]), Answer(None, [page(more)]))))
    until(lambda: stream.status.holdings == "read")
    server.drop()
    until(lambda: len(held_by(stream)) == 2)
    assert stream.frame.kn.gaps["missed"].tolist() == [1]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "the server does not offer kt00018"),
        (ConnectionFailed("x", "no answer within 10 s"), "no answer within 10 s"),
        (AuthenticationError("8005", "not valid"), "code 8005: not valid"),
        (RuntimeError(f"a bug with {TOKEN}"), "RuntimeError: a bug with ***"),
    ],
)
def test_where_they_are_not_to_be_had_the_state_line_says_so_and_the_stream_goes_on(server, start, answer, reason):
    """Only what fills in this session is known then."""
    stream = live(start(read_holdings=Desk(answer)))
    until(lambda: stream.status.holdings == reason)
    assert f"only what fills in this session (the holdings could not be read: {reason})" in stream.state_line()
    server.push(*numbered(0, 1))
    assert stream.wait(1, timeout=20)
    assert stream.status.state == "live"


def test_a_query_that_nobody_asked_for_is_not_made(stream):
    """No word about it in the state line."""
    assert stream.status.holdings is None
    assert "only what fills" not in str(stream.status)


def test_stop_does_not_wait_for_a_query_that_hangs(start):
    """It is let go of."""
    desk = Desk(Answer(None, [page(row())]))
    desk.open.clear()
    stream = live(start(read_holdings=desk))
    until(lambda: desk.asked)
    begun = time.monotonic()
    stream.stop()
    assert time.monotonic() - begun < 3
    desk.open.set()
    assert held_by(stream) == []


def test_holdings_are_in_the_journal_before_they_are_seen_and_load_equal(server, start, tmp_path, monkeypatch):
    """As everything that is shown; with a journal the next stream of the day knows them."""
    seen = []
    hold = BalanceTable.hold

    def look_and_hold(self, *args):
        (path,) = tmp_path.glob("*.jsonl")
        seen.append(path.read_bytes().count(b'"event":"holdings"'))
        hold(self, *args)

    monkeypatch.setattr(BalanceTable, "hold", look_and_hold)
    stream = live(start(folder=tmp_path, read_holdings=Desk(Answer("1111111111", [page(row())]))))
    until(lambda: stream.status.holdings == "read")
    server.push(*numbered(0, 2))
    assert stream.wait(2, timeout=20)
    assert seen == [1]
    monkeypatch.undo()
    stream.stop()
    loaded = load(tmp_path)
    pd.testing.assert_frame_equal(loaded, pd.DataFrame(stream.frame))
    assert loaded.attrs == stream.frame.attrs
    assert TOKEN not in stream._recorder.path.read_text()
    again = start(folder=tmp_path)
    assert len(held_by(again)) == 1


def test_an_answer_that_cannot_be_read_is_a_reject(start, tmp_path):
    """Its page is in the journal as it came."""
    stream = live(start(folder=tmp_path, read_holdings=Desk(Answer(None, [b'{"strange":1}']))))
    until(lambda: stream.status.rejected == 1)
    assert held_by(stream) == []
    assert b'"pages":[{"strange":1}]' in stream._recorder.path.read_bytes()


def test_the_latest_row_of_each_position_is_kept_as_rows_are_shown(server, start, monkeypatch):
    """So that asking for it reads no row again."""
    stream = live(start())
    server.push(event(), event("000660", f9001="000660"), event())
    assert stream.wait(3, timeout=20)
    monkeypatch.setattr(BalanceTable, "_read_keys", None)
    assert stream.latest_rows().rows.tolist() == [2, 1]
    assert stream.latest_rows().counts.tolist() == [2, 1]


# Who looks


async def seen_by(stream):
    """Return the list of what an observer saw: rows and state."""
    seen = []
    stream.observe(lambda: seen.append((len(stream.frame), stream.status.state, stream.status.paused)))
    return seen


@pytest.mark.parametrize("background", [False, True])
async def test_an_observer_sees_rows_and_states_as_they_come(server, start, background):
    """Rows are shown by then; a drop, a new connection, a pause and the stop are told like them."""
    stream = await live_here(start, background=background)
    await asyncio.sleep(0.15)
    seen = await seen_by(stream)
    server.push(*numbered(0, 3))
    await until_async(lambda: seen[-1:] == [(3, "live", False)])
    server.open.clear()
    server.drop()
    await until_async(lambda: seen[-1][1] == "reconnecting")
    server.open.set()
    await until_async(lambda: seen[-1][1] == "live")
    stream.pause()
    await until_async(lambda: seen[-1][2])
    stream.resume()
    await until_async(lambda: not seen[-1][2])
    stream.stop()
    await until_async(lambda: seen[-1][1] == "stopped")


async def test_an_observer_hears_of_what_waits_while_paused_and_of_a_sync(server, start):
    """The display says how many wait; a sync shows them."""
    stream = await live_here(start)
    stream.pause()
    await asyncio.sleep(0.15)
    waiting = []
    stream.observe(lambda: waiting.append(stream.status.waiting))
    server.push(*numbered(0, 2))
    await until_async(lambda: waiting[-1:] == [2])
    stream.sync()
    await until_async(lambda: waiting[-1:] == [0])


async def test_an_observer_is_not_called_for_a_ping_nor_at_the_start_of_a_cell(server, start):
    """Nothing happened: nothing is drawn."""
    stream = await live_here(start)
    await asyncio.sleep(0.15)
    seen = await seen_by(stream)
    for _ in range(4):
        server.push(frames.PING)
        stream.start_cell()
        await asyncio.sleep(0.12)
    assert seen == []
    server.push(*numbered(0, 1))
    await until_async(lambda: seen)


async def test_an_observer_hears_of_a_kick_and_of_one_that_is_given_up(server, start):
    """The end is the last that is told, once."""
    stream = await live_here(start)
    seen = await seen_by(stream)
    end = stream.observe(lambda: seen.append("not any more"))
    end()
    server.push(frames.KICK)
    await until_async(lambda: seen[-1:] == [(0, "kicked", False)])
    await asyncio.sleep(0.25)
    assert seen.count((0, "kicked", False)) == 1
    assert "not any more" not in seen


async def test_an_observer_that_fails_stops_neither_the_stream_nor_the_others(server, start, capsys, caplog):
    """Its exception is its own: given to its hook, kept, and printed nowhere."""
    stream = await live_here(start)
    failures = []
    stream.observe(lambda: 1 / 0, failures.append)
    seen = await seen_by(stream)
    for number in range(2):
        server.push(*numbered(number, number + 1))
        await until_async(lambda rows=number + 1: seen and seen[-1][0] == rows)
    assert {type(error) for error in failures} == {ZeroDivisionError}
    assert isinstance(stream._observers.error, ZeroDivisionError)
    assert stream.status.state == "live"
    assert (capsys.readouterr().err, caplog.text) == ("", "")


def test_in_a_script_an_observer_is_called_when_somebody_syncs_or_waits(server, stream):
    """On the thread that asks, after the rows are there."""
    seen = []
    stream.observe(lambda: seen.append((len(stream.frame), threading.get_ident())))
    server.push(*numbered(0, 2))
    until(lambda: stream.status.events == 2)
    assert seen == []
    stream.sync()
    stream.sync()
    assert seen == [(2, threading.get_ident())]
    threading.Timer(0.05, server.push, numbered(2, 3)).start()
    assert stream.wait(3, timeout=20)
    assert seen[-1] == (3, threading.get_ident())


def test_in_a_script_a_wait_tells_of_the_state_meanwhile(server, stream):
    """It may be a long one: what happens to the line is told before any row comes."""
    seen = []
    stream.observe(lambda: seen.append(stream.status.state))
    server.open.clear()
    threading.Timer(0.05, server.drop).start()
    assert not stream.wait(timeout=1.5)
    server.open.set()
    assert "reconnecting" in seen
