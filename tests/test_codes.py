import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwoom_nb import codes
from kiwoom_nb.errors import AuthenticationError, IPNotRegistered


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("인증에 실패했습니다[8005:Token이 유효하지 않습니다]", "8005"),
        ("인증에 실패했습니다[8050:지정단말기 인증에 실패했습니다]", "8050"),
        ("토큰 인증에 실패했습니다. 접속을 종료합니다 [CODE=8005, MESSAGE=Token이 유효하지 않습니다]", "8005"),
        ("허용된 요청 개수를 초과하였습니다[1700:허용된 요청 개수를 초과하였습니다]", "1700"),
        ("CODE=8103", "8103"),
        ("[8030]", "8030"),
        ("허용된 요청 개수를 초과하였습니다[유량=5, API ID=ka10081]", None),
        ("계좌 [1234567890] 확인", None),
        ("정상적으로 처리되었습니다", None),
        ("", None),
    ],
)
def test_the_inner_code_is_read_from_both_forms(message, code):
    """REST writes ``[8005:...]``, the WebSocket ``[CODE=8005, MESSAGE=...]``; other brackets hold no code."""
    assert codes.inner_code(message) == code


@given(st.text())
def test_no_message_breaks_the_readers(message):
    """What a server may say is not ours to choose."""
    code = codes.inner_code(message)
    assert code is None or (code.isascii() and code.isdecimal() and code in message)
    codes.is_about_request(message)
    codes.is_rate_limit(message)


@pytest.mark.parametrize("code", ["8010", "8040", "8050"])
def test_a_refusal_of_the_address_says_so(code):
    """The cure for these is on Kiwoom's site, not in the keys."""
    assert isinstance(codes.authentication_error(code, "x"), IPNotRegistered)


@pytest.mark.parametrize("code", ["8001", "8005", "8030", "8031", "8103", "3", ""])
def test_any_other_refusal_is_about_keys_or_token(code):
    """An unknown code is a refusal all the same."""
    assert type(codes.authentication_error(code, "x")) is AuthenticationError


@pytest.mark.parametrize("code", ["8030", "8031"])
def test_keys_of_the_other_mode_are_explained(code):
    """The commonest mistake: the keys of mock trading on the real server, or the other way round."""
    assert "real and demo keys differ" in str(codes.authentication_error(code, "투자구분이 다릅니다"))


def test_only_an_invalid_token_is_worth_a_new_one():
    """8001, 8030 and 8031 are misconfiguration: no number of new tokens helps."""
    assert {"8005", "8103"} == codes.REISSUE
    assert not codes.REISSUE & codes.NOT_REGISTERED


@pytest.mark.parametrize(
    ("code", "about"), [("1501", True), ("1700", True), ("1999", True), ("8005", False), ("3", False), ("", False)]
)
def test_codes_from_1501_to_1999_are_about_the_request(code, about):
    """Those must not tell a user that his keys are wrong."""
    assert codes.is_about_request(code) is about


@pytest.mark.parametrize(
    ("message", "limited"),
    [
        ("허용된 요청 개수를 초과하였습니다[1700:허용된 요청 개수를 초과하였습니다]", True),
        ("허용된 요청 개수를 초과하였습니다[유량=1, API ID=au10001]", True),
        ("허용된 요청 개수를 초과하였습니다[1634:유량]", False),
        ("인증에 실패했습니다[8005:Token이 유효하지 않습니다]", False),
    ],
)
def test_waiting_helps_only_against_the_rate_limit(message, limited):
    """1634 has the same words and means that one request asked for too much."""
    assert codes.is_rate_limit(message) is limited


KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"), min_size=4, max_size=60)


@given(st.text(), st.text(), st.lists(KEYS, min_size=1, max_size=3))
def test_no_secret_survives_scrubbing(before, after, secrets):
    """A server may echo what it was sent, in other letter case too."""
    echoes = " ".join(each for secret in secrets for each in (secret, secret.upper(), secret + secret))
    text = codes.scrubbed(f"{before}{echoes}{after}", secrets)
    assert not any(secret.casefold() in text.casefold() for secret in secrets if secret.isascii())


def test_a_secret_in_an_address_is_scrubbed():
    """An echo of a form or a query is percent-encoded."""
    assert codes.scrubbed("no key=a%2Fb%2Bc%3D here", ["a/b+c="]) == "no key=*** here"


def test_scrubbing_keeps_the_rest_on_one_line_and_short():
    """A message goes into a sentence."""
    assert codes.scrubbed(" 인증에\n실패했습니다\t[8005] ", ["", "secret"]) == "인증에 실패했습니다 [8005]"
    assert len(codes.scrubbed("x" * 10_000, ["secret"])) == 300
