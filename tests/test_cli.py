"""The command line, as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading

import pytest

import kiwoom_nb as kn
from kiwoom_nb import cli, shipped

WITHOUT = "import sys\nfor name in {names!r}: sys.modules[name] = None\nfrom kiwoom_nb.cli import main\nmain()"


def run(*arguments, code=None, timeout=60, **environment):
    start = ["-c", code] if code else ["-m", "kiwoom_nb"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )


def test_the_demo_streams_a_day_and_says_where_it_is(tmp_path):
    """A newcomer sees the frame, its dtypes, the day's result and two files that load back equal."""
    done = run("demo", "--seconds", "2", KIWOOM_NB_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "300 events, " in done.stdout
    assert "datetime64[us, Asia/Seoul]" in done.stdout
    assert re.search(r"realized\s+[+-][\d,]+ KRW", done.stdout)
    journal = re.search(r"^journal\s+(\S+)$", done.stdout, re.MULTILINE)[1]
    parquet = re.search(r"^Parquet\s+(\S+)$", done.stdout, re.MULTILINE)[1]
    loaded = kn.load(journal)
    assert len(loaded) == 300
    assert loaded.equals(kn.load(parquet))
    assert done.stderr == ""


def test_the_demo_names_the_extra_that_is_missing(tmp_path):
    """On a plain install the server's libraries are not there; the sentence says what to install."""
    code = WITHOUT.format(names=["starlette", "uvicorn"]).replace(
        "from kiwoom_nb.cli",
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name in ('starlette', 'uvicorn') else find(name, *a)\nfrom kiwoom_nb.cli",
    )
    done = run("demo", code=code, KIWOOM_NB_HOME=str(tmp_path))
    assert done.returncode == 1
    assert 'pip install "kiwoom-nb[simulator]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_the_server_invites_and_ends_cleanly_on_a_signal(tmp_path):
    """What it prints can be pasted into a cell; a request to terminate ends it with exit code 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kiwoom_nb", "serve", "--port", "0", "--speed", "0", "--events", "20"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "KIWOOM_NB_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    )
    killer = threading.Timer(60, process.kill)
    killer.start()
    try:
        line = next(line for line in process.stdout if "stream_balances" in line)
        url, token = re.search(r'url="([^"]+)", token="([^"]+)"', line).groups()
        frame = kn.stream_balances(url=url, token=token, record=False)
        assert frame.kn.wait(20, timeout=30)
        frame.kn.stop()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        killer.cancel()
        process.kill()
    assert (process.returncode, errors) == (0, "")


def test_a_port_in_use_is_a_sentence(tmp_path):
    """And exit code 1, without a traceback."""
    with kn.serve() as server:
        port = re.search(r":(\d+)/", server.url)[1]
        done = run("serve", "--port", port)
    assert done.returncode == 1
    assert port in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_command_line_is_told_from_a_failure():
    """Exit code 2 means that the command line is wrong."""
    assert run("serve", "--speed", "-1").returncode == 2
    assert run("dance").returncode == 2


def test_every_command_explains_itself(capsys):
    """--help is worth reading: each command says in a sentence what it does."""
    shown = run("--help").stdout
    assert "Exit codes" in shown
    for command in ("demo", "lab", "lessons", "serve", "record", "replay", "export", "archive", "dashboard"):
        assert command in shown
        with pytest.raises(SystemExit) as ended:  # in this process: each start of Python takes a second
            cli.app([command, "--help"], standalone_mode=True)
        assert ended.value.code == 0
        assert f"{command} [OPTIONS]" in capsys.readouterr().out


def test_the_version_is_that_of_the_package():
    """--version prints it and nothing else."""
    assert run("--version").stdout.strip() == f"kiwoom-nb {kn.__version__}"


def test_lab_opens_jupyterlab_on_the_notebooks(monkeypatch, tmp_path):
    """In a clone on the notebooks themselves, at their table of contents; options go through."""
    started = []
    monkeypatch.setattr(cli.subprocess, "call", lambda command: started.append(command) or 0)
    with pytest.raises(SystemExit) as ended:
        cli.app(["lab", "--no-browser"], standalone_mode=True)
    assert ended.value.code == 0
    assert started == [
        [sys.executable, "-m", "jupyterlab", str(shipped.folder("notebooks") / "index.ipynb"), "--no-browser"]
    ]


def test_copying_the_notebooks_never_overwrites(monkeypatch, tmp_path):
    """What a student has worked on stays."""
    monkeypatch.setattr(cli.subprocess, "call", lambda command: 0)
    mine = tmp_path / "00_three_minutes.ipynb"
    mine.write_text("my work", "utf-8")
    with pytest.raises(SystemExit):
        cli.app(["lab", "--to", str(tmp_path)], standalone_mode=True)
    assert mine.read_text("utf-8") == "my work"
    assert (tmp_path / "README.md").exists()


def test_lessons_are_copied_for_a_student(tmp_path):
    """All of them with their table of contents; asked again, only what is missing."""
    folder = tmp_path / "my lessons"
    names = {path.name for path in shipped.folder("notebooks").iterdir() if path.is_file()}
    first = run("lessons", "--to", str(folder))
    assert f"{len(names)} files copied" in first.stdout
    assert {path.name for path in folder.iterdir()} == names
    (folder / "README.md").unlink()
    (folder / "index.ipynb").write_text("mine", "utf-8")
    assert "1 files copied" in run("lessons", "--to", str(folder)).stdout
    assert "all of them were there already" in run("lessons", "--to", str(folder)).stdout
    assert (folder / "index.ipynb").read_text("utf-8") == "mine"
    assert run("lessons").returncode == 2
