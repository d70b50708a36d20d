import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fault_checks import check_whole, numbers, push, stream
from lines import until

from kiwoom_nb import recording
from kiwoom_nb.classroom import serve

resource = pytest.importorskip("resource")

TESTS = str(Path(__file__).parents[1])
PRELUDE = f"""
import json, os, resource, signal, sys
sys.path.insert(0, {TESTS!r})
from fault_checks import check_whole, numbers, push, stream
from lines import until
import kiwoom_nb as kn
from kiwoom_nb.classroom import serve

def size_limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def filling(server, df, room, first, last):
    '''Let the disk take so many bytes more, and push rows until they are visible.'''
    size_limit(df.kn.status.journal.stat().st_size + room)
    push(server, first, last)
    assert df.kn.wait(last, timeout=20)
"""


def run(script, tmp_path, *args):
    """Run a script in a process of its own, whose limits are its own; return what it printed."""
    script = PRELUDE + script
    environment = {**os.environ, "KIWOOM_NB_HOME": str(tmp_path / "home"), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, str(tmp_path), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.stderr == ""
    return done


def test_a_disk_that_fills_within_a_line_is_told_and_costs_no_row(tmp_path):
    """By the kernel itself, after any number of bytes: rows stay visible, and once there is room all are recorded."""
    script = """
with serve() as server:
    for room in (0, 1, 300, 5000):
        df = stream(server.url, server.issue_token(str(room)), holdings=False)
        push(server, 0, 3)
        assert df.kn.wait(3, timeout=20)
        filling(server, df, room, 3, 30)
        told = df.kn.status.journal_error, "not being recorded" in str(df.kn.status), df.kn.status.state
        size_limit(resource.RLIM_INFINITY)
        push(server, 30, 31)
        assert df.kn.wait(31, timeout=20)
        assert numbers(df) == list(range(31))
        after = df.kn.status.journal_error
        check_whole(df)
        print(json.dumps([*told, after]))
"""
    done = run(script, tmp_path)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [["File too large", True, "live", None]] * 4


def test_a_stream_that_is_stopped_while_the_disk_is_full_says_that_its_journal_is_not_whole(tmp_path):
    """The rows are visible until the kernel ends; who saves them in time loses nothing."""
    script = """
with serve() as server:
    df = stream(server.url, server.token, holdings=False)
    push(server, 0, 3)
    assert df.kn.wait(3, timeout=20)
    filling(server, df, 100, 3, 9)
    df.kn.stop()
    size_limit(resource.RLIM_INFINITY)
    print(json.dumps([numbers(df), numbers(kn.load(df.kn.status.journal)), str(df.kn.status)]))
"""
    visible, recorded, line = json.loads(run(script, tmp_path).stdout)
    assert visible == list(range(9))
    assert recorded == [0, 1, 2]
    assert "not being recorded: File too large" in line


def test_a_kill_while_the_disk_is_full_leaves_a_journal_that_goes_on(tmp_path):
    """Half a line stands at its end: the next stream of the day tells it, and has every row that was recorded."""
    script = """
df = stream(*sys.argv[2:], holdings=False)
print("live", flush=True)
assert df.kn.wait(3, timeout=20)
size_limit(df.kn.status.journal.stat().st_size + 700)
print("full", flush=True)
assert df.kn.wait(9, timeout=20)
assert df.kn.status.journal_error
os.kill(os.getpid(), signal.SIGKILL)
"""
    with serve() as server:
        command = [sys.executable, "-c", PRELUDE + script, str(tmp_path), server.url, server.token]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout.readline() == "live\n"
            push(server, 0, 3)
            assert child.stdout.readline() == "full\n"
            push(server, 3, 9)
            assert child.wait(60) == -signal.SIGKILL
        [path] = (tmp_path / "home").rglob("*.jsonl")
        raw = path.read_bytes()
        assert not raw.endswith(b"\n")
        torn = raw.rpartition(b"\n")[2].decode()
        df = stream(server.url, server.token, holdings=False)
        df.kn.sync()
        whole = len(df)
        push(server, 100, 101)
        assert df.kn.wait(whole + 1, timeout=20)
        assert numbers(df) == [*range(whole), 100]
        assert 3 <= whole < 9
        assert df.kn.rejected["reason"].tolist() == ["torn_line"]
        assert df.kn.gaps["reason"].tolist() == ["interrupted"]
        check_whole(df)
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        assert [line["text"] for line in lines if line.get("event") == "repaired"] == [torn]


@pytest.mark.parametrize("gone", ["the folder", "the file"])
def test_a_journal_that_vanishes_is_told_and_comes_back_whole(tmp_path, gone):
    """Rows stay visible, and the next line that comes makes the file anew with all that was written before."""
    folder = tmp_path / "journals"
    with serve() as server:
        df = stream(server.url, server.token, holdings=False, record=folder)
        push(server, 0, 3)
        assert df.kn.wait(3, timeout=20)
        path = df.kn.status.journal
        shutil.rmtree(folder) if gone == "the folder" else path.unlink()
        push(server, 3, 4)
        until(lambda: df.kn.status.journal_error == "the file was removed")
        assert "not being recorded: the file was removed" in str(df.kn.status)
        push(server, 4, 6)
        assert df.kn.wait(6, timeout=20)
        until(lambda: df.kn.status.journal_error is None)
        assert df.kn.status.journal == path
        assert numbers(df) == list(range(6))
        assert [file.name for file in folder.glob("*.jsonl")] == [path.name]
        check_whole(df)


def test_a_place_that_vanishes_and_cannot_be_made_anew_is_told_until_it_can(tmp_path):
    """A file where the folder was: the stream goes on, and once the place is free everything is recorded again."""
    folder = tmp_path / "journals"
    with serve() as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "_ROLL_AGAIN_AFTER", 0)
        df = stream(server.url, server.token, holdings=False, record=folder)
        push(server, 0, 3)
        assert df.kn.wait(3, timeout=20)
        shutil.rmtree(folder)
        folder.write_text("in the way")
        push(server, 3, 4)
        until(lambda: df.kn.status.journal_error)
        push(server, 4, 6)
        assert df.kn.wait(6, timeout=20)
        assert "not being recorded: " in str(df.kn.status)
        folder.unlink()
        push(server, 6, 7)
        assert df.kn.wait(7, timeout=20)
        until(lambda: df.kn.status.journal_error is None)
        assert numbers(df) == list(range(7))
        check_whole(df)
