import json

import httpx
import pytest
import simulator_client
from frames import event
from simulator_client import FAST, http, join, listening, read, rest_code, serving

from kiwoom_nb.account_query import read_holdings
from kiwoom_nb.classroom import serve
from kiwoom_nb.errors import AuthenticationError
from kiwoom_nb.holdings import read_pages
from kiwoom_nb.samples import path_of
from kiwoom_nb.trading_day import simulate

all_closed = simulator_client.all_closed
no_traceback = simulator_client.no_traceback
server = simulator_client.server

PATH = "/api/dostk/acnt"
QUERY = {"qry_tp": "2", "dmst_stex_tp": "KRX"}


def ask(server, api_id="kt00018", body=QUERY, token=None, **headers):
    token = server.token if token is None else token
    sent = {"api-id": api_id, "authorization": f"Bearer {token}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return http(server, "POST", PATH, json=body, headers={name: value for name, value in sent.items() if value})


def held(server, token=None):
    """Return (symbol, credit type) -> quantity, as our own client reads it."""
    answer = read_holdings(server.rest_url, token or server.token, pause=0)
    return {(one.symbol, one.credit_type): one.quantity for one in read_pages(answer.pages)}


def test_what_is_pushed_is_held_and_told():
    """With the fields of the official response, on one page."""
    with serving() as server:
        assert ask(server, "ka00001", {}).json() == {
            "acctNo": "1111111111",
            "return_code": 0,
            "return_msg": "정상적으로 처리되었습니다",
        }
        assert ask(server).json()["acnt_evlt_remn_indv_tot"] == []
        server.push(event(f930="5", f932="500000", f9201="5555555555"))
        answer = ask(server)
        (row,) = answer.json()["acnt_evlt_remn_indv_tot"]
        assert (row["stk_cd"], row["rmnd_qty"], row["pur_amt"]) == ("A005930", f"{5:015d}", f"{500_000:015d}")
        assert (answer.headers["cont-yn"], answer.headers["next-key"], answer.headers["api-id"]) == ("N", "", "kt00018")
        assert ask(server, "ka00001", {}).json()["acctNo"] == "5555555555"


def test_a_day_is_known_before_its_first_frame_and_after_its_last():
    """The opening holdings, then those after every fill."""
    day = simulate(3, events=60)
    with serving(day, speed=FAST) as server:
        assert held(server) == {(one.symbol, one.credit_type): one.quantity for one in day.holdings()}
        with listening(server) as client:
            read(join(client, server.token), len(list(day.frames())))
            assert held(server) == {(one.symbol, one.credit_type): one.quantity for one in day.holdings(10**16)}


def test_a_journal_is_known_as_it_tells(tmp_path):
    """A sample is served by its name or from its file."""
    opening = {
        (one.symbol, one.credit_type): one.quantity for one in simulate(11, date="2026-11-18", events=60).holdings()
    }
    copy = tmp_path / "day.jsonl"
    copy.write_bytes(path_of("sample:calm").read_bytes())
    for source in ("sample:calm", copy, tmp_path):
        with serving(source) as server:
            assert held(server) == opening


def test_pages_follow_each_other_by_their_keys():
    """cont-yn Y and a key until the last one; what is pushed meanwhile does not shift them."""
    with serving(page_size=2) as server:
        for number in range(5):
            server.push(event(f9001=f"00000{number}"))
        symbols, headers = [], {}
        for _ in range(3):
            answer = ask(server, **headers)
            symbols += [row["stk_cd"] for row in answer.json()["acnt_evlt_remn_indv_tot"]]
            headers = {"cont_yn": answer.headers["cont-yn"], "next_key": answer.headers["next-key"]}
            server.push(event(f9001="000009"))
        assert symbols == [f"A00000{number}" for number in range(5)]
        assert headers == {"cont_yn": "N", "next_key": ""}
        assert len(held(server)) == 6


def test_a_key_of_another_query_is_refused():
    """An old key, another's, another body, none at all."""
    with serving(page_size=1) as server:
        for number in range(3):
            server.push(event(f9001=f"00000{number}"))
        key = ask(server).headers["next-key"]
        assert rest_code(ask(server, cont_yn="Y", next_key=key, token=server.issue_token("other"))) == "1517"
        assert rest_code(ask(server, cont_yn="Y", next_key=key, body={**QUERY, "qry_tp": "1"})) == "1517"
        assert rest_code(ask(server, cont_yn="Y", next_key="x")) == rest_code(ask(server, cont_yn="Y")) == "1517"
        assert ask(server, cont_yn="Y", next_key=key).json()["return_code"] == 0
        assert ask(server).json()["return_code"] == 0
        assert rest_code(ask(server, cont_yn="Y", next_key=key)) == "1517"


def test_lots_are_listed_or_summed_as_asked_for():
    """qry_tp 2 and 1."""
    with serving() as server:
        server.push(event(f930="5"))
        server.push(event(f930="3", f917="03", f916="20261001"))
        one, lots = (ask(server, body={**QUERY, "qry_tp": kind}).json() for kind in "12")
        assert [int(row["rmnd_qty"]) for row in one["acnt_evlt_remn_indv_tot"]] == [8]
        assert [(row["crd_tp"], int(row["rmnd_qty"])) for row in lots["acnt_evlt_remn_indv_tot"]] == [
            ("00", 5),
            ("03", 3),
        ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"api_id": ""}, "1501"),
        ({"api_id": "kt99999"}, "1504"),
        ({"authorization": ""}, "1513"),
        ({"authorization": "Basic x"}, "1514"),
        ({"authorization": "Bearer"}, "1516"),
        ({"token": "x"}, "8005"),
        ({"body": []}, "1517"),
        ({"body": {}}, "1517"),
        ({"body": {"qry_tp": "2"}}, "1511"),
        ({"body": {**QUERY, "qry_tp": ""}}, "1511"),
        ({"body": {**QUERY, "qry_tp": "3"}}, "1517"),
        ({"body": {**QUERY, "qry_tp": 2}}, "1517"),
        ({"body": {**QUERY, "dmst_stex_tp": ["KRX"]}}, "1517"),
        ({"cont_yn": "y"}, "1517"),
    ],
)
def test_wrong_requests_are_http_200_with_the_code_in_the_text(server, changes, code):
    """Headers first, then the body; the stricter reading wherever there are two."""
    assert rest_code(ask(server, **changes)) == code


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[" * 50_000, b'{"a":"' + b"x" * 70_000 + b'"}'])
def test_garbage_is_an_error_answer(server, content):
    """Not a crash."""
    headers = {"api-id": "kt00018", "authorization": f"Bearer {server.token}"}
    assert rest_code(http(server, "POST", PATH, content=content, headers=headers)) == "1517"


def test_a_server_that_refuses_everything_refuses_here_too(server):
    """refuse("8050") and the like; an expired token is one that nobody knows."""
    token = server.issue_token("expiring")
    server.refuse("8050")
    try:
        assert rest_code(ask(server, token=token)) == "8050"
    finally:
        server.refuse(None)
    assert ask(server, token=token).json()["return_code"] == 0
    server.expire(token)
    assert rest_code(ask(server, token=token)) == "8005"
    with pytest.raises(AuthenticationError, match="8005"):
        read_holdings(server.rest_url, token, pause=0)


@pytest.mark.parametrize("status", [429, 200])
def test_too_many_queries_are_1700_for_each_key_and_api_id(status):
    """As on mock trading with query_rate=1; the other api-id and another app key have their own count."""
    with serving(query_rate=1, too_many=status) as server:
        answers = [ask(server) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, status]
        assert answers[1].json()["return_code"] == 5
        assert "[1700:" in answers[1].json()["return_msg"]
        assert ask(server, "ka00001", {}).json()["return_code"] == 0
        assert ask(server, token=server.issue_token("other")).json()["return_code"] == 0


def test_our_client_keeps_to_the_rate_by_itself():
    """A second page right after the first is refused once, and then there."""
    with serving(query_rate=1, page_size=1) as server:
        server.push(event())
        server.push(event(f9001="000660"))
        assert len(held(server)) == 2


def test_each_app_key_has_the_account_of_its_frames():
    """accounts="each": the number that queries tell is the one in field 9201."""
    with serving(accounts="each") as server, listening(server) as one:
        token = server.issue_token("one")
        join(one, token)
        server.push(event(f9201="5555555555"))
        told = json.loads(one.recv(timeout=5))["data"][0]["values"]["9201"]
        assert ask(server, "ka00001", {}, token=token).json()["acctNo"] == told
        assert ask(server, "ka00001", {}).json()["acctNo"] not in {told, "5555555555"}
        assert held(server, token=token) == {("005930", "00"): 102}


@pytest.mark.parametrize("size", [0, -1])
def test_a_page_without_rows_is_refused(size):
    """It would never end."""
    with pytest.raises(ValueError, match="page_size"):
        serve(page_size=size)


def test_other_methods_are_not_served(server):
    """Only POST, as documented."""
    assert http(server, "GET", PATH).status_code == httpx.codes.METHOD_NOT_ALLOWED
