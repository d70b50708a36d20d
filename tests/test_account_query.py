import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from holding_pages import page, row

from kiwoom_nb import account_query, request
from kiwoom_nb.account_query import read_holdings
from kiwoom_nb.errors import AuthenticationError, ConnectionFailed, InsecureURL, RequestRefused

TOKEN = "t0ken/+Zq7-secret"
NUMBER = (200, {}, b'{"acctNo":"1111111111","return_code":0,"return_msg":""}')
FIRST, SECOND = page(row(), row(stk_cd="A000660")), page(row(stk_cd="A035420"))
BUSY = b'{"return_code":5,"return_msg":"[1700:too many]"}'
REFUSED = '{"return_code":3,"return_msg":"인증에 실패했습니다[8005:Token이 유효하지 않습니다]"}'.encode()


class Kiwoom(ThreadingHTTPServer):
    """The account endpoint: gives the next of the answers for an api-id (the last for ever), keeps what was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Endpoint)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.answers = {"kt00018": [(200, {}, FIRST)], "ka00001": [NUMBER]}
        self.asked = []

    def holds(self, *answers):
        self.answers["kt00018"] = list(answers)


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        api_id = self.headers["api-id"]
        self.server.asked.append((self.path, api_id, dict(self.headers), body))
        answers = self.server.answers[api_id]
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def kiwoom(monkeypatch):
    monkeypatch.setattr(request, "_WAITS", (0, 0))
    with Kiwoom() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(kiwoom, pause=0.0):
    return read_holdings(kiwoom.url, TOKEN, pause=pause)


def followed_by(key, content=FIRST):
    return 200, {"cont-yn": "Y", "next-key": key}, content


def test_it_is_asked_as_the_page_says(kiwoom):
    """Each lot by itself, on KRX, with the token in the header; then for the number of the account."""
    assert ask(kiwoom) == ("1111111111", [FIRST])
    (path, api_id, headers, body), (number_path, number_id, number_headers, number_body) = kiwoom.asked
    assert (path, api_id, body) == ("/api/dostk/acnt", "kt00018", {"qry_tp": "2", "dmst_stex_tp": "KRX"})
    assert headers["authorization"] == number_headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["content-type"] == "application/json;charset=UTF-8"
    assert (headers["cont-yn"], headers["next-key"]) == ("N", "")
    assert (number_path, number_id, number_body) == (path, "ka00001", {})


def test_all_pages_are_read_with_the_key_of_the_last_one(kiwoom, monkeypatch):
    """cont-yn and next-key go back as they came; between two pages it waits, for the limits."""
    naps = []
    monkeypatch.setattr(time, "sleep", naps.append)
    kiwoom.holds(followed_by("k1"), followed_by("k2", SECOND), (200, {"cont-yn": "N", "next-key": ""}, FIRST))
    assert ask(kiwoom, pause=1.0).pages == [FIRST, SECOND, FIRST]
    sent = [(headers["cont-yn"], headers["next-key"]) for _, api_id, headers, _ in kiwoom.asked if api_id == "kt00018"]
    assert sent == [("N", ""), ("Y", "k1"), ("Y", "k2")]
    assert naps == [1.0, 1.0]


def test_the_pauses_keep_to_the_limits():
    """One query a second on mock trading, five on the real server."""
    assert account_query.PAUSES == {"demo": 1.0, "real": 0.2}


@pytest.mark.parametrize("keys", [["same"] * 3, ["a", "b", "a"], [""] * 3, map(str, range(200))])
def test_pages_without_end_are_given_up(kiwoom, keys):
    """The same key twice, or more than a hundred pages."""
    kiwoom.holds(*map(followed_by, keys))
    with pytest.raises(RequestRefused, match="its pages do not end"):
        ask(kiwoom)
    assert len(kiwoom.asked) <= 100


@pytest.mark.parametrize("busy", [(429, {}, b""), (200, {}, BUSY), (429, {}, BUSY)])
def test_too_many_queries_are_tried_again(kiwoom, busy):
    """Both signals of the limit, on any page and for the account number."""
    kiwoom.holds(busy, followed_by("k"), busy, (200, {}, SECOND))
    kiwoom.answers["ka00001"] = [busy, NUMBER]
    assert ask(kiwoom) == ("1111111111", [FIRST, SECOND])


def test_a_server_that_is_always_busy_is_told(kiwoom):
    """After three tries; also where only the account number is not to be had, since that passes."""
    kiwoom.answers["ka00001"] = [(200, {}, BUSY)]
    with pytest.raises(RequestRefused, match=r"the query of the account number \(ka00001\) \(code 1700"):
        ask(kiwoom)
    kiwoom.holds((200, {}, BUSY))
    with pytest.raises(RequestRefused, match=r"the query of the holdings \(kt00018\) \(code 1700"):
        ask(kiwoom)
    assert [api_id for _, api_id, _, _ in kiwoom.asked] == ["kt00018", *["ka00001"] * 3, *["kt00018"] * 3]


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, b"Not Found"),
        (404, {}, b"{}"),
        (405, {}, b"Method Not Allowed"),
        (200, {}, b'{"return_code":2,"return_msg":"[1504:not here]"}'),
        (200, {}, b'{"return_code":2,"return_msg":"[1505:no such api-id]"}'),
    ],
)
def test_a_server_that_does_not_offer_it_is_no_error(kiwoom, answer):
    """No such path or api-id: there is nothing to try again."""
    kiwoom.holds(answer)
    assert ask(kiwoom) is None
    assert len(kiwoom.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, b""),
        (200, {}, b'{"return_code":2,"return_msg":"[1504:x]"}'),
        (200, {}, REFUSED),
        (200, {}, b'{"return_code":0}'),
        (200, {}, b'{"acctNo":5}'),
        (200, {}, b'{"acctNo":" "}'),
    ],
)
def test_an_account_number_that_is_not_told_is_not_known(kiwoom, answer):
    """The holdings are there all the same."""
    kiwoom.answers["ka00001"] = [answer]
    assert ask(kiwoom) == (None, [FIRST])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, {}, REFUSED), AuthenticationError),
        ((200, {}, b'{"return_code":20,"return_msg":"[1999:unexpected]"}'), RequestRefused),
        ((200, {}, b"[]"), RequestRefused),
        ((200, {}, b"<html>"), RequestRefused),
        ((200, {}, FIRST.replace(b",", b",\n")), RequestRefused),
        ((200, {}, b'{"a":NaN}'), RequestRefused),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), RequestRefused),
        ((503, {}, b""), ConnectionFailed),
    ],
)
def test_what_cannot_be_recorded_or_is_refused_is_an_error(kiwoom, answer, kind):
    """The query counts as failed, on the first page and on a later one."""
    kiwoom.holds(answer)
    with pytest.raises(kind):
        ask(kiwoom)
    kiwoom.holds(followed_by("k"), answer)
    with pytest.raises(kind):
        ask(kiwoom)


def test_no_server_is_no_connection():
    """Nothing answers there."""
    with pytest.raises(ConnectionFailed):
        read_holdings("http://127.0.0.1:1", TOKEN, pause=0)


def everything_told(error):
    """Return all that a verbose traceback of ``error`` shows: texts, chain, and the variables of our own frames."""
    told = []
    while error is not None:
        told += [str(error), repr(error), repr(error.args), repr(vars(error))]
        frame = error.__traceback__
        while frame is not None:
            if "test_account_query" not in frame.tb_frame.f_code.co_filename:
                told += map(repr, frame.tb_frame.f_locals.values())
            frame = frame.tb_next
        error = error.__cause__ or error.__context__
    return "\n".join(told)


ECHO = json.dumps({"return_code": f"3{TOKEN}", "return_msg": f"[8005:{TOKEN} t0ken%2F%2BZq7-secret]"}).encode()


@pytest.mark.parametrize(
    "answers",
    [
        [(200, {}, ECHO)],
        [(200, {}, TOKEN.encode())],
        [(500, {}, TOKEN.encode())],
        [followed_by("k", json.dumps({"echo": TOKEN}).encode()), (500, {}, b"")],
    ],
)
def test_no_error_shows_the_token(kiwoom, answers, caplog):
    """Neither its text, its chain, its frames nor any log line, however the server repeats the request."""
    caplog.set_level(logging.DEBUG)
    kiwoom.holds(*answers)
    with pytest.raises((AuthenticationError, RequestRefused, ConnectionFailed)) as caught:
        ask(kiwoom)
    told = everything_told(caught.value) + caplog.text
    assert "Zq7" not in told
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_the_token_does_not_travel_in_clear():
    """Nor does the refusal to send it show it."""
    with pytest.raises(InsecureURL) as caught:
        read_holdings("http://192.0.2.1", TOKEN, pause=0)
    assert "Zq7" not in everything_told(caught.value)
