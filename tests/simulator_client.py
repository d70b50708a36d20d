"""What the tests of the simulator share: frames, a client's steps, and servers that they do not wait for."""

import contextlib
import datetime as dt
import json
import logging
import ssl
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from kiwoom_nb.classroom import serve
from kiwoom_nb.simulator_frames import REFUSALS
from kiwoom_nb.token_office import REST_ERRORS

LOGIN_ACK = '{"trnm":"LOGIN","return_code":0,"return_msg":"","sor_yn":"Y"}'
REG = '{"trnm":"REG","grp_no":"1","refresh":"1","data":[{"item":[""],"type":["04"]}]}'
REG_ACK = '{"trnm":"REG","return_code":0,"return_msg":""}'
REMOVE = '{"trnm":"REMOVE","grp_no":"1","data":[{"item":[""],"type":["04"]}]}'
REMOVE_ACK = '{"trnm":"REMOVE","return_code":0,"return_msg":""}'
PING = '{"trnm":"PING"}'
REAL = '{"data":[{"values":{"9201":"1111111111","9001":"005930","302":"삼성전자","930":"102"},"type":"04","name":"현물잔고","item":"005930"}],"trnm":"REAL"}'.encode()
BYE = (1000, "Bye")
FAST = float("inf")
START = 1_763_700_000_000_000
KEYS = {"appkey": "key-1", "secretkey": "secret-1"}
GRANT = {"grant_type": "client_credentials", **KEYS}
KST = dt.timezone(dt.timedelta(hours=9))

_CERTIFICATES = ssl.create_default_context()  # httpx would read them anew for each request
_POOL = ThreadPoolExecutor(16, thread_name_prefix="closing")
_CLOSING: list[Future[None]] = []


@contextlib.contextmanager
def serving(*args, **options):
    """Like serve(), but the next test does not wait for the 0.2 s that uvicorn takes to end."""
    server = serve(*args, **options)
    try:
        yield server
    finally:
        _CLOSING.append(_POOL.submit(server.close))


@pytest.fixture(scope="module", autouse=True)
def all_closed():
    """Each server of a module could be closed."""
    yield
    while _CLOSING:
        _CLOSING.pop().result(timeout=30)


@pytest.fixture(scope="module")
def server():
    """One server for all tests that leave it as it was."""
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def no_traceback(caplog, capfd):
    """Whatever a client does, the server logs no exception and prints nothing."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert capfd.readouterr() == ("", "")


def listening(server, **options):
    """Connect with the server's own log level put back, so that its exceptions would be seen."""
    logging.getLogger("uvicorn.error").setLevel("ERROR")
    return connect(server.url, **options)


def log_in(client: ClientConnection, token: str) -> str:
    client.send(json.dumps({"trnm": "LOGIN", "token": token}))
    return client.recv(timeout=5)


def ask(client: ClientConnection, frame: str | bytes | dict) -> dict:
    client.send(json.dumps(frame) if isinstance(frame, dict) else frame)
    return json.loads(client.recv(timeout=5))


def join(client: ClientConnection, token: str) -> ClientConnection:
    """Log in and register for 04; the server starts or goes on to push."""
    assert log_in(client, token) == LOGIN_ACK
    client.send(REG)
    assert client.recv(timeout=5) == REG_ACK
    return client


def reg(items=("",), types=("04",), grp_no="1", refresh="1") -> dict:
    return {"trnm": "REG", "grp_no": grp_no, "refresh": refresh, "data": [{"item": list(items), "type": list(types)}]}


def refusal(trnm: str, code: int) -> dict:
    return {"trnm": trnm, "return_code": code, "return_msg": REFUSALS[code]}


def read(client: ClientConnection, count: int) -> list[bytes]:
    return [client.recv(timeout=5, decode=False) for _ in range(count)]


def closing(client: ClientConnection) -> tuple[int, str]:
    """Read to the end and return the close code and reason."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            client.recv(timeout=5)
    return client.close_code, client.close_reason


def is_silent(client: ClientConnection) -> bool:
    """Say whether nothing but the answer to a marker comes back."""
    return ask(client, {"trnm": "NOTHING"}) == refusal("NOTHING", 105108)


def frame(n: int, size: int = 0) -> bytes:
    values = f'{{"9201":"1111111111","9001":"005930","302":"삼성전자{"." * size}","930":"{n}"}}'
    return f'{{"data":[{{"values":{values},"type":"04","name":"현물잔고","item":"005930"}}],"trnm":"REAL"}}'.encode()


def recording(count: int, step_ms: float = 1, size: int = 0) -> list[tuple[int, bytes]]:
    return [(START + int(n * step_ms * 1000), frame(n, size)) for n in range(count)]


def post(server, path, **request):
    if "body" in request:
        request["json"] = request.pop("body")
    return http(server, "POST", f"/oauth2/{path}", **request)


def http(server, method, path, **request):
    return httpx.request(method, server.rest_url + path, verify=_CERTIFICATES, **request)


def rest_code(response) -> str:
    """Check the form of a REST error and return its code."""
    assert response.status_code == 200
    body = response.json()
    code = body["return_msg"].partition("[")[2][:4]
    return_code, text = REST_ERRORS[code]
    kind = {2: "입력 값 오류입니다", 3: "인증에 실패했습니다", 5: "허용된 요청 개수를 초과하였습니다"}[return_code]
    assert body == {"return_code": return_code, "return_msg": f"{kind}[{code}:{text}]"}
    return code
