import logging

import keyring.core
import pytest
from keyring.backends import null

from kiwoom_nb import intake, session, transport


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The pause before connecting again is no part of these requirements; no key or proxy of this machine is used."""
    monkeypatch.setattr(session, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(session, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(keyring.core, "_keyring_backend", null.Keyring())
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def nothing_logged(caplog, capfd):
    """Whatever happens to a line, neither side logs an exception or prints anything."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def watchful(monkeypatch):
    """Let the watchdog count tenths of seconds instead of seconds: half a second for an answer or a handshake."""
    monkeypatch.setattr(transport, "OPEN_TIMEOUT", 0.5)
    monkeypatch.setattr(session, "_TICK", 0.1)
    monkeypatch.setattr(session, "_LONGEST_COUNTED", 0.2)
    monkeypatch.setattr(session, "_LAST_LOOK", 0.05)
    monkeypatch.setattr(session, "ANSWER", 0.5)


@pytest.fixture
def reasons(monkeypatch):
    """Why each attempt to connect was needed, in order, as the state line told it."""
    told = []
    connecting = intake.Intake.connecting

    def note(self, attempt, reason):
        connecting(self, attempt, reason)
        told.append(reason)

    monkeypatch.setattr(intake.Intake, "connecting", note)
    return told
