import contextlib
import gc
import json
import subprocess
import sys
import threading

import pytest
import simulator_client
from lines import until
from simulator_client import FAST, REG, closing, frame, join, read, recording, serving
from websockets.sync.client import connect

import kiwoom_nb as kn
from kiwoom_nb.classroom import serve
from kiwoom_nb.errors import ConnectionFailed, SourceError
from kiwoom_nb.simulator_frames import SYSTEM
from kiwoom_nb.told import told_by

all_closed = simulator_client.all_closed
no_traceback = simulator_client.no_traceback


def test_drop_cuts_the_line_without_a_close_frame():
    """The client sees 1006, as when a network dies, and can come back."""
    with serving() as server:
        with connect(server.url) as client:
            join(client, server.token)
            server.drop()
            assert closing(client) == (1006, "")
        with connect(server.url) as client:
            join(client, server.token)


def test_close_sessions_closes_with_the_code_and_reason_asked_for():
    """By default it is the end of the day: 1000 "Bye"."""
    with serving() as server, connect(server.url) as one, connect(server.url) as other:
        join(one, server.token)
        server.close_sessions()
        assert closing(one) == (1000, "Bye")
        assert closing(other) == (1000, "Bye")
        with connect(server.url) as client:
            server.close_sessions(4000, "maintenance")
            assert closing(client) == (4000, "maintenance")


def test_system_frames_can_be_sent_with_known_and_other_texts():
    """A SYSTEM frame goes to every session that is logged in, and closes nothing."""
    with serving() as server, connect(server.url) as client:
        join(client, server.token)
        server.system("R10002")
        server.system("R99999", "점검 안내")
        first, second = (json.loads(client.recv(timeout=5)) for _ in range(2))
        assert first == {"trnm": "SYSTEM", "code": "R10002", "message": SYSTEM["R10002"]}
        assert second == {"trnm": "SYSTEM", "code": "R99999", "message": "점검 안내"}
        assert server.sessions == 1


def test_an_expired_token_logs_in_no_more_and_the_next_one_is_new():
    """expire() ends one token or all; .token is always a valid one."""
    with serving(tokens=["given"]) as server:
        first = server.token
        server.expire(first)
        second = server.token
        assert second != first
        server.expire()
        for token in (first, second, "given"):
            with connect(server.url) as client:
                client.send(json.dumps({"trnm": "LOGIN", "token": token}))
                assert "CODE=8005" in client.recv(timeout=5)
        with connect(server.url) as client:
            join(client, server.token)


def test_mute_withholds_the_acks_and_nothing_else():
    """A LOGIN and a REG take effect unanswered; pushes go on."""
    with serving() as server, connect(server.url) as client:
        server.mute = True
        client.send(json.dumps({"trnm": "LOGIN", "token": server.token}))
        client.send(REG)
        client.send("garbage")
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.1)
        server.push(frame(1))
        assert read(client, 1) == [frame(1)]
        server.mute = False
        client.send(REG)
        assert json.loads(client.recv(timeout=5)) == {"trnm": "REG", "return_code": 0, "return_msg": ""}


def test_a_server_ends_with_its_block_and_leaves_nothing_behind():
    """close() says "Bye", joins the thread, frees the port, and may be called again."""
    before = set(threading.enumerate())
    with serve() as server, connect(server.url) as client:
        join(client, server.token)
        server.close()
        assert closing(client) == (1000, "Bye")
    server.close()
    assert set(threading.enumerate()) <= before
    port = int(server.rest_url.rpartition(":")[2])
    with serve(port=port) as again:
        assert again.rest_url == server.rest_url


def test_a_closed_server_says_so():
    """A call after close() is an error with a sentence, not a hang."""
    server = serve()
    server.close()
    with pytest.raises(ConnectionFailed, match="closed"):
        server.push(b"")
    assert "closed" in repr(server)


def test_a_forgotten_server_is_stopped_when_it_is_collected():
    """A cell that is run again leaves no server behind."""
    before = set(threading.enumerate())
    server = serve()
    assert len(set(threading.enumerate()) - before) == 1
    del server
    gc.collect()
    assert set(threading.enumerate()) <= before


def test_a_program_that_ends_without_closing_ends_quietly():
    """At exit the server is stopped and nothing is printed."""
    program = (
        "from kiwoom_nb.classroom import serve; from websockets.sync.client import connect\n"
        "server = serve(); client = connect(server.url); print('end')"
    )
    done = subprocess.run([sys.executable, "-X", "dev", "-c", program], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.split()) == (0, [b"end"])
    assert b"kiwoom_nb" not in done.stderr


def test_no_repr_holds_a_token():
    """The repr says where and how many, and no secret."""
    with serving(tokens=["given-secret"]) as server:
        assert repr(server) == f"<kiwoom_nb Server {server.url} sessions=0 sent=0>"
        assert server.url.startswith("ws://127.0.0.1:")
        assert server.url.endswith("/api/dostk/websocket")


def test_sixty_clients_get_everything():
    """A class: each client with its own key receives each frame."""
    frames = recording(100)
    with serving(frames, speed=FAST, wait_for=60) as server, contextlib.ExitStack() as clients:
        everyone = [clients.enter_context(connect(server.url)) for _ in range(60)]
        for n, client in enumerate(everyone):
            join(client, server.issue_token(str(n)))
        assert server.sessions == 60
        assert all(read(client, 100) == [raw for _, raw in frames] for client in everyone)


def test_a_recording_is_served_by_its_name():
    """A teacher gives the class a journal, or a shipped day, without opening it first."""
    with serve("sample:calm", speed=float("inf")) as server:
        frame = kn.stream_balances(url=server.url, token=server.token, record=False)
        assert frame.kn.wait(60, timeout=30)
        frame.kn.stop()
        assert frame.drop(columns="received_at").equals(kn.load("sample:calm").drop(columns="received_at"))


def test_a_recording_that_is_not_there_is_a_sentence():
    """Before a port is taken."""
    with pytest.raises(SourceError, match="does not exist"):
        serve("nothing.jsonl")


def test_a_recording_tells_what_was_held_when_it_is_served():
    """By its name, and a stream of ours reads it: in this class everybody knows the opening holdings."""
    with serving("sample:calm", speed=FAST) as server:
        df = kn.stream_balances(url=server.url, token=server.token, record=False)
        until(lambda: df.kn.status.holdings == "read" and df.kn.status.events == 60)
        df.kn.sync()
        (held,) = told_by(df).holdings
        (recorded,) = told_by(kn.load("sample:calm")).holdings
        assert {holding.symbol for holding in held.holdings} >= {holding.symbol for holding in recorded.holdings}
        df.kn.stop()
