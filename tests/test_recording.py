import errno
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest
from frames import OFFICIAL, dump, event
from holding_pages import page, row
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwoom_nb import journal, recording
from kiwoom_nb.errors import JournalError
from kiwoom_nb.recording import KST, Recorder, journal_folder, kst_date
from kiwoom_nb.storage import load
from kiwoom_nb.told import ATTRS_KEY, gaps_frame, rejected_frame

SECOND = 1_000_000
PAGE = page(row())
NOON = int(datetime(2026, 11, 20, 12, tzinfo=KST).timestamp()) * SECOND
MIDNIGHT = int(datetime(2026, 11, 21, tzinfo=KST).timestamp()) * SECOND


def recorder_at(folder, at=NOON, *, server="demo", owner="5f0c9a8b7c6d"):
    return Recorder(folder, server=server, owner=owner, at=at)


@pytest.fixture
def recorder(tmp_path):
    recorder = recorder_at(tmp_path)
    yield recorder
    recorder.close()


def lines_of(path):
    return path.read_bytes().decode().splitlines()


def events_of(path):
    return [json.loads(line).get("event") for line in lines_of(path)[1:]]


def rejected(path):
    return told(load(path))


def told(frame):
    return rejected_frame(frame.attrs.get(ATTRS_KEY, ""))


# --- files ------------------------------------------------------------------------------------------------------


def test_the_file_is_named_after_day_server_and_owner(recorder, tmp_path):
    """One file for a connection owner and KST day, in letters that Windows accepts, for this user only."""
    assert recorder.path == tmp_path / "2026-11-20-demo-5f0c9a8b7c6d.jsonl"
    header = journal.read_header(recorder.path.read_bytes())
    assert header == journal.Header(journal.VERSION, "demo", "5f0c9a8b7c6d", "2026-11-20", NOON)
    assert stat.S_IMODE(recorder.path.stat().st_mode) == 0o600
    assert not re.search(r'[<>:"/\\|?*]', recorder.path.name)
    assert repr(recorder) == f"Recorder('{recorder.path}')"
    assert recorder.error is None


def test_a_day_begins_at_midnight_in_korea():
    """Not at midnight UTC."""
    assert kst_date(MIDNIGHT - 1) == "2026-11-20"
    assert kst_date(MIDNIGHT) == "2026-11-21"


def test_recordings_of_different_servers_never_share_a_folder(monkeypatch, tmp_path):
    """KIWOOM_NB_HOME is read at each call."""
    monkeypatch.setenv("KIWOOM_NB_HOME", str(tmp_path))
    assert journal_folder("demo") == tmp_path / "journals" / "demo" != journal_folder("real")


def test_a_line_is_in_the_file_when_the_call_returns(recorder):
    """No buffer in the process: kill -9 a moment later loses nothing."""
    recorder.event(NOON, journal.CONNECTED)
    recorder.frame(NOON + 1, OFFICIAL)
    assert lines_of(recorder.path)[1:] == [
        f'{{"received_at":{NOON},"event":"connected"}}',
        f'{{"received_at":{NOON + 1},"frame":{OFFICIAL.decode()}}}',
    ]


def test_the_same_day_goes_on_in_the_same_file(tmp_path):
    """Stopped and started again: the lines follow, with one header."""
    for number in range(3):
        recorder = recorder_at(tmp_path, NOON + number)
        recorder.frame(NOON + number, OFFICIAL)
        recorder.close()
    assert len(lines_of(recorder.path)) == 4
    assert len(load(recorder.path)) == 3


def test_a_second_recorder_writes_a_file_of_its_own(tmp_path, recorder):
    """The lock is the first one's; it is released by close, also after close is called twice."""
    second = recorder_at(tmp_path)
    third = recorder_at(tmp_path)
    assert second.path.name == "2026-11-20-demo-5f0c9a8b7c6d-2.jsonl"
    assert third.path.name == "2026-11-20-demo-5f0c9a8b7c6d-3.jsonl"
    second.close()
    second.close()
    assert recorder_at(tmp_path).path == second.path
    third.close()


def test_another_process_sees_the_lock(tmp_path, recorder):
    """Two notebooks of one key: the second process gets the second file."""
    code = f"""
from pathlib import Path
from kiwoom_nb.recording import Recorder
print(Recorder(Path({str(tmp_path)!r}), server="demo", owner="5f0c9a8b7c6d", at={NOON}).path.name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2026-11-20-demo-5f0c9a8b7c6d-2.jsonl"


def test_at_midnight_the_next_file_goes_on_without_a_gap(tmp_path, recorder):
    """The line is up: the new day's file says so, the old one is released, and both together have no gap."""
    first = recorder.path
    recorder.event(NOON, journal.CONNECTED)
    recorder.event(NOON, "of_a_later_version", rows=[1])
    recorder.frame(MIDNIGHT - 1, event(f930="1"))
    recorder.frame(MIDNIGHT, event(f930="2"))
    assert recorder.path.name == "2026-11-21-demo-5f0c9a8b7c6d.jsonl"
    assert events_of(recorder.path) == ["continued", None]
    both = load(tmp_path)
    assert both["quantity"].tolist() == [1, 2]
    assert both.attrs == {}
    old = recorder_at(tmp_path)
    assert old.path == first
    old.close()


def test_at_midnight_a_line_that_is_down_is_not_continued(recorder):
    """Only connected will end the gap."""
    recorder.event(NOON, journal.CONNECTED)
    recorder.event(NOON + 1, journal.DISCONNECTED, since=NOON, reason="closed")
    recorder.event(MIDNIGHT + 5, journal.CONNECTED)
    assert events_of(recorder.path) == ["connected"]
    gaps = gaps_frame(load(recorder.path.parent).attrs[ATTRS_KEY])
    assert gaps["end"][0].value // 1000 == MIDNIGHT + 5


@pytest.mark.parametrize("in_the_way", ["file", "folder"])
def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path, in_the_way):
    """JournalError says which place, and the way out; nothing stays locked."""
    folder = tmp_path / "journals"
    if in_the_way == "file":
        folder.write_text("")
    else:
        (folder / "2026-11-20-demo-5f0c9a8b7c6d.jsonl").mkdir(parents=True)
    with pytest.raises(JournalError, match=r"journals cannot be written: .*record=False"):
        recorder_at(folder)
    if in_the_way == "folder":
        (folder / "2026-11-20-demo-5f0c9a8b7c6d.jsonl").rmdir()
        recorder_at(folder).close()


@pytest.mark.parametrize("first", ['{"kiwoom_nb":"journal","version":2,"new":1}\n', "mine\n", "{}\n"])
def test_what_is_not_a_journal_of_this_version_is_left_alone(tmp_path, first):
    """A newer program's journal, or somebody's file: the recorder takes the next name."""
    path = tmp_path / "2026-11-20-demo-5f0c9a8b7c6d.jsonl"
    path.write_text(first)
    recorder = recorder_at(tmp_path)
    recorder.frame(NOON, OFFICIAL)
    recorder.close()
    assert recorder.path.name.endswith("-2.jsonl")
    assert path.read_text() == first


# --- torn ends --------------------------------------------------------------------------------------------------


def test_holdings_stand_in_the_file_when_the_call_returns(recorder):
    """The pages as they came, in the file of the day on which the answer arrived."""
    recorder.holdings(NOON, NOON - 5, "1111111111", [PAGE, PAGE])
    (line,) = lines_of(recorder.path)[1:]
    assert line.encode().count(PAGE) == 2
    recorder.holdings(MIDNIGHT, MIDNIGHT - 5, None, [PAGE])
    assert "holdings" in events_of(recorder.path)
    assert "11-21" in recorder.path.name


def test_a_torn_end_is_told_repaired_and_costs_nothing_else(tmp_path, monkeypatch):
    """Cut at every byte of the last two lines: all complete lines are loaded, before the repair and after it."""
    monkeypatch.setattr(recording, "_sync", lambda _: None)  # hundreds of them
    recorder = recorder_at(tmp_path)
    recorder.event(NOON, journal.CONNECTED)
    for number in range(3):
        recorder.frame(NOON + number, dump({"data": [{"type": "04", "values": {"930": str(number)}}], "trnm": "REAL"}))
    recorder.close()
    path, whole = recorder.path, recorder.path.read_bytes()
    begin = whole.rindex(b"\n", 0, whole.rindex(b"\n", 0, -1)) + 1
    for cut in range(begin, len(whole) + 1):
        torn = whole[whole.rindex(b"\n", 0, cut) + 1 : cut]
        rows = whole[:cut].count(b'"REAL"}}\n')
        path.write_bytes(whole[:cut])
        before = load(path)
        assert len(before) == rows
        assert told(before)["reason"].tolist() == ["torn_line"] * bool(torn)
        repairing = recorder_at(tmp_path, NOON + 9)
        repairing.frame(NOON + 10, dump({"data": [{"type": "04", "values": {"930": "10"}}], "trnm": "REAL"}))
        repairing.close()
        assert path.read_bytes().startswith(whole[: cut - len(torn)])
        after = load(path)
        assert after["quantity"].tolist() == [*range(rows), 10]
        assert told(after)["reason"].tolist() == ["torn_line"] * bool(torn)
        repaired = [json.loads(line) for line in lines_of(path) if "repaired" in line]
        assert [line["text"] for line in repaired] == [torn.decode("utf-8", "replace")] * bool(torn)


def test_a_torn_header_is_begun_anew(tmp_path):
    """Killed at birth, at every byte of the first line: load says that nothing was recorded, a recorder begins."""
    recorder = recorder_at(tmp_path)
    recorder.close()
    path, whole = recorder.path, recorder.path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(JournalError, match=r"is empty|torn in its first line"):
            load(path)
        repairing = recorder_at(tmp_path)
        repairing.frame(NOON, OFFICIAL)
        repairing.close()
        assert repairing.path == path
        assert len(load(path)) == 1


def test_a_torn_end_longer_than_a_block_is_cut_off(tmp_path, recorder):
    """The last line break may be far back."""
    recorder.frame(NOON, OFFICIAL)
    recorder.close()
    whole = recorder.path.read_bytes()
    recorder.path.write_bytes(whole + b"x" * 200_000)
    recorder_at(tmp_path).close()
    assert recorder.path.read_bytes().startswith(whole + b'{"received_at"')


# --- a full disk ------------------------------------------------------------------------------------------------


class Disk:
    """An os.write that takes so many bytes and then has no space left, until there is some again."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self.write = os.write
        monkeypatch.setattr(recording.os, "write", self)

    def __call__(self, file, line):
        if self.room <= 0 and len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self.write(file, bytes(line)[: int(min(self.room, len(line)))])
        self.room -= written
        return written


FRAMES = [event(f930=str(number)) for number in range(4)]
LINES = b"".join(journal.frame_line(NOON + number, raw) for number, raw in enumerate(FRAMES))


def test_a_full_disk_costs_nothing_once_there_is_space_again(tmp_path_factory):
    """Full after every possible number of bytes: told meanwhile, and in the end each line is there, once, in order."""
    for room in range(0, len(LINES), 7):
        with pytest.MonkeyPatch.context() as monkeypatch:
            recorder = recorder_at(tmp_path_factory.mktemp("full"))
            begin = recorder.path.stat().st_size
            disk = Disk(monkeypatch, room)
            for number, raw in enumerate(FRAMES[:3]):
                recorder.frame(NOON + number, raw)
            told = recorder.error
            disk.room = float("inf")
            recorder.frame(NOON + 3, FRAMES[3])
            assert (told is None) == (room >= LINES.rindex(b"\n", 0, -1) + 1)
            assert recorder.error is None
            recorder.close()
            assert recorder.path.read_bytes()[begin:] == LINES
            assert recorder.lost == 0


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 900), st.integers(1, 3)), max_size=8))
def test_a_disk_that_fills_again_and_again_keeps_the_order(tmp_path_factory, steps):
    """Space comes and goes; what is written in the end is exactly what was received."""
    expected = b""
    number = 0
    with pytest.MonkeyPatch.context() as monkeypatch:
        recorder = recorder_at(tmp_path_factory.mktemp("full"))
        begin = recorder.path.stat().st_size
        disk = Disk(monkeypatch, 0)
        for room, frames in steps:
            disk.room = room
            for _ in range(frames):
                number += 1
                recorder.frame(NOON + number, OFFICIAL)
                expected += journal.frame_line(NOON + number, OFFICIAL)
                on_disk = recorder.path.read_bytes()[begin:]
                assert expected.startswith(on_disk)
        disk.room = float("inf")
        recorder.close()
    assert recorder.path.read_bytes()[begin:] == expected


def test_lines_that_no_longer_fit_into_memory_are_counted_and_told(monkeypatch, recorder):
    """The backlog has an end: what is lost is said in the journal and in the frame loaded from it."""
    monkeypatch.setattr(recording, "_BACKLOG", 2 * len(LINES) // 4 + 1)
    disk = Disk(monkeypatch, 0)
    for number in range(5):
        recorder.frame(NOON + number, FRAMES[0])
    assert recorder.lost == 3
    assert recorder.error == os.strerror(errno.ENOSPC)
    disk.room = float("inf")
    recorder.frame(NOON + 5, FRAMES[0])
    assert recorder.error is None
    recorder.close()
    assert events_of(recorder.path) == [None, None, "lost", None]
    assert rejected(recorder.path)[["text", "reason"]].to_numpy().tolist() == [["3 lines", "not_recorded"]]


def test_what_never_reached_the_disk_is_counted_at_close(monkeypatch, recorder):
    """Closed while the disk is full: the count and the error stay to be told."""
    Disk(monkeypatch, 10)
    recorder.frame(NOON, OFFICIAL)
    recorder.frame(NOON, OFFICIAL)
    recorder.close()
    assert recorder.lost == 2
    assert recorder.error
    recorder.frame(NOON, OFFICIAL)
    assert recorder.lost == 3


def test_a_full_disk_at_midnight_goes_on_in_the_old_file(tmp_path, monkeypatch, recorder):
    """A new file cannot be begun: no error reaches the stream, nothing is lost, and later the new day has its file."""
    recorder.event(NOON, journal.CONNECTED)
    with pytest.MonkeyPatch.context() as full:
        disk = Disk(full, 0)
        recorder.frame(MIDNIGHT, event(f930="1"))
        assert recorder.error
        recorder.frame(MIDNIGHT + 1, event(f930="2"))
        disk.room = float("inf")
        recorder.frame(MIDNIGHT + 2, event(f930="3"))
    recorder.frame(MIDNIGHT + 60 * SECOND, event(f930="4"))
    assert recorder.error is None
    assert recorder.path.name == "2026-11-21-demo-5f0c9a8b7c6d.jsonl"
    assert load(tmp_path)["quantity"].tolist() == [1, 2, 3, 4]


def test_a_full_disk_at_the_start_is_told_at_once(tmp_path, monkeypatch):
    """Nothing can be recorded: JournalError, and a later start repairs what was begun."""
    with pytest.MonkeyPatch.context() as full:
        Disk(full, 10)
        with pytest.raises(JournalError, match=os.strerror(errno.ENOSPC)):
            recorder_at(tmp_path)
    recorder = recorder_at(tmp_path)
    recorder.close()
    assert recorder.path.name == "2026-11-20-demo-5f0c9a8b7c6d.jsonl"


# --- the disk itself --------------------------------------------------------------------------------------------


def wait_until(true, seconds=5.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    assert true()


@pytest.mark.parametrize("fate", ["removed", "replaced"])
def test_a_file_that_went_away_is_told(monkeypatch, recorder, fate):
    """Lines go into a file that nobody will find: the error says so."""
    monkeypatch.setattr(recording, "SYNC_AFTER", 0.01)
    if fate == "replaced":
        other = recorder.path.with_name("other")
        other.write_text("")
        other.replace(recorder.path)
    else:
        recorder.path.unlink()
    recorder.frame(NOON, OFFICIAL)
    wait_until(lambda: recorder.error == f"the file was {fate}")


def test_a_disk_that_fails_to_sync_is_told_until_it_does(monkeypatch, recorder):
    """The thread goes on whatever the disk says."""
    monkeypatch.setattr(recording, "SYNC_AFTER", 0.01)
    with pytest.MonkeyPatch.context() as broken:

        def fail(_):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        broken.setattr(recording, "_sync", fail)
        recorder.frame(NOON, OFFICIAL)
        wait_until(lambda: recorder.error == os.strerror(errno.EIO))
    recorder.frame(NOON, OFFICIAL)
    wait_until(lambda: recorder.error is None)


def test_each_line_is_synced_and_the_thread_ends_at_close(monkeypatch, recorder):
    """A line reaches the disk within a second; no thread stays behind."""
    synced = threading.Event()
    sync = recording._sync
    monkeypatch.setattr(recording, "_sync", lambda file: (sync(file), synced.set()))
    for _ in range(2):
        recorder.frame(NOON, OFFICIAL)
        assert synced.wait(1.0)
        synced.clear()
    recorder.close()
    assert "kiwoom_nb-journal" not in [thread.name for thread in threading.enumerate()]


CHILD = """
import sys, time
from pathlib import Path
from kiwoom_nb.recording import Recorder
sys.path.insert(0, {tests!r})
from frames import event
recorder = Recorder(Path(sys.argv[1]), server="demo", owner="x", at={noon})
recorder.event({noon}, "connected")
for number in range(10**9):
    recorder.frame({noon} + number, event(f930=str(number)))
    print(number, flush=True)
"""


def test_kill_9_loses_no_acknowledged_line(tmp_path):
    """A writer under load is killed again and again: each line it told of is in the journal, in order, once."""
    code = CHILD.format(noon=NOON, tests=str(Path(__file__).parent))
    chance = random.Random(9)  # noqa: S311 - when to kill, no secret
    expected = 0
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        told = int(child.stdout.readline())
        time.sleep(chance.uniform(0.0, 0.15))
        child.send_signal(signal.SIGKILL)
        told = max([told, *(int(line) for line in child.stdout.read().split("\n")[:-1] if line)])
        child.wait()
        child.stdout.close()
        path = tmp_path / "2026-11-20-demo-x.jsonl"
        loaded = load(path)["quantity"].tolist()[expected:]
        assert loaded == list(range(len(loaded)))
        assert len(loaded) > told
        expected += len(loaded)
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["2026-11-20-demo-x.jsonl"]


def test_a_journal_can_be_loaded_while_another_process_writes_it(tmp_path):
    """Again and again: more rows each time, never an error, nothing written by the reader."""
    code = CHILD.format(noon=NOON, tests=str(Path(__file__).parent)).replace("print(", "time.sleep(0.001); print(")
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        path = tmp_path / "2026-11-20-demo-x.jsonl"
        wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") > 2, 20)
        before = 0
        for _ in range(5):
            rows = load(path)["quantity"].tolist()
            assert rows == list(range(len(rows)))
            assert len(rows) >= before
            before = len(rows)
    finally:
        child.kill()
        child.wait()
