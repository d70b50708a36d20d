import asyncio
import json
import socket
import sys

import pytest
import simulator_client
import uvicorn
from simulator_client import BYE, LOGIN_ACK, REAL, REG, REG_ACK, ask, closing, http, listening, log_in, serving
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed

from kiwoom_nb.errors import MissingExtra
from kiwoom_nb.simulator import PATH, Simulator
from kiwoom_nb.simulator_frames import SYSTEM

all_closed = simulator_client.all_closed
no_traceback = simulator_client.no_traceback
server = simulator_client.server


def test_a_given_token_logs_in():
    """Tokens that the caller names are valid, without the token endpoint."""
    with serving(tokens=["my-token"]) as server, listening(server) as client:
        assert log_in(client, "my-token") == LOGIN_ACK


def test_a_second_login_with_the_same_key_sends_the_older_session_away(server):
    """One session per app key: the older one hears R10001 and is closed with 1000 "Bye"."""
    with listening(server) as older, listening(server) as newer:
        log_in(older, server.token)
        assert ask(older, REG)["return_code"] == 0
        assert log_in(newer, server.token) == LOGIN_ACK
        kick = {"trnm": "SYSTEM", "code": "R10001", "message": SYSTEM["R10001"]}
        assert json.loads(older.recv(timeout=5)) == kick
        assert closing(older) == BYE
        assert ask(newer, REG)["return_code"] == 0
        server.push(REAL)
        assert newer.recv(timeout=5, decode=False) == REAL


def test_sessions_of_different_keys_live_side_by_side():
    """Only the same app key is kicked, and logging in again on the same socket kicks nobody."""
    with serving() as server, listening(server) as one, listening(server) as other:
        assert log_in(one, server.issue_token("one")) == LOGIN_ACK
        assert log_in(other, server.issue_token("other")) == LOGIN_ACK
        assert log_in(one, server.issue_token("one")) == LOGIN_ACK
        assert server.sessions == 2


def test_other_paths_and_methods_are_not_there(server):
    """There is no order endpoint, nor any other."""
    assert http(server, "GET", "/oauth2/token").status_code == 405
    assert http(server, "POST", "/api/dostk/ordr").status_code == 404


async def test_the_app_runs_under_any_asgi_server_and_drops_without_its_help():
    """Simulator is an ASGI app; where the server lends no abort, drop still ends without a close frame."""
    app = Simulator(tokens=["t"])
    listener = socket.create_server(("127.0.0.1", 0))
    host = uvicorn.Server(uvicorn.Config(app, ws="websockets-sansio", lifespan="off", log_config=None))
    running = asyncio.create_task(host.serve(sockets=[listener]))
    async with connect_async(f"ws://127.0.0.1:{listener.getsockname()[1]}{PATH}") as client:
        await client.send('{"trnm":"LOGIN","token":"t"}')
        assert await client.recv() == LOGIN_ACK
        await client.send(REG)
        assert await client.recv() == REG_ACK
        app.push(REAL)
        assert await client.recv(decode=False) == REAL
        app.drop()
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1006
    assert app.sessions == 0
    host.should_exit = True
    await running


def test_enough_is_set_when_that_many_sessions_registered():
    """wait_for counts registrations for 04; with 0 nobody is waited for."""

    async def is_set(**options):
        return Simulator(**options).enough.is_set()

    assert asyncio.run(is_set(wait_for=0))
    assert not asyncio.run(is_set(wait_for=1))


def test_a_heartbeat_may_be_missing_for_three_pings_unless_told_otherwise():
    """heartbeat_timeout follows ping_interval."""
    assert Simulator(ping_interval=2.0).heartbeat_timeout == 6.0
    assert Simulator(ping_interval=2.0, heartbeat_timeout=0.5).heartbeat_timeout == 0.5


@pytest.mark.parametrize("option", [{"handshake": "else"}, {"accounts": "all"}, {"too_many": 500}, {"refuse": "1"}])
def test_an_option_out_of_its_range_is_a_value_error(option):
    """The text names the option and what it can be."""
    with pytest.raises(ValueError, match="is not one of"):
        Simulator(**option)


def test_without_starlette_the_error_names_the_extra(monkeypatch):
    """An optional dependency that is missing says what to install."""
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    with pytest.raises(MissingExtra, match=r"kiwoom-nb\[simulator\]"):
        Simulator()
