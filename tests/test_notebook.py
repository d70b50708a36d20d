import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keyring.core
import pytest
import websockets.sync.client
from frames import event
from keyring.backends import null
from lines import until

import kiwoom_nb as kn
from kiwoom_nb import account_query, notebook, session
from kiwoom_nb.classroom import serve
from kiwoom_nb.errors import (
    AuthenticationError,
    CredentialsNotFound,
    InsecureURL,
    JournalError,
    KickedOut,
    NotLive,
)
from kiwoom_nb.told import told_by

TOKEN = "t0ken-Zq7"
NOWHERE = "ws://127.0.0.1:1/api/dostk/websocket"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The pause before connecting again is no part of these requirements; no key of this machine is used."""
    monkeypatch.setattr(session, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(session, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(keyring.core, "_keyring_backend", null.Keyring())


@pytest.fixture
def server():
    with serve() as server:
        yield server


def stream(server, **options):
    df = kn.stream_balances(url=server.url, token=options.pop("token", server.token), **options)
    until(lambda: df.kn.status.state == "live")
    return df


def push(server, first, last):
    for number in range(first, last):
        server.push(event(f930=str(number)))


def take_over(server, token):
    """Log in as another program with the same key does."""
    with websockets.sync.client.connect(server.url) as other:
        other.send(json.dumps({"trnm": "LOGIN", "token": token}))
        assert json.loads(other.recv(timeout=10))["return_code"] == 0


# In a script


def test_a_script_streams_by_itself_and_sees_rows_when_it_asks(server):
    """The stream is a background one; the call returns at once with an empty frame of 30 columns."""
    begun = time.monotonic()
    df = kn.stream_balances(url=server.url, token=server.token)
    assert time.monotonic() - begun < 1
    assert df.shape == (0, 30)
    until(lambda: df.kn.status.state == "live")
    assert df.kn.status.background
    push(server, 0, 3)
    until(lambda: df.kn.status.events == 3)
    assert len(df) == 0
    assert df.kn.wait(3)
    assert df["quantity"].tolist() == [0, 1, 2]
    assert not df.kn.wait(timeout=0.05)


async def test_an_asyncio_script_awaits(server):
    """A running loop is no notebook: the stream has its own thread, and changed() is awaited on the script's loop."""
    df = kn.stream_balances(url=server.url, token=server.token)
    until(lambda: df.kn.status.state == "live")
    push(server, 0, 2)
    assert await df.kn.changed(2, timeout=20)
    assert len(df) == 2


SCRIPT = """
import os, signal, sys, kiwoom_nb as kn
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background hands down that it is ignored
df = kn.stream_balances(url=os.environ["URL"], token=os.environ["TOKEN"])
while df.kn.status.state != "live":
    df.kn.wait(timeout=0.01)
try:
    print("waiting", flush=True)  # inside, for the signal may come at once
    df.kn.wait()
except KeyboardInterrupt:
    print("interrupted", df.kn.status.state, flush=True)
print(df.kn.wait(1, timeout=30), len(df), flush=True)
"""


@pytest.fixture
def script(server, tmp_path):
    """A running script that waits."""
    environment = {**os.environ, "URL": server.url, "TOKEN": server.token}
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "waiting\n"
    yield process
    process.kill()
    process.communicate(timeout=30)


def test_ctrl_c_ends_the_wait_and_not_the_stream(server, script, tmp_path):
    """The script goes on with a living stream; at its end the journal is closed, and nothing is printed."""
    script.send_signal(signal.SIGINT)
    assert script.stdout.readline() == "interrupted live\n"
    push(server, 0, 1)
    out, err = script.communicate(timeout=60)
    assert (out, err, script.returncode) == ("True 1\n", "", 0)
    [journal] = (tmp_path / "home").rglob("*.jsonl")
    assert json.loads(journal.read_bytes().splitlines()[-1])["event"] == "stopped"


# To whom


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"url": NOWHERE}, "url and token go together"),
        ({"token": TOKEN}, "url and token go together"),
        ({"url": NOWHERE, "token": TOKEN, "mode": "demo"}, "either url and token, or mode"),
        ({"url": NOWHERE, "token": TOKEN, "credentials": ("a", "b")}, "either url and token, or mode"),
        ({"url": "http://127.0.0.1:1", "token": TOKEN}, "address of a WebSocket"),
        ({"url": "127.0.0.1:8765", "token": TOKEN}, "address of a WebSocket"),
        ({"url": "ws://", "token": TOKEN}, "and a host"),
        ({"url": NOWHERE, "token": ""}, "token alone"),
        ({"url": NOWHERE, "token": f"Bearer {TOKEN}"}, "no Bearer"),
        ({"url": NOWHERE, "token": f"{TOKEN}\r\nX-Evil: 1"}, "token alone"),
        ({"url": NOWHERE, "token": "토큰"}, "token alone"),
        ({"mode": "paper"}, '"demo"'),
        ({"mode": "demo", "credentials": "abc"}, "credentials"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_starts(options, text, tmp_path):
    """Each with a sentence; no token is in it."""
    with pytest.raises(ValueError, match=text) as caught:
        kn.stream_balances(**options)
    assert TOKEN not in str(caught.value)
    assert not notebook._STREAMS


def test_a_token_read_from_a_file_may_end_in_a_line_break(server):
    """It is the same token, and the same connection owner."""
    df = stream(server)
    assert kn.stream_balances(url=f" {server.url}\n", token=f"{server.token}\n") is df


def test_a_token_is_not_sent_in_clear_to_another_machine():
    """ws:// outside loopback is refused before anything is sent; the text names allow_plaintext."""
    with pytest.raises(InsecureURL, match="allow_plaintext=True"):
        kn.stream_balances(url="ws://192.0.2.1:8765", token=TOKEN)
    assert not notebook._STREAMS


@pytest.mark.parametrize(("mode", "variable"), [("demo", "APP_KEY_MOCK"), ("real", "APP_KEY and APP_SECRET")])
def test_without_keys_the_text_says_the_ways_in(mode, variable):
    """It never falls back to sample data: a person must not take a recording for the account."""
    with pytest.raises(CredentialsNotFound) as caught:
        kn.stream_balances(mode=mode)
    text = str(caught.value)
    assert f'mode="{mode}"' in text
    assert "credentials=" in text
    assert variable in text
    assert "kn.set_credentials(" in text
    assert "kn.replay()" in text


def test_keys_of_the_other_mode_are_named(monkeypatch):
    """Who has keys for real only is told to ask for it."""
    monkeypatch.setenv("APP_KEY", "k" * 43)
    monkeypatch.setenv("APP_SECRET", "s" * 43)
    with pytest.raises(CredentialsNotFound, match='pass mode="real"'):
        kn.stream_balances()


def test_the_mode_comes_from_the_environment(monkeypatch):
    """KIWOOM_MODE, else demo."""
    monkeypatch.setenv("KIWOOM_MODE", "real")
    with pytest.raises(CredentialsNotFound, match='mode="real"'):
        kn.stream_balances()


# One stream for one connection owner


def test_the_same_call_gives_the_same_frame(server):
    """A second login would kick the first."""
    df = stream(server)
    assert stream(server) is df
    assert server.sessions == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"background": True}, "background=False"),
        ({"record": False}, "record=True"),
        ({"mask_accounts": False}, "mask_accounts=True"),
        ({"holdings": False}, "holdings=True"),
    ],
)
def test_other_options_are_refused_while_it_lives_and_taken_afterwards(server, options, named):
    """The text names those it lives with, and what to do."""
    df = stream(server)
    with pytest.raises(ValueError, match=named) as caught:
        kn.stream_balances(url=server.url, token=server.token, **options)
    assert "df.kn.stop()" in str(caught.value)
    df.kn.stop()
    assert stream(server, **options) is not df


def test_the_same_folder_under_another_name_is_no_other_option(server, tmp_path, monkeypatch):
    """A path is taken as it was meant when it was given, wherever the program goes."""
    monkeypatch.chdir(tmp_path)
    df = stream(server, record="mine")
    assert stream(server, record=tmp_path / "mine") is df
    assert df.kn.status.journal.parent == tmp_path / "mine"


def test_a_stopped_stream_starts_anew_with_the_rows_of_the_day(server):
    """The pause is a gap."""
    df = stream(server)
    push(server, 0, 2)
    df.kn.wait(2)
    df.kn.stop()
    again = stream(server)
    push(server, 2, 3)
    assert again.kn.wait(3, timeout=20)
    assert again["quantity"].tolist() == [0, 1, 2]
    assert again.kn.gaps["reason"].tolist() == ["stopped"]
    assert len(df) == 2


def test_a_second_login_kicks_and_the_next_call_takes_the_key_back(server):
    """The waits raise KickedOut; it is never fought for by itself, and the time without the key is a gap."""
    df = stream(server)
    push(server, 0, 1)
    df.kn.wait(1)
    take_over(server, server.token)
    with pytest.raises(KickedOut):
        df.kn.wait(timeout=20)
    assert df.kn.status.state == "kicked"
    time.sleep(0.1)
    assert server.sessions == 0
    again = stream(server)
    push(server, 1, 2)
    assert again.kn.wait(2, timeout=20)
    assert again.kn.gaps["reason"].tolist() == ["kicked"]


def test_a_refused_token_fails_and_can_be_asked_for_again(server):
    """The error is the status' and the waits'."""
    token = server.token
    server.expire(token)
    df = kn.stream_balances(url=server.url, token=token)
    with pytest.raises(AuthenticationError, match="8005") as caught:
        df.kn.wait(timeout=20)
    assert df.kn.status.state == "failed"
    assert df.kn.status.error is caught.value
    assert token not in f"{df.kn.status!r} {df!r} {df._repr_html_()}"
    assert stream(server) is not df


def test_a_cut_line_comes_back_with_a_gap(server):
    """A real server that drops without a close frame."""
    df = stream(server)
    server.drop()
    until(lambda: df.kn.status.gaps == 1 and df.kn.status.state == "live")
    push(server, 0, 1)
    assert df.kn.wait(1, timeout=20)
    assert df.kn.gaps["reason"].tolist() == ["the connection broke"]
    assert df.kn.gaps["end"].notna().all()


def test_a_server_that_says_bye_is_a_gap_too(server):
    """Code 1000 was not asked for by us."""
    df = stream(server)
    server.close_sessions()
    until(lambda: df.kn.status.gaps == 1 and df.kn.status.state == "live")
    df.kn.sync()
    assert df.kn.gaps["reason"].tolist() == ["the server closed it (1000 Bye)"]


def test_two_keys_and_two_servers_stand_side_by_side(server):
    """Each has its own frame, state and journal."""
    with serve() as other:
        mine = stream(server, token=server.issue_token("mine"))
        yours = stream(server, token=server.issue_token("yours"))
        elsewhere = stream(other)
        push(server, 0, 1)
        push(other, 5, 7)
        assert mine.kn.wait(1, timeout=20)
        assert yours.kn.wait(1, timeout=20)
        assert elsewhere.kn.wait(2, timeout=20)
        mine.kn.stop()
        assert [df.kn.status.state for df in (mine, yours, elsewhere)] == ["stopped", "live", "live"]
        journals = [df.kn.status.journal for df in (mine, yours, elsewhere)]
        assert len({path.name for path in journals}) == 3
        assert journals[0].parent == journals[1].parent != journals[2].parent
        assert [len(kn.load(path)) for path in journals] == [1, 1, 2]
        elsewhere.kn.stop()


# The journal


def test_the_journal_goes_to_the_users_folder_or_where_it_was_asked_to_go(server, tmp_path):
    """True: KIWOOM_NB_HOME, read at each call. A path: there. False: nowhere."""
    df = stream(server)
    assert df.kn.status.journal.is_relative_to(tmp_path / "home" / "journals")
    df.kn.stop()
    df = stream(server, record=tmp_path / "elsewhere")
    assert df.kn.status.journal.parent == tmp_path / "elsewhere"
    df.kn.stop()
    df = stream(server, record=False)
    assert df.kn.status.journal is None
    assert "not recorded" in str(df.kn.status)


def test_no_journal_holds_a_token(server, tmp_path):
    """Only what was received is written."""
    df = stream(server)
    push(server, 0, 1)
    df.kn.wait(1)
    df.kn.stop()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(server.token.encode() in path.read_bytes() or server.token in path.name for path in files)


@pytest.mark.parametrize("record", [True, "folder"])
def test_a_folder_that_cannot_be_written_is_a_journal_error(server, tmp_path, monkeypatch, record):
    """At once, with what to do; nothing is left running."""
    (tmp_path / "file").write_text("")
    if record is True:
        monkeypatch.setenv("KIWOOM_NB_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(JournalError, match="KIWOOM_NB_HOME"):
        kn.stream_balances(url=server.url, token=server.token, record=record is True or tmp_path / "file" / "x")
    assert not notebook._STREAMS


def test_account_numbers_are_masked_unless_asked_for(server):
    """In the frame; the journal has them."""
    df = stream(server, mask_accounts=False)
    push(server, 0, 1)
    df.kn.wait(1)
    assert df["account"].tolist() == ["1111111111"]
    df.kn.stop()
    assert kn.load(df.kn.status.journal)["account"].tolist() == ["xxxxxx1111"]


def test_no_log_line_holds_a_token(server, caplog):
    """With every logger at DEBUG."""
    caplog.set_level(logging.DEBUG)
    df = stream(server)
    server.drop()
    until(lambda: df.kn.status.gaps == 1 and df.kn.status.state == "live")
    df.kn.stop()
    assert not any(server.token in record.getMessage() for record in caplog.records)


# Around a kernel


def test_an_ended_or_derived_frame_is_plain(server):
    """copy() and what is derived have nothing behind them."""
    df = stream(server)
    with pytest.raises(NotLive):
        df.copy().kn.wait()


def test_terminal_ipython_has_a_shell_and_no_kernel(monkeypatch):
    """Tasks would stand still at its prompt: the stream goes to a thread there."""

    class Shell:
        kernel = None

    class IPython:
        get_ipython = staticmethod(Shell)

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert notebook._ipykernel() is None
    assert notebook._notebook_loop() is None


def test_all_streams_are_stopped_at_the_end_of_the_process(server):
    """stop_all is what atexit calls; the journals are closed."""
    df = stream(server)
    notebook.stop_all()
    assert df.kn.status.state == "stopped"
    assert json.loads(Path(df.kn.status.journal).read_bytes().splitlines()[-1])["event"] == "stopped"


FIRST_WAIT = """
import asyncio
from kiwoom_nb.notebook import _block

async def quick():
    await asyncio.sleep(0.01)
    return True

def cell():
    print("waited", _block(quick()))
    loop.call_later(0.01, loop.stop)

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.call_soon(cell)
for _ in range(3):
    loop.call_soon(lambda: None)
loop.run_forever()
loop.close()
print("goes on")
"""


def test_the_first_wait_does_not_end_the_loop_it_is_called_in():
    """The loop's own step has counted what is ready before nest-asyncio2 came; the nested run must leave it as many."""
    done = subprocess.run([sys.executable, "-c", FIRST_WAIT], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split("\n")[:2] == ["waited True", "goes on"], done.stderr


# What the account holds


def held(df):
    df.kn.sync()
    return [[holding.quantity for holding in one.holdings] for one in told_by(df).holdings]


def test_what_the_account_holds_is_read_once_the_line_is_up(server):
    """From the same host and port that the stream is from; the account of the answer is masked."""
    server.push(event(f930="5", f932="500000"))
    df = stream(server)
    until(lambda: df.kn.status.holdings == "read")
    assert held(df) == [[5]]
    assert told_by(df).holdings[0].account == "xxxxxx1111"
    assert len(df) == 0


def test_what_was_missed_while_the_line_was_down_is_counted(server):
    """A position that filled in the gap differs from what was known."""
    server.push(event(f930="5", f932="500000"))
    df = stream(server)
    until(lambda: df.kn.status.holdings == "read")
    token = server.token
    server.refuse("8010")
    server.drop()
    until(lambda: df.kn.status.state in {"reconnecting", "failed"})
    server.push(event(f930="6", f932="600000"))
    server.refuse(None)
    df = stream(server, token=token)
    until(lambda: len(held(df)) == 2)
    assert held(df) == [[5], [6]]
    assert df.kn.gaps["missed"].tolist() == [1]


def test_nobody_is_asked_where_that_was_not_wanted(server, monkeypatch):
    """holdings=False."""
    monkeypatch.setattr(notebook, "read_holdings", lambda *_, **__: pytest.fail("asked"))
    df = stream(server, holdings=False)
    push(server, 0, 1)
    assert df.kn.wait(1)
    assert df.kn.status.holdings is None


def test_a_server_without_such_a_query_streams_all_the_same(server, monkeypatch):
    """The state line says what that means."""
    monkeypatch.setattr(account_query, "PATH", "/nowhere")
    df = stream(server)
    until(lambda: df.kn.status.holdings)
    assert "only what fills in this session" in str(df.kn.status)
    push(server, 0, 1)
    assert df.kn.wait(1)


def test_neither_stop_nor_the_end_of_the_process_waits_for_a_query(server, tmp_path):
    """A server that takes the request and never answers."""
    script = f"""
import socket, threading, time, kiwoom_nb as kn
from kiwoom_nb import account_query, notebook, request
deaf = socket.create_server(("127.0.0.1", 0))
request._TIMEOUT = 60.0
notebook._rest_url = lambda url: f"http://127.0.0.1:{{deaf.getsockname()[1]}}"
df = kn.stream_balances(url={server.url!r}, token={server.token!r}, record=False)
connection, _ = deaf.accept()
begun = time.monotonic()
df.kn.stop()
print(df.kn.status.state, time.monotonic() - begun < 2)
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout, done.stderr) == ("stopped True\n", "")
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("url", "rest_url"),
    [
        ("ws://127.0.0.1:8765/api/dostk/websocket", "http://127.0.0.1:8765"),
        ("wss://class.example:9443/x?y", "https://class.example:9443"),
        ("wss://mockapi.kiwoom.com:10000/api/dostk/websocket", "https://mockapi.kiwoom.com"),
        ("WSS://api.kiwoom.com:10000/api/dostk/websocket", "https://api.kiwoom.com"),
    ],
)
def test_requests_go_where_the_stream_goes(url, rest_url):
    """Kiwoom itself takes them on another port."""
    assert notebook._rest_url(url) == rest_url


def test_a_replayed_day_has_its_opening_holdings_and_gaps():
    """As if its journal had been recorded."""
    day = kn.simulate(3, plant="gap", events=100)
    df = kn.replay(day, speed=float("inf"))
    assert df.kn.wait(df.kn.status.total)
    assert [len(one.holdings) for one in told_by(df).holdings] == [
        len(day.holdings(at)) for at in (None, day.gaps[0][1])
    ]
    missed = day.truth.fills[day.truth.fills["missed"]]
    assert df.kn.gaps["missed"].tolist() == [len(missed.groupby(["symbol", "credit_type", "loan_date"], dropna=False))]
