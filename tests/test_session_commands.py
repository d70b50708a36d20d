"""record, replay, export and archive, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
import websockets.sync.client
from frames import event
from lines import until

import kiwoom_nb as kn
from kiwoom_nb import samples, session_commands
from kiwoom_nb.classroom import serve
from kiwoom_nb.session_commands import export, replay


def environment(**more):
    return {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", **more}


def run(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "kiwoom_nb", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env=environment(**more),
    )


# record


class Recording:
    """`kiwoom-nb record` against a server, its journals in ``folder``."""

    def __init__(self, server, folder):
        self.server = server
        self.token = server.token
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kiwoom_nb", "record", "--url", server.url, "--to", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=environment(KIWOOM_NB_TOKEN=self.token),
        )
        until(lambda: server.sessions == 1)
        until(lambda: '"event":"connected"' in self.text())

    def text(self):
        return "".join(path.read_text("utf-8") for path in self.folder.glob("*.jsonl"))

    def push(self, n):
        for number in range(n):
            self.server.push(event(f930=str(number)))
        until(lambda: self.text().count('"type":"04"') >= n)  # acks and PINGs are frames too

    def finish(self):
        out, err = self.process.communicate(timeout=30)
        assert self.token not in out + err + self.text()
        assert "Traceback" not in err
        return self.process.returncode, out, err


@pytest.fixture
def recording(tmp_path):
    with serve() as server:
        begun = Recording(server, tmp_path / "journals")
        yield begun
        begun.process.kill()
        begun.process.communicate()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_request_to_end_leaves_a_complete_journal(recording, name):
    """Exit code 0; every row loads back, the journal ends with `stopped`, and no output holds the token."""
    recording.push(5)
    recording.process.send_signal(getattr(signal, name))
    code, out, err = recording.finish()
    assert (code, err) == (0, "")
    assert "stopped" in out.splitlines()[-1]
    assert "5 events" in out.splitlines()[-1]
    assert json.loads(recording.text().splitlines()[-1])["event"] == "stopped"
    assert list(kn.load(recording.folder)["quantity"]) == list(range(5))


def test_a_kick_ends_it_with_a_sentence(recording):
    """Exit code 1, and what came before is in the journal."""
    recording.push(2)
    with websockets.sync.client.connect(recording.server.url) as other:
        other.send(json.dumps({"trnm": "LOGIN", "token": recording.token}))
        assert json.loads(other.recv(timeout=10))["return_code"] == 0
        code, _, err = recording.finish()
    assert code == 1
    assert "nother program logged in" in err
    assert "(R10001)" in err
    assert len(kn.load(recording.folder)) == 2


def test_a_token_without_a_server_is_refused_and_never_shown():
    """Neither by the sentence nor by --help, which names the variable only."""
    done = run("record", KIWOOM_NB_TOKEN="t0ken-Zq7")
    assert done.returncode == 1
    assert "url and token go together" in done.stderr
    helped = run("record", "--help", KIWOOM_NB_TOKEN="t0ken-Zq7")
    assert "KIWOOM_NB_TOKEN" in helped.stdout
    assert "t0ken-Zq7" not in done.stdout + done.stderr + helped.stdout + helped.stderr


# replay


def test_a_replay_prints_a_line_for_each_event_and_leaves_nothing_behind(tmp_path):
    """And at the end how many there were."""
    done = run("replay", "sample:calm", "--speed", "0", KIWOOM_NB_HOME=str(tmp_path / "none"))
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr, len(lines)) == (0, "", 61)
    assert lines[-1] == "60 events, 0 gaps, 0 rejected values."
    first = kn.load("sample:calm").iloc[0]
    assert lines[0].startswith(f"{first.received_at:%H:%M:%S}  ")
    assert first.symbol in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_printed_as_a_question_mark(tmp_path, capsys):
    """Blank and unreadable values of whatever column, never a made-up number, nan or <NA>."""
    day = kn.load("sample:calm").head(3)
    for name in ("symbol", "name", "side", "price", "quantity", "realized_pnl"):
        day.loc[1, name] = pd.NA
    path = day.kn.to_parquet(tmp_path / "day.parquet")
    replay(str(path), speed=0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1][8:] == "    ?     ?  ?  @ ?  holds ?  realized today ?"
    assert "?" not in lines[0] + lines[2]


def test_a_replay_of_nothing_is_a_sentence():
    """Exit code 1."""
    done = run("replay", "nowhere.jsonl")
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr


# export


@pytest.mark.parametrize("kind", ["parquet", "csv", "xlsx", "CSV"])
def test_a_session_is_exported_and_counted(kind, tmp_path, capsys):
    """To whatever kind the name of the file says."""
    target = tmp_path / f"day.{kind}"
    export("sample:calm", target)
    assert f"60 rows in 1 file at {target}" in capsys.readouterr().out
    if kind == "parquet":
        pd.testing.assert_frame_equal(kn.load(target), kn.load("sample:calm"))
    elif kind == "xlsx":
        assert session_commands._rows_of_excel(target) == 60
    else:
        assert len(pd.read_csv(target)) == 60


def two_journals(folder):
    """Two days of one name, in two folders."""
    for name, below in (("calm", "a"), ("oddities", "b")):
        (folder / below).mkdir(parents=True)
        (folder / below / "day.jsonl").write_bytes(samples.path_of(f"sample:{name}").read_bytes())
    return folder


def test_a_folder_is_exported_to_a_folder_and_files_of_one_name_stay_apart(tmp_path, capsys):
    """A file for each, in the folders that they were in: none overwrites another."""
    export(str(two_journals(tmp_path / "from")), tmp_path / "to")
    assert "322 rows in 2 files" in capsys.readouterr().out
    assert len(kn.load(tmp_path / "to" / "a" / "day.parquet")) == 60
    assert len(kn.load(tmp_path / "to" / "b" / "day.parquet")) == 262


def test_a_folder_with_a_dot_in_its_name_is_a_folder(tmp_path):
    """Where it is there already."""
    (tmp_path / "2026.11").mkdir()
    export("sample:calm", tmp_path / "2026.11", to="csv")
    assert (tmp_path / "2026.11" / "calm.csv").exists()


def test_what_is_there_already_is_kept_unless_overwriting_was_asked_for(tmp_path):
    """Nothing is written where one file of many is in the way."""
    source, target = two_journals(tmp_path / "from"), tmp_path / "to"
    (target / "b").mkdir(parents=True)
    (target / "b" / "day.parquet").write_text("mine")
    with pytest.raises(ValueError, match=r"day\.parquet is there already; .* --overwrite"):
        export(str(source), target)
    assert [path.name for path in target.rglob("*") if path.is_file()] == ["day.parquet"]
    export(str(source), target, overwrite=True)
    assert len(kn.load(target / "b" / "day.parquet")) == 262


@pytest.mark.parametrize("arguments", [("day.pdf",), ("folder", "--to", "pdf")])
def test_an_unknown_kind_of_file_is_a_sentence(arguments, tmp_path):
    """Exit code 1, and the kinds that there are."""
    done = run("export", "sample:calm", tmp_path / arguments[0], *arguments[1:])
    assert done.returncode == 1
    assert ".pdf is no kind of file to export to; there are .parquet, .csv, .xlsx." in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["parquet", "csv", "xlsx"])
def test_a_file_that_lacks_a_row_is_refused_and_removed(kind, tmp_path, monkeypatch, capsys):
    """Nothing is called done that was not counted."""
    write = session_commands._write
    monkeypatch.setattr(session_commands, "_write", lambda frame, path: write(frame.iloc[1:], path))
    with pytest.raises(ValueError, match="held 59 rows instead of 60 and was removed"):
        export("sample:calm", tmp_path / f"day.{kind}")
    assert "rows in" not in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_accounts_are_masked_unless_asked_for(tmp_path):
    """--unmasked writes them in full."""
    export("sample:calm", tmp_path / "masked.csv")
    export("sample:calm", tmp_path / "plain.csv", unmasked=True)
    assert "1111111111" not in (tmp_path / "masked.csv").read_text("utf-8")
    assert "1111111111" in (tmp_path / "plain.csv").read_text("utf-8")


def test_a_target_that_cannot_be_written_is_a_sentence(tmp_path):
    """Not a traceback of the operating system."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written"):
        export("sample:calm", tmp_path / "file" / "day.csv")


def test_an_export_on_the_command_line_ends_with_code_0(tmp_path):
    """Its last line says how much is where."""
    done = run("export", "sample:calm", tmp_path / "day.parquet", "--unmasked")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"60 rows in 1 file at {tmp_path / 'day.parquet'}"


# archive


def test_sessions_are_archived_once(tmp_path):
    """The first time each file is named, the second time nothing is written, and both end with code 0."""
    source, folder = two_journals(tmp_path / "from"), tmp_path / "archive"
    first, second = run("archive", folder, source), run("archive", folder, source)
    assert (first.returncode, first.stderr, second.returncode, second.stderr) == (0, "", 0, "")
    assert [line.split()[:2] for line in first.stdout.splitlines()[:-1]] == [["added", "60"], ["added", "262"]]
    assert first.stdout.splitlines()[-1] == f"322 rows in 2 files at {folder}: 2 added, 0 replaced, 0 same"
    assert second.stdout.splitlines() == [f"322 rows in 2 files at {folder}: 0 added, 0 replaced, 2 same"]
    assert len(kn.load(folder)) == 322


def test_nothing_recorded_is_a_sentence(tmp_path):
    """Without a source all that was recorded is meant; exit code 1 where that is nothing."""
    done = run("archive", tmp_path / "archive", KIWOOM_NB_HOME=str(tmp_path / "home"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "Nothing was recorded yet; give a source" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "shown"), [((), r"x+1111"), (("--unmasked",), "1111111111"), (("--anonymize",), r"account-[0-9a-f]{8}")]
)
def test_an_archive_shows_accounts_as_asked(option, shown, tmp_path):
    """Masked, in full, or as pseudonyms; asked otherwise later, it says so and adds nothing."""
    assert run("archive", tmp_path / "archive", "sample:calm", *option).returncode == 0
    loaded = kn.load(tmp_path / "archive", mask_accounts=False)
    assert [bool(re.fullmatch(shown, account)) for account in loaded["account"].unique()] == [True]
    other = run("archive", tmp_path / "archive", "sample:busy", *(["--unmasked"] if not option else []))
    assert other.returncode == 1
    assert "Give another folder" in other.stderr
    assert len(kn.load(tmp_path / "archive")) == 60


def test_two_ways_to_show_accounts_are_a_wrong_command_line(tmp_path):
    """Exit code 2."""
    assert run("archive", tmp_path / "archive", "sample:calm", "--unmasked", "--anonymize").returncode == 2
    assert list(tmp_path.iterdir()) == []
