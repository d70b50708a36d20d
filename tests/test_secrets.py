"""Keys, tokens and account numbers: whatever happens, they are in nothing that is written, printed, logged or raised."""

import base64
import copy
import inspect
import json
import logging
import os
import pickle
import stat
import subprocess
import sys
import time
from urllib.parse import quote

import pandas as pd
import pytest
import secret_search
import trustme
import websockets.sync.client
from frames import event
from lines import until
from secret_search import ACCOUNT, APP_KEY, KEYS, SECRET_KEY, SECRETS, TOKEN, secrets_in, told_by, written_below
from typer.testing import CliRunner

import kiwoom_nb as kn
from kiwoom_nb import account_query, addresses, cli, errors, request, rest, session, session_commands, transport
from kiwoom_nb.classroom import serve
from kiwoom_nb.errors import AuthenticationError, InsecureURL, KickedOut, TokenNotAccepted

FRAME = event(f9201=ACCOUNT, f930="10")
# Tokens are cached there by design, in a file that only its user can read; journals hold what Kiwoom sent.
TOKENS, JOURNALS = "home/tokens", "home/journals"


@pytest.fixture
def everything(tmp_path, monkeypatch, capfd):
    """Return what was told to anyone by then: printed, logged at DEBUG by all libraries, or written to a file."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    monkeypatch.setattr(session, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(session, "LONGEST_PAUSE", 0.05)
    printed = []

    def told():
        printed.extend(capfd.readouterr())
        files = [text for name, content in written_below(tmp_path, besides=[TOKENS]) for text in (name, repr(content))]
        return "\n".join([*printed, *log.texts, *files])

    with secret_search.logged() as log:
        yield told


@pytest.fixture
def kiwoom(monkeypatch):
    """A server in place of Kiwoom's own, which knows our keys and our token."""
    with serve(tokens=[TOKEN], app_keys={APP_KEY: SECRET_KEY}) as server:
        for mode in addresses.MODES:
            monkeypatch.setitem(addresses.WEBSOCKET_URLS, mode, server.url)
            monkeypatch.setitem(addresses.REST_URLS, mode, server.rest_url)
        yield server


def stream(server, **options):
    return kn.stream_balances(**({"url": server.url, "token": TOKEN} | options))


def live(df):
    until(lambda: df.kn.status.state == "live")
    return df


def raised(call):
    """Return the error that ``call`` ends with."""
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


def verbose(exc):
    """Return what a traceback with all variables says of it, but for those of this test."""
    return told_by(exc, besides=[__file__])


def take_over(server, token):
    quiet = logging.Logger("another program", logging.CRITICAL)  # noqa: LOG001 - getLogger() would list it
    with websockets.sync.client.connect(server.url, logger=quiet) as other:
        other.send(json.dumps({"trnm": "LOGIN", "token": token}))
        assert json.loads(other.recv(timeout=20))["return_code"] == 0


# --- the search itself


@pytest.mark.parametrize(("name", "secret"), SECRETS.items())
@pytest.mark.parametrize(
    "written",
    [
        str.upper,
        quote,
        lambda secret: quote(secret, safe=""),
        lambda secret: json.dumps({"a": secret}).replace("/", "\\/"),
        lambda secret: base64.b64encode(f"Bearer {secret}".encode()).decode(),
        lambda secret: base64.b64encode(f"{{'token': '{secret}'}}".encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(f"x{secret}yz".encode()).decode(),
        lambda secret: secret.encode().hex(),
        lambda secret: repr(pickle.dumps({"key": secret})),
        lambda secret: f"token='{secret}'".encode(),
    ],
)
def test_the_search_finds_a_secret_however_it_is_written(written, name, secret):
    """A search that finds nothing proves nothing: each form that leaks are known to have is found."""
    assert secrets_in(written(secret)) == [name]


def test_the_search_looks_into_the_variables_of_a_traceback():
    """A verbose traceback (%xmode Verbose, rich, pytest) prints them, and of causes too."""

    def fails(token):
        try:
            int("no number")
        except ValueError as exc:
            raise LookupError("no secret in this text") from exc

    assert secrets_in(told_by(raised(lambda: fails(TOKEN)))) == ["token"]
    assert secrets_in("nothing here, and " + "Bearer " * 5) == []


# --- a stream, through whatever happens to it


def test_a_stream_that_works_tells_nobody_its_token(kiwoom, everything, tmp_path):
    """Not in texts, variables, copies, pickles, exports or the widget, whatever is turned on."""
    df = live(stream(kiwoom))
    kiwoom.push(FRAME)
    assert df.kn.wait(1, timeout=20)
    dashboard = df.kn.dashboard()
    exports = [
        df.kn.to_parquet(tmp_path / "a.parquet"),
        df.kn.to_csv(tmp_path / "a.csv"),
        df.kn.to_excel(tmp_path / "a.xlsx"),
    ]
    dashboard.snapshot(tmp_path / "a.html")
    shown = [
        *(
            text(one)
            for one in (df, df.kn, df.kn.status, df.kn._source("status"), kiwoom, dashboard)
            for text in (repr, str)
        ),
        *(repr(vars(one)) for one in (df, df.kn, df.kn._source("status"), dashboard)),
        df._repr_html_(),
        repr(dashboard.get_state()),
        *(repr(child.get_state()) for child in dashboard.children),
        repr([pickle.dumps(one) for one in (df, copy.copy(df), copy.deepcopy(df), df.copy(), df.kn.status)]),
        *(repr(pd.read_csv(path)) if path.suffix == ".csv" else "" for path in exports),
    ]
    df.kn.stop()
    dashboard.close()
    assert secrets_in("\n".join(shown) + everything()) == []


def test_a_stream_with_keys_tells_nobody_keys_or_token(kiwoom, everything, tmp_path):
    """Asking for a token, caching it, logging in: the token is in one file, which is its user's alone."""
    df = live(stream(kiwoom, url=None, token=None))
    secrets = SECRETS | {"issued token": kiwoom.issue_token(APP_KEY)}
    kiwoom.push(FRAME)
    assert df.kn.wait(1, timeout=20)
    df.kn.stop()
    assert secrets_in(f"{df.kn.status}\n{everything()}", secrets) == []
    cached = dict(written_below(tmp_path / TOKENS))
    assert [secrets_in(content, secrets) for name, content in cached.items() if name.endswith(".json")] == [
        ["issued token"]
    ]


REFUSALS = {
    "unknown token": (lambda server: None, {"token": TOKEN + "-old"}, TokenNotAccepted),
    "wrong keys": (
        lambda server: None,
        {"url": None, "token": None, "credentials": (APP_KEY, SECRET_KEY + "-old")},
        AuthenticationError,
    ),
    "keys refused": (lambda server: server.refuse("8050"), {"url": None, "token": None}, AuthenticationError),
    "token refused": (lambda server: server.refuse("8005"), {}, TokenNotAccepted),
}


@pytest.mark.parametrize(("prepare", "options", "kind"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_names_no_secret(prepare, options, kind, kiwoom, everything):
    """Neither the error nor any variable on its way to the user."""
    prepare(kiwoom)
    df = stream(kiwoom, **options)
    error = raised(lambda: df.kn.wait(1, timeout=30))
    assert isinstance(error, kind)
    told = [
        verbose(error),
        verbose(df.kn.status.error),
        repr(pickle.dumps(error)),
        f"{df.kn.status}",
        repr(df.kn.status),
    ]
    assert secrets_in("\n".join(told) + everything()) == []


def test_whoever_is_kicked_names_no_secret(kiwoom, everything):
    """The other program had the same token."""
    df = live(stream(kiwoom))
    take_over(kiwoom, TOKEN)
    error = raised(lambda: df.kn.wait(1, timeout=30))
    assert isinstance(error, KickedOut)
    assert secrets_in(f"{verbose(error)}\n{df.kn.status!r}\n{everything()}") == []


def test_a_certificate_that_nobody_vouches_for_gets_no_token(everything, tmp_path):
    """The handshake ends before anything is sent, the reason is told, and it holds no secret."""
    with pinned(tmp_path) as server:
        df = stream(server)
        until(lambda: "certificate" in df.kn.status.reason)
        told = f"{df.kn.status}\n{df.kn.status!r}\n{df.kn.gaps}"
        df.kn.stop()
        assert (server.sessions, len(df)) == (0, 0)
    assert secrets_in(told + everything()) == []


def pinned(tmp_path):
    """Return a server whose certificate nobody here trusts."""
    certificate = trustme.CA().issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.private_key_pem.write_to_path(str(key))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(chain), append=True)
    return serve(tokens=[TOKEN], ssl_certfile=str(chain), ssl_keyfile=str(key))


def test_a_line_that_breaks_tells_no_secret(kiwoom, everything):
    """Reconnecting is where libraries log most."""
    df = live(stream(kiwoom))
    kiwoom.drop()
    until(lambda: df.kn.status.gaps == 1 and df.kn.status.state == "live")
    kiwoom.push(FRAME)
    assert df.kn.wait(1, timeout=20)
    df.kn.stop()
    assert secrets_in(f"{df.kn.gaps.to_string()}\n{df.kn.status!r}\n{everything()}") == []


CALLS = {
    "plain text": ({"url": "ws://10.0.0.5:1/x", "token": TOKEN}, InsecureURL),
    "no address": ({"url": f"https://{TOKEN}", "token": TOKEN}, ValueError),
    "token in the address": ({"url": f"ws://{quote(TOKEN, safe='')}@127.0.0.1:1/x", "token": TOKEN}, ValueError),
    "token in the query": ({"url": f"ws://10.0.0.5:1/x?token={TOKEN}", "token": TOKEN}, InsecureURL),
    "token with Bearer": ({"url": "wss://127.0.0.1:1/x", "token": f"Bearer {TOKEN}"}, ValueError),
    "token of two lines": ({"url": "wss://127.0.0.1:1/x", "token": f"{TOKEN}\r\nX-Other: 1"}, ValueError),
    "token without url": ({"token": TOKEN}, ValueError),
    "both": ({"url": "wss://127.0.0.1:1/x", "token": TOKEN, "credentials": (APP_KEY, SECRET_KEY)}, ValueError),
    "no mode": ({"mode": "mock", "credentials": (APP_KEY, SECRET_KEY)}, ValueError),
    "keys turned round": ({"credentials": {"secret": SECRET_KEY, "app": APP_KEY}}, ValueError),
    "three keys": ({"credentials": (APP_KEY, SECRET_KEY, TOKEN)}, ValueError),
    "half a key": ({"credentials": (APP_KEY, "")}, ValueError),
    "odd letters": ({"credentials": (APP_KEY, f"{SECRET_KEY}키")}, ValueError),
    "keys as bytes": ({"credentials": (APP_KEY.encode(), SECRET_KEY.encode())}, ValueError),
}


@pytest.mark.parametrize(("options", "kind"), CALLS.values(), ids=CALLS)
def test_a_call_that_is_wrong_shows_nothing_of_what_it_was_given(options, kind, everything):
    """Not even in a traceback with the variables of each of our frames: people paste these into issues."""
    error = raised(lambda: kn.stream_balances(**options))
    assert isinstance(error, kind)
    assert secrets_in(f"{verbose(error)}\n{everything()}") == []


def test_a_journal_that_cannot_be_written_shows_no_secret(everything, tmp_path):
    """The data folder is a file: the error comes from deep inside."""
    (tmp_path / "home").write_text("not a folder")
    error = raised(lambda: kn.stream_balances(url="ws://127.0.0.1:1/x", token=TOKEN))
    assert secrets_in(f"{verbose(error)}\n{everything()}") == []


def test_options_that_differ_from_those_of_a_living_stream_show_no_secret(kiwoom, everything):
    """The sentence repeats options; none of them is a secret."""
    df = live(stream(kiwoom))
    error = raised(lambda: stream(kiwoom, mask_accounts=False))
    df.kn.stop()
    assert secrets_in(f"{verbose(error)}\n{everything()}") == []


def test_an_error_in_the_users_own_cell_shows_no_secret(kiwoom, everything):
    """A verbose traceback prints the variables of the cell, and the frame, its status and its source are some."""
    df = live(stream(kiwoom))
    source = "def cell(df, status, source):\n    frame = df.head()\n    return df.pipe(lambda frame: 1 / 0)\n"
    names = {}
    exec(compile(source, "a cell", "exec"), names)  # noqa: S102 - so that its variables are not this test's
    error = raised(lambda: names["cell"](df, df.kn.status, df.kn._source("status")))
    df.kn.stop()
    told = verbose(error)
    assert "source = <" in told
    assert secrets_in(f"{told}\n{everything()}") == []


# --- every command


def run(*arguments):
    """Run ``kiwoom-nb`` in this process, so that what its libraries log is seen; return what it printed."""
    result = CliRunner().invoke(cli.app, [str(one) for one in arguments])
    match result.exception:
        case None | SystemExit():
            told = ""
        case errors.KiwoomError() | ValueError() | OSError():  # main() prints the sentence and nothing else
            told = str(result.exception)
        case _:
            told = verbose(result.exception)
    return f"{result.output}\n{told}", result.exit_code


@pytest.fixture
def until_seen(monkeypatch):
    """Let a command that runs until it is interrupted end once something was seen."""
    seen = []

    def wait_for_signal(look=lambda: False):
        until(lambda: look() or any(is_seen() for is_seen in seen), seconds=60)

    monkeypatch.setattr(session_commands, "wait_for_signal", wait_for_signal)
    monkeypatch.setattr(cli, "wait_for_signal", wait_for_signal)
    return seen.append


COMMANDS = ["archive", "demo", "export", "lessons", "record", "replay", "serve"]
OTHERS = [
    "dashboard",
    "lab",
]  # these start JupyterLab and Voila, which are tested as such; here they are asked for help


def journals(tmp_path):
    return "".join(path.read_text("utf-8") for path in tmp_path.rglob("*.jsonl"))


def test_a_recording_by_keys_prints_no_secret(kiwoom, everything, until_seen, tmp_path):
    """``kiwoom-nb record`` with the keys of the environment: rows are recorded, keys and token are not."""
    secrets = SECRETS | {"issued token": kiwoom.issue_token(APP_KEY)}
    pushed = []

    def is_recorded():
        if kiwoom.sessions and not pushed:
            pushed.append(kiwoom.push(FRAME))
        return ACCOUNT in journals(tmp_path)

    until_seen(is_recorded)
    printed, code = run("record", "--to", tmp_path / "here")
    assert code == 0
    assert secrets_in(f"{printed}\n{everything()}", secrets) == []
    assert ACCOUNT not in printed


ENDS = {
    "keys refused": (lambda server: server.refuse("8050"), [], "8050"),
    "token not known": (lambda server: None, ["--url", "{url}", "--token", f"{TOKEN}-old"], "8005"),
    "token with a line break": (lambda server: None, ["--url", "{url}", "--token", f"{TOKEN}\nX: 1"], "token must be"),
    "plain text": (lambda server: None, ["--url", "ws://10.0.0.5:1/x", "--token", TOKEN], "not encrypted"),
}


@pytest.mark.parametrize(("prepare", "arguments", "said"), ENDS.values(), ids=ENDS)
@pytest.mark.usefixtures("until_seen")
def test_a_recording_that_ends_with_an_error_prints_no_secret(prepare, arguments, said, kiwoom, everything):
    """The reason is told without what it was about."""
    prepare(kiwoom)
    printed, code = run("record", *(one.format(url=kiwoom.url) for one in arguments))
    assert code == 1
    assert said in printed
    assert secrets_in(f"{printed}\n{everything()}") == []


def test_a_recording_that_is_kicked_prints_no_secret(kiwoom, everything, until_seen):
    """Exit code 1, and the sentence of KickedOut."""
    taken = []

    def take_over_once():
        if kiwoom.sessions and not taken:
            taken.append(take_over(kiwoom, TOKEN))
        return False

    until_seen(take_over_once)
    printed, code = run("record", "--url", kiwoom.url, "--token", TOKEN)
    assert (code, len(taken)) == (1, 1)
    assert "R10001" in printed or "logged in" in printed
    assert secrets_in(f"{printed}\n{everything()}") == []


def test_a_recording_at_a_certificate_that_nobody_vouches_for_prints_no_secret(everything, until_seen, tmp_path):
    """It tries again and again, and tells why, never sending the token."""
    with pinned(tmp_path) as server:
        began = time.monotonic()
        until_seen(lambda: time.monotonic() - began > 1)
        printed, _ = run("record", "--url", server.url, "--token", TOKEN)
        assert server.sessions == 0
    assert "certificate" in printed
    assert secrets_in(f"{printed}\n{everything()}") == []


def test_the_other_commands_print_no_secret_and_no_account(kiwoom, everything, until_seen, tmp_path):
    """replay, export, archive, serve, demo, and what --help says; accounts are masked in all that they make."""
    df = live(stream(kiwoom, record=tmp_path / "recorded"))
    kiwoom.push(FRAME)
    assert df.kn.wait(1, timeout=20)
    journal = df.kn.status.journal
    df.kn.stop()
    until_seen(lambda: True)
    ran = [
        run("replay", journal, "--speed", "0"),
        *(run("export", journal, tmp_path / "made" / f"a{kind}") for kind in session_commands.FORMATS),
        run("archive", tmp_path / "made", journal),
        run("serve", journal, "--port", "0", "--clients", "2"),
        run("demo", "--seconds", "1"),
        run("lessons", "--to", tmp_path / "made" / "lessons"),
        run("--version"),
        *(run(*words, "--help") for words in ([], *([name] for name in (*COMMANDS, *OTHERS)))),
    ]
    printed = "\n".join(text for text, _ in ran)
    assert [code for _, code in ran] == [0] * len(ran)
    assert secrets_in(f"{printed}\n{everything()}") == []
    made = [printed, *(repr(content) for _, content in written_below(tmp_path / "made"))]
    assert [text for text in made if ACCOUNT in text] == []
    assert "xxxxxx6789" in "".join(made)


def test_every_command_is_among_those():
    """A new command is run here too, or at least thought about."""
    names = [command.name or command.callback.__name__ for command in cli.app.registered_commands]
    assert set(names) <= {*COMMANDS, *OTHERS}


# --- what is on the disk is its user's alone

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no mode bits; files are in the user's profile")


@posix
def test_whatever_is_written_is_its_users_alone(kiwoom, everything, tmp_path):
    """Journals, salt, tokens, locks, exports, archives and snapshots, also under a generous umask."""
    before = os.umask(0)
    try:
        df = live(stream(kiwoom, url=None, token=None))
        kiwoom.push(FRAME)
        assert df.kn.wait(1, timeout=20)
        df.kn.to_parquet(tmp_path / "home" / "out" / "a.parquet")
        df.kn.to_csv(tmp_path / "home" / "out" / "a.csv")
        df.kn.to_excel(tmp_path / "home" / "out" / "a.xlsx")
        df.kn.stop()
        kn.archive(tmp_path / "home" / "archive")
        dashboard = kn.load(df.kn.status.journal).kn.dashboard()
        dashboard.snapshot(tmp_path / "home" / "out" / "a.html")
        dashboard.close()
    finally:
        os.umask(before)
    paths = sorted((tmp_path / "home").rglob("*"))
    assert {path.suffix for path in paths} >= {".jsonl", ".json", ".lock", ".parquet", ".csv", ".xlsx", ".html"}
    assert [path for path in paths if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)] == []


# --- TLS cannot be switched off by accident


@pytest.mark.parametrize(
    "function",
    [kn.stream_balances, transport.connect, rest.issue, rest.TokenSource, request.post, account_query.read_holdings],
)
def test_nothing_takes_an_option_that_weakens_tls(function):
    """No ``verify=False`` and no context of one's own can be handed in."""
    names = set(inspect.signature(function).parameters)
    assert not {name for name in names if any(word in name for word in ("ssl", "tls", "verify", "cert", "insecure"))}
    assert not any(one.kind is one.VAR_KEYWORD for one in inspect.signature(function).parameters.values())


LOOSENED = {
    "PYTHONHTTPSVERIFY": "0",
    "CURL_CA_BUNDLE": "",
    "REQUESTS_CA_BUNDLE": "",
    "NODE_TLS_REJECT_UNAUTHORIZED": "0",
}
REFUSED = """
import asyncio, ssl, sys
from kiwoom_nb import request, rest, transport
from kiwoom_nb.credentials import Credentials
from kiwoom_nb.errors import ConnectionFailed
context = request._tls()
assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
for call in (lambda: asyncio.run(transport.connect(sys.argv[1], "token")), lambda: rest.issue(Credentials("app-key", "secret-key", "demo"), base_url=sys.argv[2])):
    try:
        call()
    except ConnectionFailed as exc:
        assert "certificate" in str(exc).lower(), exc
    else:
        sys.exit("it was accepted")
"""


def test_environment_variables_do_not_turn_certificates_off(tmp_path):
    """Those that other programs know for that are of no effect: a self-signed server is refused, twice."""
    with pinned(tmp_path) as server:
        done = subprocess.run(
            [sys.executable, "-c", REFUSED, server.url, server.rest_url],
            env={**os.environ, **LOOSENED},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert (done.returncode, server.sessions) == (0, 0), done.stderr
