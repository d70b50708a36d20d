import json

import pytest
import simulator_client
from simulator_client import REAL, REG, REMOVE, ask, is_silent, listening, log_in, refusal, reg

from kiwoom_nb.registrations import Registrations

all_closed = simulator_client.all_closed
no_traceback = simulator_client.no_traceback
server = simulator_client.server


@pytest.mark.parametrize(
    "data", [[{"type": ["04"]}], [{"item": [], "type": ["04"]}], [{"item": ["005930"], "type": ["00", "04"]}]]
)
def test_04_comes_whatever_the_item(server, data):
    """04 belongs to the account: the item is not looked at."""
    with listening(server) as client:
        log_in(client, server.token)
        assert ask(client, json.loads(REG) | {"data": data})["return_code"] == 0
        server.push(REAL)
        assert client.recv(timeout=5, decode=False) == REAL
        assert ask(client, REMOVE)["return_code"] == 0
        server.push(REAL)
        assert is_silent(client)


def test_other_types_are_acked_and_get_no_04(server):
    """A session that did not ask for 04 never gets one."""
    with listening(server) as client:
        log_in(client, server.token)
        assert ask(client, reg(["005930"], ["0B", "00"]))["return_code"] == 0
        server.push(REAL)
        assert is_silent(client)


def test_refresh_0_drops_what_was_registered_and_1_keeps_it(server):
    """Refresh "0" ends earlier registrations of the session; "1", also by default, adds to them."""
    with listening(server) as client:
        log_in(client, server.token)
        ask(client, reg())
        ask(client, reg(["005930"], ["0B"], grp_no="2"))
        server.push(REAL)
        assert client.recv(timeout=5, decode=False) == REAL
        ask(client, reg(["005930"], ["0B"], grp_no="2", refresh="0"))
        server.push(REAL)
        assert is_silent(client)


@pytest.mark.parametrize(
    "change",
    [
        {"data": "04"},
        {"data": []},
        {"data": {"item": [""], "type": ["04"]}},
        {"data": [{"item": "", "type": "04"}]},
        {"data": [{"item": [""], "type": "04"}]},
        {"data": [{"item": "", "type": ["04"]}]},
        {"data": [{"item": [None], "type": ["04"]}]},
        {"data": [{"item": [[""]], "type": ["04"]}]},
        {"data": [{"item": ["x" * 105], "type": ["04"]}]},
        {"data": [{"item": [""], "type": []}]},
        {"data": [{"item": [""], "type": [4]}]},
        {"data": [{"item": [""], "type": ["99"]}]},
        {"data": [{"item": [""]}]},
        {"data": [["04"]]},
        {"data": [{"item": [str(n) for n in range(101)], "type": ["04"]}]},
        {"grp_no": 1},
        {"grp_no": ""},
        {"grp_no": "12345"},
        {"refresh": 1},
        {"refresh": "2"},
    ],
    ids=str,
)
def test_wrong_shapes_are_105111_and_register_nothing(server, change):
    """Arrays are arrays of strings, 100 items at most, and everything is where the page has it."""
    with listening(server) as client:
        log_in(client, server.token)
        assert ask(client, json.loads(REG) | change) == refusal("REG", 105111)
        if "refresh" not in change:
            assert ask(client, json.loads(REMOVE) | change) == refusal("REMOVE", 105111)
        server.push(REAL)
        assert is_silent(client)


@pytest.mark.parametrize("field", ["grp_no", "data"])
def test_missing_fields_are_105111(server, field):
    """A REG without group or data is refused; a REMOVE needs no refresh, and any will do."""
    with listening(server) as client:
        log_in(client, server.token)
        assert ask(client, {k: v for k, v in json.loads(REG).items() if k != field}) == refusal("REG", 105111)
        assert ask(client, json.loads(REMOVE) | {"refresh": ""})["return_code"] == 0


def test_the_sixth_reg_within_a_second_is_105110(server):
    """Five REG a second are taken; the next one is refused and registers nothing."""
    with listening(server) as client:
        log_in(client, server.token)
        codes = [ask(client, reg(["005930"], ["0B"]))["return_code"] for _ in range(5)]
        assert codes == [0] * 5
        assert ask(client, REG) == refusal("REG", 105110)
        server.push(REAL)
        assert is_silent(client)


def test_more_than_200_items_in_a_group_are_105118_and_in_a_session_105115(server):
    """Both limits hold, a refused REG leaves what was there, and account types are not counted."""
    hundreds = [[f"{n:06}" for n in range(start, start + 100)] for start in (0, 100, 200)]
    with listening(server) as client:
        log_in(client, server.token)
        assert [ask(client, reg(items, ["0B"]))["return_code"] for items in hundreds] == [0, 0, 105118]
        assert ask(client, reg(["000300"], ["0B"], grp_no="2")) == refusal("REG", 105115)
        assert ask(client, reg(hundreds[2], ["00", "04"]))["return_code"] == 0
        server.push(REAL)
        assert client.recv(timeout=5, decode=False) == REAL


def test_five_reg_within_any_second_are_taken_and_refused_ones_count():
    """The sixth within a second is refused; a second after the first of the last five the next one passes."""
    book = Registrations()
    assert [book.register({}, now) for now in (0.0, 0.1, 0.2, 0.3, 0.4)] == [105111] * 5
    assert book.register(reg(), 0.9) == 105110
    assert not book.has_balances
    assert book.register(reg(), 1.1) == 0
    assert book.has_balances


def test_a_remove_ends_what_its_own_group_registered():
    """The same pair in another group stays; to remove what is not there is no error."""
    book = Registrations()
    book.register(reg(), 0)
    assert book.remove(reg(grp_no="2")) == 0
    assert book.has_balances
    assert book.remove(reg()) == 0
    assert not book.has_balances
    assert book.remove(reg()) == 0
