import inspect
import pickle
import re

import pytest

from kiwoom_nb import errors

TEXTS = [
    (
        errors.CredentialsNotFound("demo"),
        (
            'No Kiwoom app key was found for mode="demo". There are three ways in: pass '
            "credentials=(app_key, secret_key), set the environment variables APP_KEY_MOCK and APP_SECRET_MOCK, or store "
            'them once in the OS keyring with kn.set_credentials(mode="demo"). kn.replay() needs no account.'
        ),
    ),
    (
        errors.CredentialsNotFound("demo", "real"),
        (
            'No Kiwoom app key was found for mode="demo". Keys for the other mode were found: if you meant those, pass '
            'mode="real". There are three ways in: pass credentials=(app_key, secret_key), set the environment variables '
            "APP_KEY_MOCK and APP_SECRET_MOCK, or store them once in the OS keyring with "
            'kn.set_credentials(mode="demo"). kn.replay() needs no account.'
        ),
    ),
    (
        errors.CredentialsNotFound("real"),
        (
            'No Kiwoom app key was found for mode="real". There are three ways in: pass '
            "credentials=(app_key, secret_key), set the environment variables APP_KEY and APP_SECRET, or store "
            'them once in the OS keyring with kn.set_credentials(mode="real"). kn.replay() needs no account.'
        ),
    ),
    (
        errors.CredentialsNotStored("real", "NoKeyringError"),
        (
            'The keys for mode="real" were not stored: this machine has no OS keyring that works (NoKeyringError). '
            "Set the environment variables APP_KEY and APP_SECRET instead."
        ),
    ),
    (
        errors.AuthenticationError("8005", "Token이 유효하지 않습니다"),
        (
            "Kiwoom refused the credentials (code 8005: Token이 유효하지 않습니다). Check that the app key and secret key "
            "belong to the mode you connect to (real and demo keys differ), that they have not expired, and run the cell "
            "again."
        ),
    ),
    (
        errors.IPNotRegistered("8050", "지정단말기 인증에 실패했습니다"),
        (
            "Kiwoom refused the credentials (code 8050: 지정단말기 인증에 실패했습니다). The key is bound to registered IP "
            "addresses and this machine's public address is not one of them: register it on the Kiwoom REST API site (up "
            "to 10 addresses), then run the cell again."
        ),
    ),
    (
        errors.RequestRefused("the request for a token (au10001)", "1700", "허용된 요청 개수를 초과하였습니다"),
        (
            "Kiwoom did not carry out the request for a token (au10001) (code 1700: 허용된 요청 개수를 초과하였습니다). If the "
            "code says that there were too many requests, wait a second and try again."
        ),
    ),
    (
        errors.ConnectionFailed("wss://api.kiwoom.com:10000", "no answer within 10 s"),
        (
            "No connection to wss://api.kiwoom.com:10000: no answer within 10 s. Check the network and the address; "
            "Kiwoom also refuses connections during its nightly maintenance."
        ),
    ),
    (
        errors.KickedOut("demo"),
        (
            "Another program logged in to demo with the same app key, so Kiwoom ended this session (R10001). One key "
            "holds one connection: stop the other program (another notebook, a trading bot), then run the cell again. "
            "kiwoom_nb does not take the connection back by itself."
        ),
    ),
    (
        errors.ProtocolError("no answer to LOGIN came"),
        (
            "The server did not keep to Kiwoom's protocol: no answer to LOGIN came. If this is Kiwoom itself, please "
            "report it with the journal of that minute."
        ),
    ),
    (
        errors.InsecureURL("ws://10.0.0.5:8765"),
        (
            "ws://10.0.0.5:8765 is not encrypted and not on this machine, so the token would travel in clear. Use wss:// "
            "(https:// for requests), or pass allow_plaintext=True in a network that you trust."
        ),
    ),
    (
        errors.JournalError("a.jsonl", "cannot be written: the disk is full", "Free some space."),
        "The journal a.jsonl cannot be written: the disk is full. Free some space.",
    ),
    (
        errors.SourceError("a.csv", "is not a recording", "Pass a journal or a Parquet file."),
        "Cannot load a.csv: it is not a recording. Pass a journal or a Parquet file.",
    ),
    (
        errors.NotLive("pause()"),
        (
            "df.kn.pause() works only on the frame that kn.stream_balances() or kn.replay() returned; this one is a plain "
            "DataFrame (loaded, copied or derived) with nothing behind it."
        ),
    ),
    (
        errors.TokenNotAccepted("8005", "the token given is not valid"),
        (
            "Kiwoom refused the credentials (code 8005: the token given is not valid). Take a token that this server "
            "issued: server.token of kn.serve(), or the line that kiwoom-nb serve printed."
        ),
    ),
    (
        errors.NotReplayed("seek()"),
        (
            "df.kn.seek() works only on a frame that kn.replay() returned; this one is live, and what comes next is not "
            "known yet."
        ),
    ),
    (
        errors.ColumnsMissing("fills()", ["cost", "side"]),
        (
            "df.kn.fills() reads balance events, and this frame has no cost, side. "
            "Call it on the frame as it came, or on some of its rows; choose columns afterwards."
        ),
    ),
    (
        errors.ScopeWarning("position", 7, "2026-11-20 09:03:12", "005930", -1200),
        (
            "005930 was bought at 2026-11-20 09:03:12 (row 7), and yet the realized P&L (FIDs 990 and 992) changed by "
            "-1,200 won, which a buy of one position cannot do. They seem to count by account here: compare with "
            'scope="account", and with what your HTS shows.'
        ),
    ),
    (
        errors.ReadOnlyFrame('df["x"] = ...'),
        (
            'A live frame is read-only, so df["x"] = ... is refused: its rows are what Kiwoom sent. Take df.copy() and '
            "work on that."
        ),
    ),
    (
        errors.MissingExtra("kn.serve()", "starlette", "simulator"),
        (
            "kn.serve() needs starlette, which is not installed. Install it with: python -m pip install "
            '"kiwoom-nb[simulator]"'
        ),
    ),
]
CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__ and kind is not errors.KiwoomError
}


@pytest.mark.parametrize(("error", "text"), TEXTS, ids=lambda value: type(value).__name__)
def test_every_text_is_pinned(error, text):
    """Each text says who, what, why and what to do; a changed word is a decision, so it is made here too."""
    assert str(error) == text


def test_no_class_is_without_a_pinned_text():
    """Whoever adds an error pins its text above."""
    assert {type(error).__name__ for error, _ in TEXTS} == set(CLASSES)


@pytest.mark.parametrize(("error", "text"), TEXTS, ids=lambda value: type(value).__name__)
def test_an_error_crosses_a_process_boundary_whole(error, text):
    """A worker's error arrives with its class, its parts and its text."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - we have just written it
    assert (type(copy), copy.args, vars(copy), str(copy)) == (type(error), error.args, vars(error), text)


def test_the_tree_in_the_docstring_names_every_class_under_its_parent():
    """The first thing in the module is the whole tree."""
    in_tree = {name for name, kind in CLASSES.items() if issubclass(kind, errors.KiwoomError)}
    branches = re.findall(r"^ {4}(│   )?[├└]── (\w+) +\S", errors.__doc__, re.MULTILINE)
    assert {name for _, name in branches} == in_tree == set(CLASSES) - {"ScopeWarning"}
    parent = "KiwoomError"
    for deeper, name in branches:
        assert CLASSES[name].__base__.__name__ == (parent if deeper else "KiwoomError")
        parent = parent if deeper else name


def test_every_error_is_caught_as_a_kiwoom_error():
    """``except kn.KiwoomError`` is enough for a program; a warning is no error."""
    assert all(issubclass(kind, (errors.KiwoomError, Warning)) for kind in CLASSES.values())
    assert issubclass(errors.ScopeWarning, UserWarning)


def test_a_refused_write_is_no_error_that_pandas_swallows():
    """NDFrame.__setattr__ catches TypeError and AttributeError and would store a shadow attribute."""
    assert not issubclass(errors.ReadOnlyFrame, (TypeError, AttributeError))
