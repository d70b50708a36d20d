import re

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import WebSocketException
from websockets.uri import parse_uri

from kiwoom_nb import addresses
from kiwoom_nb.errors import InsecureURL

LOOPBACK = ["ws://localhost:8765/x", "http://127.0.0.1:1", "http://127.9.9.9", "ws://[::1]:80", "http://LOCALHOST."]
ELSEWHERE = [
    "ws://10.0.0.5:8765",
    "http://192.168.0.2",
    "http://0.0.0.0:80",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "ws://127.0.0.1.evil.com",
    "ws://localhost.evil.com",
    "ws://localhost-evil.com",
    "ws://evil.com/localhost",
    "ws://evil.com?localhost",
    "ws://evil.com#127.0.0.1",
    "ws://1.0.0.127",
    "ws://[::ffff:10.0.0.5]:80",
    "ws://[2001:db8::1]",
    "http://127.1",
    "ws://2130706433",
    "ws://0x7f000001",
    "ws://0x7f.0.0.1",
    "ws://0177.0.0.1",
    "ws://127.0.0.1%2eevil.com",
    "ws://localhost%00.evil.com",
    "ws://localhost\\.evil.com",
    "ws://127。0。0。1",
    "ws://ⓛocalhost",
    "http://[fe80::1]:80",
    "http://example.com/127.0.0.1",
    "http://api.kiwoom.com",
]


def test_each_mode_has_its_two_servers():
    """The official addresses, from Kiwoom's REST API guide."""
    assert addresses.REST_URLS == {"demo": "https://mockapi.kiwoom.com", "real": "https://api.kiwoom.com"}
    assert addresses.WEBSOCKET_URLS == {
        "demo": "wss://mockapi.kiwoom.com:10000/api/dostk/websocket",
        "real": "wss://api.kiwoom.com:10000/api/dostk/websocket",
    }


def test_a_mode_has_one_other():
    """There are two modes, and a wrong name is told."""
    assert [addresses.other_mode(mode) for mode in addresses.MODES] == ["real", "demo"]
    with pytest.raises(ValueError, match=r"must be .demo. .* or .real., not .mock."):
        addresses.other_mode("mock")


@pytest.mark.parametrize("url", LOOPBACK)
def test_plain_text_is_fine_on_this_machine(url):
    """The simulator runs here."""
    assert addresses.is_loopback(url)
    addresses.refuse_plaintext(url)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_plain_text_is_refused_elsewhere(url):
    """A token never travels in clear by accident."""
    assert not addresses.is_loopback(url)
    with pytest.raises(InsecureURL):
        addresses.refuse_plaintext(url)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_plain_text_is_allowed_on_request(url):
    """A classroom has its own network."""
    addresses.refuse_plaintext(url, allow_plaintext=True)


@pytest.mark.parametrize("url", [*addresses.REST_URLS.values(), *addresses.WEBSOCKET_URLS.values(), "WSS://a.b"])
def test_encrypted_addresses_are_allowed(url):
    """TLS is what the rule asks for."""
    assert addresses.is_encrypted(url)
    addresses.refuse_plaintext(url)


@pytest.mark.parametrize("url", ["", "api.kiwoom.com", "ftp://a.b", "https://", "wss://:10000", "http://./", "//a.b"])
def test_what_is_no_address_of_a_server_is_told(url):
    """Nothing is guessed about where a token goes, and permission for plain text changes nothing about that."""
    for check in (addresses.is_loopback, addresses.is_encrypted, addresses.server_name, addresses.shown):
        with pytest.raises(ValueError, match="begins with https://"):
            check(url)


HOSTS = ["localhost", "127.0.0.1", "[::1]", "evil.com", "10.0.0.5", "2130706433", "::1", "localhost."]
MARKS = [
    "",
    ".",
    "@",
    ":",
    ":80",
    "/",
    "\\",
    "#",
    "?",
    "%2e",
    "%00",
    "%40",
    "\t",
    "\n",
    " ",
    "。",
    "\u200b",
    "[",
    "]",
    ";",
    "&",
]


@given(st.lists(st.sampled_from([*HOSTS, *MARKS]), min_size=1, max_size=6).map("".join))
def test_what_counts_as_this_machine_is_where_both_libraries_go(place):
    """They read an address by their own rules: none of these may be another machine for one of them."""
    try:
        here = addresses.is_loopback(f"ws://{place}")
        addresses.refuse_plaintext(f"http://{place}", allow_plaintext=True)
    except ValueError:
        return
    for read in (lambda: parse_uri(f"ws://{place}").host, lambda: httpx.URL(addresses.shown(f"http://{place}")).host):
        try:
            host = read()
        except (ValueError, WebSocketException, httpx.InvalidURL):  # then it connects to nothing
            continue
        assert not here or host.rstrip(".") in {"localhost", "127.0.0.1", "::1"}


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@api.kiwoom.com",
        "ws://hunter2@127.0.0.1",
        "ws://127.0.0.1@evil.com?hunter2",
        "ws://localhost:80@evil.com/hunter2",
        "ws://127.0.0.1\\@evil.com/hunter2",
        "ws://@evil.com/hunter2",
    ],
)
def test_an_address_holds_no_password(url):
    """The HTTP client logs the address of each request."""
    with pytest.raises(ValueError, match="must not hold a user name") as caught:
        addresses.refuse_plaintext(url)
    assert "hunter2" not in str(caught.value)


def test_the_error_shows_no_query():
    """People put tokens into queries."""
    with pytest.raises(InsecureURL) as caught:
        addresses.refuse_plaintext("ws://10.0.0.5:8765/a?token=hunter2#hunter2")
    assert caught.value.url == "ws://10.0.0.5:8765/a"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.kiwoom.com", "real"),
        ("https://API.kiwoom.com/", "real"),
        ("wss://api.kiwoom.com:10000/api/dostk/websocket", "real"),
        ("https://mockapi.kiwoom.com", "demo"),
        ("wss://mockapi.kiwoom.com:10000/api/dostk/websocket", "demo"),
        ("http://api.kiwoom.com", "api.kiwoom.com-80"),
        ("http://api.kiwoom.com:443", "api.kiwoom.com-443"),
        ("https://api.kiwoom.com:8443", "api.kiwoom.com-8443"),
        ("https://api.kiwoom.com.example.com", "api.kiwoom.com.example.com-443"),
        ("https://real", "real-443"),
        ("ws://127.0.0.1:8765/api/dostk/websocket", "127.0.0.1-8765"),
        ("http://127.0.0.1:8765", "127.0.0.1-8765"),
        ("ws://[::1]:8765", "_3a__3a_1-8765"),
        ("https://교실.example:1", "_ad50__c2e4_.example-1"),
    ],
)
def test_a_server_has_one_short_name(url, name):
    """REST and WebSocket agree; only Kiwoom itself, over TLS, is ``real`` or ``demo``."""
    assert addresses.server_name(url) == name


@given(
    st.text(st.characters(exclude_characters="/?#@[]:\\ %", exclude_categories=("C", "Z")), min_size=1, max_size=20),
    st.integers(1, 65535),
)
def test_a_server_name_is_a_file_name_everywhere(host, port):
    """No ``:`` or ``*`` (Windows), whatever the host is called, and never one of Kiwoom's names."""
    try:
        name = addresses.server_name(f"https://{host}:{port}")
    except ValueError:  # no host after all ("..."), or one that Python refuses
        return
    assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
    assert name not in {"real", "demo"}
