"""Public Kiwoom clients, as PyPI has them, talk to our server on loopback.

pytest does not collect this file by itself: it installs software. README.md beside it has the command and the results.
"""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import platformdirs
import pytest
import trustme

import kiwoom_nb as kn
from kiwoom_nb.simulator_frames import REFUSALS, SYSTEM

DRIVERS = Path(__file__).parent / "drivers"
VERSIONS = {
    "cluefin-openapi": "1.0.0",
    "kiwoom-cli": "2.14.0",
    "kiwoom-client": "0.4.0",
    "kiwoom-playground": "0.3.6",
    "kiwoom-rest-api": "0.1.12",
    "kiwoom-restful": "0.4.0",
    "pykiwoom-rest": "2.2.0",
}
REG_ACK = {"trnm": "REG", "return_code": 0, "return_msg": ""}

# A day with every oddity. Half of it comes at once, the rest after more silence than the heartbeat timeout allows, so
# that only a client which echoes PING hears the end.
RAW = [raw for _, raw in kn.simulate(1, events=40, plant="all").frames()]
HALF = len(RAW) // 2
STEP, SILENCE = 10_000, 3_000_000
SOURCE = [(number * STEP + (number >= HALF) * SILENCE, raw) for number, raw in enumerate(RAW)]
HEARTBEAT = {"ping_interval": 0.5, "heartbeat_timeout": 1.5}


def entries(frames):
    """Return what a client is to receive: every entry of every frame."""
    return [{"item": entry["item"], "values": entry["values"]} for raw in frames for entry in json.loads(raw)["data"]]


def environment_of(name):
    """Return the Python of the client's own virtual environment, made once and kept in this user's cache."""
    version = VERSIONS[name]
    folder = platformdirs.user_cache_path("kiwoom_nb") / "public_clients"
    home = folder / f"{name}-{version}-{sys.implementation.cache_tag}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    installed = home / "installed"
    if not installed.exists():
        venv.create(home, clear=True, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{name}=={version}"]
        subprocess.run(pip, check=True)
        installed.touch()
    return python


def drive(name, server, folder, *arguments, **more):
    """Run the client's driver against ``server`` and return what it told, an item a line."""
    python = environment_of(name)
    home = folder / "client"  # what it caches, it caches there
    home.mkdir()
    kept = {variable: os.environ[variable] for variable in ("PATH", "SYSTEMROOT") if variable in os.environ}
    environment = kept | {
        "APP_KEY_HERE": name,
        "EVENTS": str(len(entries(RAW))),
        "HOME": str(home),
        "PYTHONUTF8": "1",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "SERVER_REST_URL": server.rest_url,
        "SERVER_URL": server.url,
        "TEMP": str(home),
        "TMPDIR": str(home),
        "USERPROFILE": str(home),
    }
    driver = DRIVERS / f"{name.replace('-', '_')}_driver.py"
    try:
        ran = subprocess.run(
            [python, driver, *arguments],
            check=False,
            capture_output=True,
            cwd=home,
            encoding="utf-8",
            env=environment | more,
            timeout=60,
        )
    except subprocess.TimeoutExpired as expired:
        pytest.fail(f"{name} did not end. It told {expired.stdout!r} and printed {expired.stderr!r}.")
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def told(lines, what):
    """Return the ``what`` of each line that has one."""
    return [line[what] for line in lines if what in line]


@pytest.mark.parametrize("name", ["cluefin-openapi", "kiwoom-client", "kiwoom-playground", "kiwoom-restful"])
def test_a_client_receives_every_event_as_it_was_pushed(name, tmp_path):
    """It gets our token, logs in, registers 04, echoes PING, and hands on all fields of all entries."""
    with kn.serve(SOURCE, **HEARTBEAT) as server:
        lines = drive(name, server, tmp_path)
        assert told(lines, "token") == [server.issue_token(name)]
    assert [json.loads(ack) for ack in told(lines, "ack")] == [REG_ACK]
    if name == "kiwoom-restful":  # runs one task an entry, and does not promise their order
        assert sorted(map(json.dumps, told(lines, "event"))) == sorted(map(json.dumps, entries(RAW)))
    else:
        assert told(lines, "event") == entries(RAW)


def test_kiwoom_cli_streams_every_event_under_its_own_names(tmp_path):
    """``kiwoom -f json stream balance`` registers with an empty ``item`` and ends well after the last event."""
    with kn.serve(SOURCE, **HEARTBEAT) as server:
        lines = drive("kiwoom-cli", server, tmp_path)
        assert told(lines, "token") == [server.issue_token("kiwoom-cli")]
    assert told(lines, "exit_code") == [0]
    assert [
        {fid: event[label] for fid, label in KIWOOM_CLI_NAMES.items()} | {"item": event["symbol"]}
        for event in told(lines, "event")
    ] == [
        {fid: as_number(entry["values"][fid]) for fid in KIWOOM_CLI_NAMES} | {"item": entry["item"]}
        for entry in entries(RAW)
    ]


KIWOOM_CLI_NAMES = {"10": "price", "27": "ask", "28": "bid", "930": "보유수량", "931": "매입단가", "932": "총매입가"}


def as_number(text):
    """Return the magnitude, as kiwoom-cli has prices and quantities; what is no number stays as it is."""
    try:
        return abs(int(text))
    except ValueError:
        return text


def test_kiwoom_cli_raw_echoes_no_ping(tmp_path):
    """Its fault: with ``--raw`` it only prints, PING and REG ack too, so it is sent away (R10002) and says failed (2)."""
    with kn.serve(SOURCE, **HEARTBEAT) as server:
        lines = drive("kiwoom-cli", server, tmp_path, "raw")
    assert lines[1:] == [{"exit_code": 2, "entries": len(entries(RAW[:HALF])), "timed_out": True}]


def test_kiwoom_rest_api_gets_a_token_and_has_no_websocket(tmp_path):
    """Its fault: the package on PyPI has no real-time part at all, neither code nor a library for it."""
    with kn.serve() as server:
        lines = drive("kiwoom-rest-api", server, tmp_path)
        assert lines == [
            {"token": server.issue_token("kiwoom-rest-api")},
            {"with_websocket": [], "libraries": []},
        ]


@pytest.fixture
def tls(tmp_path):
    """Options for a server that speaks TLS, and the environment in which a client trusts it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    files = {name: str(tmp_path / f"{name}.pem") for name in ("authority", "certificate", "key")}
    authority.cert_pem.write_to_path(files["authority"])
    certificate.cert_chain_pems[0].write_to_path(files["certificate"])
    certificate.private_key_pem.write_to_path(files["key"])
    return (
        {"ssl_certfile": files["certificate"], "ssl_keyfile": files["key"]},
        {"SSL_CERT_FILE": files["authority"], "REQUESTS_CA_BUNDLE": files["authority"]},
    )


def check_start_of_pykiwoom_rest(lines, server):
    """It refuses ws://, and takes ``expires_dt`` for ISO 8601, which is an error after it has the token."""
    assert told(lines, "plain_error") == ["WebSocket base_url must use wss://"]
    assert told(lines, "token") == [server.issue_token("pykiwoom-rest")]
    assert len(told(lines, "token_error")) == 1
    assert told(lines, "connected") == [True]


def test_pykiwoom_rest_never_sends_login(tls, tmp_path):
    """Its fault: the token is in a header only, so its REG is ignored (100013) and the server ends it (R10004)."""
    options, trust = tls
    with kn.serve(SOURCE, login_timeout=1.0, **HEARTBEAT, **options) as server:
        lines = drive("pykiwoom-rest", server, tmp_path, **trust)
        check_start_of_pykiwoom_rest(lines, server)
        assert server.sent == 0
    assert [json.loads(frame) for frame in told(lines, "frame")] == [
        {"trnm": "REG", "return_code": 100013, "return_msg": REFUSALS[100013]},
        {"trnm": "SYSTEM", "code": "R10004", "message": SYSTEM["R10004"]},
    ]
    assert told(lines, "subscribed") == [False]
    assert told(lines, "event") == []


def test_pykiwoom_rest_is_served_by_the_documented_handshake_until_it_echoes_no_ping(tls, tmp_path):
    """Where the header logs in, its other faults show: REG acks without ``data`` are not seen, PING is not echoed."""
    options, trust = tls
    with kn.serve(SOURCE, handshake="documented", **HEARTBEAT, **options) as server:
        lines = drive("pykiwoom-rest", server, tmp_path, **trust)
        check_start_of_pykiwoom_rest(lines, server)
    assert [json.loads(frame) for frame in told(lines, "frame")] == [
        REG_ACK,
        {"trnm": "SYSTEM", "code": "R10002", "message": SYSTEM["R10002"]},
    ]
    assert told(lines, "subscribed") == [False]
    assert told(lines, "event") == entries(RAW[:HALF])
