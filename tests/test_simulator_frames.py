import json
from pathlib import Path

import pytest
import simulator_client
from simulator_client import LOGIN_ACK, REAL, REG, REG_ACK, ask, listening, log_in, refusal, serving

from kiwoom_nb.simulator_frames import PING as PING_FIELDS
from kiwoom_nb.simulator_frames import REFUSALS, SYSTEM, answer_frame, object_of

all_closed = simulator_client.all_closed
no_traceback = simulator_client.no_traceback
server = simulator_client.server


def test_accounts_each_gives_every_key_an_account_of_its_own_and_changes_nothing_else():
    """Field 9201 is another one per app key, the same at each push, and different accounts stay different."""
    two = REAL.replace(b"]", b"," + REAL[9 : REAL.index(b"]")].replace(b"1111111111", b"2222222222") + b"]")
    with serving(accounts="each") as server, listening(server) as one, listening(server) as other:
        for client, key in ((one, "one"), (other, "other")):
            log_in(client, server.issue_token(key))
            ask(client, REG)
        server.push(two)
        server.push(two)
        seen = [[client.recv(timeout=5) for _ in range(2)] for client in (one, other)]
        assert [again for _, again in seen] == [first for first, _ in seen]
        accounts = [[entry["values"].pop("9201") for entry in json.loads(first)["data"]] for first, _ in seen]
        assert len({account for pair in accounts for account in pair}) == 4
        assert all(len(account) == 10 and account.isdigit() for pair in accounts for account in pair)
        assert seen[0][0].replace(accounts[0][0], "1111111111").replace(accounts[0][1], "2222222222").encode() == two


def test_a_frame_that_cannot_be_text_is_pushed_as_binary(server):
    """What came as BINARY goes out as BINARY: the bytes stay the same."""
    with listening(server) as client:
        log_in(client, server.token)
        ask(client, REG)
        server.push(b"\xff\x00")
        assert client.recv(timeout=5) == b"\xff\x00"


def test_every_refusal_code_has_its_text_and_is_tested_here():
    """The table is the whole of what this server refuses with."""
    tests = ("test_simulator_frames", "test_registrations", "test_simulator_session", "simulator_client")
    source = "".join(Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in tests)
    assert all(str(code) in source for code in REFUSALS)
    assert set(SYSTEM) == {"R10001", "R10002", "R10004"}


def test_an_answer_has_the_text_of_its_code_and_at_most_ten_characters_of_the_trnm():
    """The order of the fields is Kiwoom's; an ack has no text; a text that is given wins."""
    assert answer_frame("REG", 0)["text"] == REG_ACK
    assert answer_frame("LOGIN", 0, sor_yn="Y")["text"] == LOGIN_ACK
    assert json.loads(answer_frame("X" * 11, 105108)["text"]) == refusal("X" * 10, 105108)
    assert json.loads(answer_frame("LOGIN", 805004, "else")["text"])["return_msg"] == "else"


@pytest.mark.parametrize("sent", ["", "7", "[]", "{", b"\xff", '{"a":NaN}', "[" * 100_000])
def test_what_is_not_a_json_object_reads_as_an_empty_one(sent):
    """A client can send anything; there is no exception to catch."""
    assert object_of(sent) == {}
    assert object_of('{"trnm":"PING"}') == PING_FIELDS
