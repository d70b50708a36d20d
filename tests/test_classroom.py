import contextlib
import gc
import json
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from kiwoom_nb import simulator as simulator_module
from kiwoom_nb.classroom import play, serve
from kiwoom_nb.errors import ConnectionFailed, MissingExtra
from kiwoom_nb.simulator import Simulator

REG = '{"trnm":"REG","grp_no":"1","refresh":"1","data":[{"item":[""],"type":["04"]}]}'
FAST = float("inf")
START = 1_763_700_000_000_000


@pytest.fixture(autouse=True)
def no_traceback(caplog, capfd):
    """Whatever clients do, the server logs no exception and prints nothing."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert capfd.readouterr() == ("", "")


def frame(n: int, size: int = 0) -> bytes:
    values = f'{{"9201":"1111111111","9001":"005930","302":"삼성전자{"." * size}","930":"{n}"}}'
    return f'{{"data":[{{"values":{values},"type":"04","name":"현물잔고","item":"005930"}}],"trnm":"REAL"}}'.encode()


def recording(count: int, step_ms: float = 1, size: int = 0) -> list[tuple[int, bytes]]:
    return [(START + int(n * step_ms * 1000), frame(n, size)) for n in range(count)]


def join(client: ClientConnection, token: str) -> ClientConnection:
    """Log in and register for 04; the server starts or goes on to push."""
    client.send(json.dumps({"trnm": "LOGIN", "token": token}))
    assert json.loads(client.recv(timeout=5))["return_code"] == 0
    client.send(REG)
    assert json.loads(client.recv(timeout=5))["return_code"] == 0
    return client


def read(client: ClientConnection, count: int) -> list[bytes]:
    return [client.recv(timeout=5, decode=False) for _ in range(count)]


def closing(client: ClientConnection) -> tuple[int, str]:
    with contextlib.suppress(ConnectionClosed):
        while True:
            client.recv(timeout=5)
    return client.close_code, client.close_reason


# The broadcast


def test_every_frame_arrives_byte_for_byte_and_in_order():
    """With speed=inf 5,000 frames arrive as they are, and the server says that it is through."""
    frames = recording(5_000)
    with serve(frames, speed=FAST) as server, connect(server.url) as client:
        assert read(join(client, server.token), len(frames)) == [raw for _, raw in frames]
        assert server.finished.wait(5)
        assert (server.sent, server.error) == (5_000, None)


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_frames_keep_the_pace_of_their_times(speed):
    """The differences of the times, divided by speed, are the pauses: never shorter, and no drift."""
    frames = recording(6, step_ms=50 * speed)
    with serve(frames, speed=speed) as server, connect(server.url) as client:
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
    with serve(frames) as server, connect(server.url) as client:
        assert read(join(client, server.token), 3) == [raw for _, raw in frames]


def test_the_broadcast_waits_for_as_many_sessions_as_it_is_told():
    """With wait_for=2 nothing is sent until the second registration, and both get everything."""
    frames = recording(20)
    with (
        serve(frames, speed=FAST, wait_for=2) as server,
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
    with serve(recording(100), speed=FAST, wait_for=0) as server:
        assert server.finished.wait(5)
        assert server.sent == 100


def test_who_comes_later_joins_in_the_middle():
    """There is one clock: a late client sees what the others see from then on, not the beginning."""
    frames = recording(60, step_ms=10)
    with serve(frames) as server, connect(server.url) as early, connect(server.url) as late:
        read(join(early, server.issue_token("early")), 20)
        seen = read(join(late, server.issue_token("late")), 5)
        numbers = [int(json.loads(raw)["data"][0]["values"]["930"]) for raw in seen]
        assert numbers == list(range(numbers[0], numbers[0] + 5))
        assert numbers[0] >= 20


@pytest.mark.parametrize("speed", [100.0, FAST])
def test_a_loop_starts_over_at_the_end(speed):
    """loop=True plays the recording again and again, and is never finished."""
    frames = recording(3)
    with serve(frames, speed=speed, loop=True) as server, connect(server.url, close_timeout=0.1) as client:
        assert read(join(client, server.token), 9) == [raw for _, raw in frames] * 3
        assert not server.finished.is_set()


def test_a_loop_over_nothing_ends():
    """An empty recording does not spin."""
    with serve([], loop=True, wait_for=0) as server:
        assert server.finished.wait(5)


def test_a_source_with_frames_is_asked_again_at_each_round():
    """An object with .frames() is what a recorded source looks like; a generator inside it may loop."""

    class Source:
        def frames(self):
            yield from recording(2)

    with serve(Source(), speed=FAST, loop=True) as server, connect(server.url, close_timeout=0.1) as client:
        assert read(join(client, server.token), 4) == [frame(0), frame(1)] * 2


def test_a_source_that_fails_is_told_and_the_server_lives_on():
    """What the source raised is the server's .error; push still works."""

    def broken():
        yield from recording(1)
        raise OSError("the disk is gone")

    with serve(broken(), speed=FAST) as server, connect(server.url) as client:
        assert read(join(client, server.token), 1) == [frame(0)]
        assert server.finished.wait(5)
        assert str(server.error) == "the disk is gone"
        server.push(frame(7))
        assert read(client, 1) == [frame(7)]


def test_without_a_source_there_is_nothing_to_wait_for():
    """The source None has no frames: finished at once, whoever comes."""
    with serve() as server:
        assert server.finished.wait(5)
        assert (server.sent, server.error) == (0, None)


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        ("sample", {}, TypeError),
        (b"sample", {}, TypeError),
        (7, {}, TypeError),
        ([], {"speed": 0}, ValueError),
        ([], {"speed": -1.0}, ValueError),
        ([], {"speed": float("nan")}, ValueError),
        (iter([]), {"loop": True}, ValueError),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_starts(source, options, error):
    """A name, a number, a backward speed, an iterator in a loop: a sentence, and no thread left."""
    before = set(threading.enumerate())
    with pytest.raises(error, match=r"source|speed"):
        serve(source, **options)
    assert set(threading.enumerate()) <= before


# Clients that do not read


@pytest.mark.parametrize("speed", [1.0, FAST])
def test_a_client_that_stops_reading_is_closed_and_slows_no_other(speed, monkeypatch):
    """The reader gets every frame; the other one, when it reads again, finds the close 1008 and its reason."""
    monkeypatch.setattr(simulator_module, "LINGER", 60)
    frames = recording(600, step_ms=1, size=65_536)
    with (
        serve(frames, speed=speed, wait_for=2, max_queued=40, stall_timeout=0.3) as server,
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
    monkeypatch.setattr(simulator_module, "LINGER", 0.1)
    with serve(max_queued=10) as server, connect(server.url, max_queue=1) as sleeper:
        join(sleeper, server.token)
        for n in range(600):
            server.push(frame(n, 65_536))
        assert server.sessions == 0
        time.sleep(0.3)
        assert closing(sleeper)[0] == 1006


def test_closing_the_server_does_not_wait_for_a_client_that_does_not_read():
    """close() is done within seconds, whatever a client does."""
    with serve() as server, connect(server.url, max_queue=1) as sleeper:
        join(sleeper, server.token)
        for n in range(300):
            server.push(frame(n, 65_536))
        start = time.monotonic()
        server.close()
        assert time.monotonic() - start < 5
        assert closing(sleeper)[0] == 1006


# Faults on demand


def test_drop_cuts_the_line_without_a_close_frame():
    """The client sees 1006, as when a network dies, and can come back."""
    with serve() as server:
        with connect(server.url) as client:
            join(client, server.token)
            server.drop()
            assert closing(client) == (1006, "")
        with connect(server.url) as client:
            join(client, server.token)


def test_close_sessions_closes_with_the_code_and_reason_asked_for():
    """By default it is the end of the day: 1000 "Bye"."""
    with serve() as server, connect(server.url) as one, connect(server.url) as other:
        join(one, server.token)
        server.close_sessions()
        assert closing(one) == (1000, "Bye")
        assert closing(other) == (1000, "Bye")
        with connect(server.url) as client:
            server.close_sessions(4000, "maintenance")
            assert closing(client) == (4000, "maintenance")


def test_system_frames_can_be_sent_with_known_and_other_texts():
    """A SYSTEM frame goes to every session that is logged in, and closes nothing."""
    with serve() as server, connect(server.url) as client:
        join(client, server.token)
        server.system("R10002")
        server.system("R99999", "점검 안내")
        first, second = (json.loads(client.recv(timeout=5)) for _ in range(2))
        assert first == {"trnm": "SYSTEM", "code": "R10002", "message": simulator_module.SYSTEM["R10002"]}
        assert second == {"trnm": "SYSTEM", "code": "R99999", "message": "점검 안내"}
        assert server.sessions == 1


def test_an_expired_token_logs_in_no_more_and_the_next_one_is_new():
    """expire() ends one token or all; .token is always a valid one."""
    with serve(tokens=["given"]) as server:
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
    with serve() as server, connect(server.url) as client:
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


# The server itself


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
    with serve(tokens=["given-secret"]) as server:
        assert repr(server) == f"<kiwoom_nb Server {server.url} sessions=0 sent=0>"
        assert server.url.startswith("ws://127.0.0.1:")
        assert server.url.endswith("/api/dostk/websocket")


def test_a_port_in_use_is_a_clear_error():
    """The text names host and port and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"127\.0\.0\.1 port {port} .* pass port=0"):
            serve(port=port)


def test_a_server_on_all_addresses_names_the_loopback_one():
    """The URL of a wildcard binding can be used on this machine."""
    with serve(host="0.0.0.0") as server, connect(server.url) as client:  # noqa: S104 - the case
        assert server.url.startswith("ws://127.0.0.1:")
        join(client, server.token)


def test_with_a_certificate_it_speaks_tls(tmp_path):
    """ssl_certfile and ssl_keyfile make it wss and https; faults work there too."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certfile, keyfile = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(certfile)
    certificate.private_key_pem.write_to_path(keyfile)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with (
        serve(recording(3), speed=FAST, ssl_certfile=str(certfile), ssl_keyfile=str(keyfile)) as server,
        connect(server.url, ssl=context) as client,
    ):
        assert server.url.startswith("wss://")
        assert server.rest_url.startswith("https://")
        assert read(join(client, server.token), 3) == [frame(n) for n in range(3)]
        server.drop()
        assert closing(client)[0] == 1006


def test_a_certificate_that_cannot_be_read_is_a_value_error(tmp_path):
    """The text names the file; nothing was started."""
    before = set(threading.enumerate())
    with pytest.raises(ValueError, match=r"cert\.pem"):
        serve(ssl_certfile=str(tmp_path / "cert.pem"), ssl_keyfile=str(tmp_path / "key.pem"))
    assert set(threading.enumerate()) <= before


def test_without_uvicorn_the_error_names_the_extra(monkeypatch):
    """An optional dependency that is missing says what to install."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtra, match=r"kiwoom-nb\[simulator\]"):
        serve()


async def test_play_is_for_any_loop():
    """Under another ASGI server play() is a coroutine of its own; it ends with the source."""
    app = Simulator(wait_for=0)
    await play(app, recording(3), speed=FAST)
    assert app.sent == 3


def test_sixty_clients_get_everything():
    """A class: each client with its own key receives each frame."""
    frames = recording(100)
    with serve(frames, speed=FAST, wait_for=60) as server, contextlib.ExitStack() as clients:
        everyone = [clients.enter_context(connect(server.url)) for _ in range(60)]
        for n, client in enumerate(everyone):
            join(client, server.issue_token(str(n)))
        assert server.sessions == 60
        assert all(read(client, 100) == [raw for _, raw in frames] for client in everyone)
