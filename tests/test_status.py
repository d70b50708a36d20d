from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kiwoom_nb.errors import AuthenticationError, IPNotRegistered, KickedOut, TokenNotAccepted
from kiwoom_nb.labels import set_language
from kiwoom_nb.recording import KST
from kiwoom_nb.status import Status

NOW = datetime(2026, 11, 20, 10, 30, tzinfo=KST)
LIVE = {"server": "demo", "background": False, "state": "live", "as_of": NOW}


def told(language, **values):
    set_language(language)
    return str(Status(**{**LIVE, **values}))


@pytest.mark.parametrize(
    ("values", "korean", "english"),
    [
        ({"state": "connecting"}, "◌ 연결 중", "◌ connecting"),
        ({"state": "connecting", "attempt": 3}, "◌ 연결 중 3회", "◌ connecting attempt 3"),
        ({}, "● 연결됨", "● live"),
        ({"paused": True}, "● 연결됨, 일시정지", "● live, paused"),
        ({"attempt": 3}, "● 연결됨", "● live"),
        ({"state": "reconnecting", "attempt": 1}, "◐ 재연결 중 1회", "◐ reconnecting attempt 1"),
        ({"state": "kicked"}, "■ 다른 곳에서 접속됨", "■ another program took over"),
        ({"state": "failed"}, "■ 실패", "■ failed"),
        ({"state": "stopped"}, "■ 중지", "■ stopped"),
        ({"state": "replaying"}, "▶ 재생 중", "▶ replaying"),
        ({"state": "paused"}, "‖ 일시정지", "‖ paused"),
        ({"state": "finished"}, "■ 재생 끝", "■ replay finished"),
    ],
)
def test_each_state_has_words_in_both_languages(values, korean, english):
    """A line begins with a sign and the state; the number of the attempt only while there is one."""
    assert told("ko", **values).split(" · ")[0] == korean
    assert told("en", **values).split(" · ")[0] == english


@pytest.mark.parametrize(
    ("server", "korean", "english"),
    [("real", "실전", "REAL"), ("demo", "모의", "demo"), ("127.0.0.1-8765", "127.0.0.1-8765", "127.0.0.1-8765")],
)
def test_the_server_is_named_so_that_nobody_takes_one_for_the_other(server, korean, english):
    """Real and demo have words; any other is host and port."""
    assert told("ko", server=server).split(" · ")[1] == korean
    assert told("en", server=server).split(" · ")[1] == english


def test_a_live_line_says_how_many_when_and_where_recorded():
    """The whole line, in both languages."""
    values = {"events": 12345, "last_event_at": NOW - timedelta(seconds=75), "journal": Path("/data/x.jsonl")}
    assert told("ko", **values) == "● 연결됨 · 모의 · 이벤트 12,345건 · 마지막 이벤트 1분 전 · 기록: /data/x.jsonl"
    assert told("en", **values) == "● live · demo · 12,345 events · last event 1 min ago · recording to /data/x.jsonl"


def test_an_empty_frame_says_why_and_offers_the_wait():
    """Run All: the next cell runs before the first event. An ended stream offers no wait."""
    assert "아직 이벤트 없음 (04는 체결 때만 옵니다) · 첫 이벤트까지 기다리려면 df.kn.wait()" in told("ko")
    assert "no events yet (04 comes only on fills) · df.kn.wait() waits for the first" in told("en")
    assert "df.kn.wait()" not in told("en", state="stopped")


def test_what_waits_to_be_shown_is_told_with_how_to_show_it():
    """In a script nothing moves by itself."""
    assert "3건 대기 (df.kn.sync()로 표시)" in told("ko", events=3, waiting=3)
    assert "3 waiting (df.kn.sync() shows them)" in told("en", events=3, waiting=3)


def test_gaps_rejects_and_a_failing_journal_are_told():
    """Each with where to look."""
    values = {"events": 9, "gaps": 2, "rejected": 5, "journal": Path("/x"), "journal_error": "No space left on device"}
    assert "끊김 2번 (df.kn.gaps) · 읽지 못한 값 5건 (df.kn.rejected) · ⚠ 기록 실패: No space" in told("ko", **values)
    assert "gaps: 2 (df.kn.gaps) · rejected: 5 (df.kn.rejected) · ⚠ not being recorded: No space" in told(
        "en", **values
    )
    assert told("en").endswith("not recorded")
    assert told("ko").endswith("기록 안 함")


def test_holdings_that_are_not_to_be_had_are_told_and_others_are_not():
    """As long as nobody knows, and once they are read, there is nothing to say."""
    reason = "the server does not offer kt00018"
    assert f" · 이 세션에서 체결된 종목만 (보유 종목을 읽지 못함: {reason}) · 기록" in told("ko", holdings=reason)
    assert f" · only what fills in this session (the holdings could not be read: {reason}) · " in told(
        "en", holdings=reason
    )
    assert told("en") == told("en", holdings="read")
    assert "only what fills" not in told("en")


def test_the_reason_is_told_while_there_is_no_line_and_the_error_after_the_end():
    """What is over is not told any more."""
    assert told("en", state="reconnecting", reason="gone").endswith(" · last attempt: gone")
    assert told("en", state="connecting", reason="gone").endswith(" · last attempt: gone")
    assert "gone" not in told("en", reason="gone")
    assert "(R10001); stop it" in told("en", state="kicked", error=KickedOut("demo"))
    assert told("en", state="failed", error=RuntimeError("a bug")).endswith(" · a bug")


def test_what_ended_a_stream_is_told_in_the_language_of_the_user():
    """The exception says it in full; the line says what to do, in Korean where Korean was asked for."""
    refused = AuthenticationError("8030", "투자구분이 달라서 Appkey를 사용할수가 없습니다")
    assert "키움이 인증을 거부했습니다 (코드 8030: 투자구분이" in told("ko", state="failed", error=refused)
    assert "등록하세요" in told("ko", state="failed", error=IPNotRegistered("8050", "x"))
    assert "server.token" in told("ko", state="failed", error=TokenNotAccepted("8005", "x"))
    assert "다른 프로그램이 같은 앱 키로" in told("ko", state="kicked", error=KickedOut("demo"))


def test_a_stall_is_told_once_with_what_to_do_and_only_where_that_helps():
    """A stream on a thread is not advised to go to a thread."""
    assert told("ko", stalled_for=12.4).endswith(
        "⚠ 노트북이 12초 동안 멈춰 있었습니다: 오래 걸리는 계산에는 background=True를 쓰세요"
    )
    assert told("en", stalled_for=12.4).count("stood still for 12 s") == 1
    assert "stood still" not in told("en", stalled_for=12.4, background=True)


def test_a_path_in_the_home_folder_is_shown_without_the_name_of_the_user():
    """Notebooks are shared with their outputs."""
    line = told("en", journal=Path.home() / "journals" / "x.jsonl")
    assert line.endswith("recording to ~/journals/x.jsonl")


def test_a_machine_without_a_home_folder_shows_the_path(monkeypatch):
    """Some containers have none."""

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert told("en", journal=Path("/data/x.jsonl")).endswith("recording to /data/x.jsonl")


@pytest.mark.parametrize("state", ["kicked", "failed", "stopped", "finished"])
def test_an_ended_source_says_so(state):
    """Nothing will arrive any more."""
    assert Status("demo", background=False, state=state).ended


@pytest.mark.parametrize("state", ["connecting", "live", "reconnecting", "replaying", "paused"])
def test_any_other_source_has_not_ended(state):
    """A replay that is paused goes on."""
    assert not Status("demo", background=False, state=state).ended
