import copy
import getpass
import logging
import pickle
import pprint

import keyring.core
import keyring.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.backends import fail, null

from kiwoom_nb import credentials
from kiwoom_nb.credentials import Credentials
from kiwoom_nb.errors import CredentialsNotFound, CredentialsNotStored

KEY, SECRET = "app-key-X7f", "secret-key-Q9z"
VARIABLES = ["APP_KEY", "APP_SECRET", "APP_KEY_MOCK", "APP_SECRET_MOCK", "KIWOOM_MODE"]


class MemoryKeyring(KeyringBackend):
    priority = -1  # never chosen by itself

    def __init__(self):
        super().__init__()
        self.entries = {}

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self.entries[service, username] = password

    def delete_password(self, service, username):
        del self.entries[service, username]


class BrokenKeyring(MemoryKeyring):
    """Fails with ``error`` on each call, whose text echoes what it was given."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def get_password(self, service, username):
        raise self.error

    def set_password(self, service, username, password):
        raise self.error


class FullKeyring(MemoryKeyring):
    """Takes one entry and refuses the next with a text that echoes it."""

    def set_password(self, service, username, password):
        if self.entries:
            raise keyring.errors.PasswordSetError(f"no room for {password}")
        super().set_password(service, username, password)


@pytest.fixture(autouse=True)
def use(monkeypatch):
    """No keys anywhere, and a function that puts a keyring in place."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def put(backend):
        monkeypatch.setattr(keyring.core, "_keyring_backend", backend)
        return backend

    put(MemoryKeyring())
    return put


@pytest.fixture
def entries(use):
    return use(MemoryKeyring()).entries


def store(entries, service, app_key=KEY, secret_key=SECRET):
    entries[service, "appkey"] = app_key
    entries[service, "secretkey"] = secret_key


def pair(found):
    return (found.app_key, found.secret_key)


@pytest.mark.parametrize(
    "argument",
    [
        (KEY, SECRET),
        [KEY, SECRET],
        {"app_key": KEY, "secret_key": SECRET},
        Credentials(KEY, SECRET, "real"),
        (f"  {KEY}\r\n", f"\u200b{SECRET[:5]}\n  {SECRET[5:]}\ufeff"),
    ],
)
def test_the_argument_comes_first(argument, monkeypatch):
    """A pair, a mapping or credentials win over the environment, and what pasting adds is dropped."""
    monkeypatch.setenv("APP_KEY", "other")
    monkeypatch.setenv("APP_SECRET", "other")
    assert credentials.find("real", argument) == Credentials(KEY, SECRET, "real")


@pytest.mark.parametrize(
    "argument", [KEY, (KEY,), (KEY, SECRET, "x"), (KEY, None), {"app_key": KEY}, {KEY: SECRET}, object(), b"ab", 1]
)
def test_another_kind_of_argument_is_told_without_showing_it(argument):
    """What was passed by mistake probably holds a key."""
    with pytest.raises(ValueError, match="credentials must be") as caught:
        credentials.find("demo", argument)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ((KEY, " \n"), "both .*: the secret key is empty"),
        (("", SECRET), "both .*: the app key is empty"),
        (("앱키", SECRET), "the app key holds characters that no key has"),
        ((KEY, "a\x00b"), "the secret key holds characters that no key has"),
    ],
)
def test_an_impossible_key_is_told(argument, message):
    """It says which of the two it is, and neither is shown."""
    with pytest.raises(ValueError, match=message) as caught:
        credentials.find("demo", argument)
    assert not any(text in str(caught.value) for text in (KEY, SECRET, "앱키"))


def test_credentials_of_the_other_mode_are_refused():
    """Demo keys must not travel to the real server by a slip."""
    with pytest.raises(ValueError, match='for mode="demo", not for mode="real"'):
        credentials.find("real", Credentials(KEY, SECRET, "demo"))


@pytest.mark.parametrize("mode", ["mock", "REAL", "", None])
def test_a_mode_that_does_not_exist_is_told(mode):
    """There are two."""
    with pytest.raises(ValueError, match='must be "demo"'):
        credentials.find(mode)


@pytest.mark.parametrize(
    ("mode", "names"), [("real", ("APP_KEY", "APP_SECRET")), ("demo", ("APP_KEY_MOCK", "APP_SECRET_MOCK"))]
)
def test_the_environment_comes_before_the_keyring(mode, names, monkeypatch, entries):
    """The names are those of Kiwoom's own client."""
    store(entries, f"kiwoom_nb-{mode}", "other", "other")
    monkeypatch.setenv(names[0], f" {KEY}\n")
    monkeypatch.setenv(names[1], SECRET)
    assert credentials.find(mode) == Credentials(KEY, SECRET, mode)


def test_our_keyring_entry_comes_before_that_of_kwcli(entries):
    """Who stored keys with us meant us."""
    store(entries, "kiwoom-demo", "other", "other")
    assert pair(credentials.find("demo")) == ("other", "other")
    store(entries, "kiwoom_nb-demo")
    assert pair(credentials.find("demo")) == (KEY, SECRET)


def test_looking_keys_up_writes_nothing(entries):
    """The entries of ``kwcli`` are its own."""
    store(entries, "kiwoom-real")
    before = dict(entries)
    credentials.find("real")
    assert entries == before


@pytest.mark.parametrize("service", ["kiwoom_nb-real", "kiwoom-real"])
def test_keys_of_the_other_mode_are_named_and_not_used(entries, service):
    """``find`` says where keys are; it never takes real keys for demo ones."""
    store(entries, service)
    with pytest.raises(CredentialsNotFound) as caught:
        credentials.find("demo")
    assert (caught.value.mode, caught.value.other) == ("demo", "real")


def test_no_keys_at_all_is_told(entries):
    """No other mode is named where it has none either."""
    with pytest.raises(CredentialsNotFound) as caught:
        credentials.find("real")
    assert (caught.value.mode, caught.value.other) == ("real", None)


@pytest.mark.parametrize(("there", "missing"), [("APP_KEY", "APP_SECRET"), ("APP_SECRET", "APP_KEY")])
def test_half_a_pair_in_the_environment_says_what_is_missing(there, missing, monkeypatch):
    """One key alone is a typing error, not an absence."""
    monkeypatch.setenv(there, KEY)
    monkeypatch.setenv(missing, "  ")
    with pytest.raises(ValueError, match=f"variable {there} but not the environment variable {missing}:") as caught:
        credentials.find("real")
    assert KEY not in str(caught.value)


def test_half_a_pair_in_the_keyring_says_what_is_missing(entries):
    """The same for a keyring entry."""
    store(entries, "kiwoom_nb-demo", secret_key="")
    with pytest.raises(ValueError, match="but not secretkey in keyring kiwoom_nb-demo"):
        credentials.find("demo")


def test_half_a_pair_does_not_hide_a_whole_one(monkeypatch, entries):
    """``APP_KEY`` is a name that other programs use too."""
    monkeypatch.setenv("APP_KEY", "base64:laravel")
    store(entries, "kiwoom_nb-real")
    assert pair(credentials.find("real")) == (KEY, SECRET)


@pytest.mark.parametrize(
    "error",
    [
        keyring.errors.NoKeyringError("none"),
        keyring.errors.KeyringLocked("locked"),
        keyring.errors.InitError("no bus"),
        OSError("no desktop"),
        RuntimeError("?"),
    ],
)
def test_a_broken_keyring_is_an_empty_one(error, monkeypatch, use):
    """A server without a desktop has its keys in the environment, and a person without keys gets the three ways in."""
    use(BrokenKeyring(error))
    with pytest.raises(CredentialsNotFound):
        credentials.find("demo")
    monkeypatch.setenv("APP_KEY_MOCK", KEY)
    monkeypatch.setenv("APP_SECRET_MOCK", SECRET)
    assert pair(credentials.find("demo")) == (KEY, SECRET)


def test_a_machine_without_a_keyring_is_no_obstacle(use):
    """The backend that keyring takes where there is none raises on each call."""
    use(fail.Keyring())
    with pytest.raises(CredentialsNotFound):
        credentials.find("demo")


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!s:>99}".format, pprint.pformat, lambda each: f"{[each]}"])
def test_no_text_of_credentials_shows_them(show):
    """A notebook saves what a cell displays."""
    text = show(Credentials(KEY, SECRET, "demo"))
    assert KEY not in text
    assert SECRET not in text
    assert "demo" in text


@pytest.mark.parametrize("save", [pickle.dumps, copy.copy, copy.deepcopy])
def test_credentials_are_not_saved_by_accident(save):
    """A notebook store or a job queue would write them to a disk."""
    with pytest.raises(TypeError, match="never pickled") as caught:
        save(Credentials(KEY, SECRET, "demo"))
    assert KEY not in str(caught.value)


def test_credentials_do_not_change():
    """They are a key of the connection owner."""
    found = Credentials(KEY, SECRET, "demo")
    assert hash(found) == hash(Credentials(KEY, SECRET, "demo"))
    with pytest.raises(AttributeError):
        found.app_key = "x"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), st.text(" \t\r\n\u200b\ufeff\u00a0"))
def test_what_pasting_adds_never_reaches_a_key(key, added):
    """Whatever whitespace comes along, the key is the same."""
    found = credentials.find("demo", (added.join(key), added + key + added))
    assert pair(found) == (key, key)


@pytest.mark.parametrize(
    ("value", "mode"), [(None, "demo"), ("", "demo"), ("real", "real"), ("demo", "demo"), (" Real\n", "real")]
)
def test_the_mode_comes_from_the_environment(value, mode, monkeypatch):
    """Demo unless ``KIWOOM_MODE`` says otherwise."""
    if value is not None:
        monkeypatch.setenv("KIWOOM_MODE", value)
    assert credentials.default_mode() == mode


def test_a_wrong_mode_in_the_environment_is_told(monkeypatch):
    """It never quietly means demo."""
    monkeypatch.setenv("KIWOOM_MODE", "prod")
    with pytest.raises(ValueError, match="KIWOOM_MODE must be real or demo, not 'prod'"):
        credentials.default_mode()


def answers(*texts):
    """Return a fake getpass and the prompts it has shown."""
    prompts, left = [], list(texts)

    def ask(prompt):
        prompts.append(prompt)
        return left.pop(0)

    return ask, prompts


def test_stored_keys_are_found_again(entries, monkeypatch, capsys, caplog):
    """They are asked for with getpass, go into our own entries, and nothing is echoed or returned."""
    caplog.set_level(logging.DEBUG)
    ask, prompts = answers(f" {KEY}\n", SECRET)
    monkeypatch.setattr(getpass, "getpass", ask)
    assert credentials.set_credentials("real") is None
    assert entries == {("kiwoom_nb-real", "appkey"): KEY, ("kiwoom_nb-real", "secretkey"): SECRET}
    assert credentials.find("real") == Credentials(KEY, SECRET, "real")
    assert ["키" in prompt and "real" in prompt for prompt in prompts] == [True, True]
    shown = "".join([*prompts, *capsys.readouterr(), caplog.text])
    assert KEY not in shown
    assert SECRET not in shown


def test_keys_are_stored_for_the_default_mode(entries, monkeypatch):
    """``KIWOOM_MODE`` counts here too."""
    monkeypatch.setenv("KIWOOM_MODE", "real")
    credentials.set_credentials(ask=answers(KEY, SECRET)[0])
    assert {service for service, _ in entries} == {"kiwoom_nb-real"}


def test_an_empty_answer_stores_nothing(entries):
    """Pressing return is a way out."""
    with pytest.raises(ValueError, match="the secret key is empty"):
        credentials.set_credentials("demo", ask=answers(KEY, "")[0])
    assert entries == {}


@pytest.mark.parametrize("backend", [fail.Keyring(), BrokenKeyring(keyring.errors.KeyringLocked("locked"))])
def test_without_a_keyring_nobody_is_asked(backend, use):
    """The error names the environment variables before anyone types a key."""
    use(backend)
    ask, prompts = answers(KEY, SECRET)
    with pytest.raises(CredentialsNotStored, match="APP_KEY_MOCK and APP_SECRET_MOCK"):
        credentials.set_credentials("demo", ask=ask)
    assert prompts == []


def test_a_keyring_that_forgets_is_told(use):
    """The "null" backend takes everything and keeps nothing."""
    use(null.Keyring())
    with pytest.raises(CredentialsNotStored):
        credentials.set_credentials("demo", ask=answers(KEY, SECRET)[0])


def test_a_keyring_that_takes_half_keeps_nothing(use):
    """A new key beside an old one would be refused by Kiwoom; and the backend's text, with the key, goes nowhere."""
    backend = use(FullKeyring())
    with pytest.raises(CredentialsNotStored) as caught:
        credentials.set_credentials("demo", ask=answers(KEY, SECRET)[0])
    assert backend.entries == {}
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert caught.value.reason == "PasswordSetError"
