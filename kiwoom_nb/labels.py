"""The words shown to a user, in Korean and English."""

from __future__ import annotations

import locale
import os
import re
from typing import Final

LANGUAGES: Final = ("ko", "en")

WORDS: Final = {
    # states of a stream
    "connecting": ("연결 중", "connecting"),
    "live": ("연결됨", "live"),
    "reconnecting": ("재연결 중", "reconnecting"),
    "kicked": ("다른 곳에서 접속됨", "another program took over"),
    "failed": ("실패", "failed"),
    "stopped": ("중지", "stopped"),
    "replaying": ("재생 중", "replaying"),
    "paused": ("일시정지", "paused"),
    "finished": ("재생 끝", "replay finished"),
    # servers
    "real": ("실전", "REAL"),
    "demo": ("모의", "demo"),
    # a replay
    "recording_of": ("녹화본 {name}", "recording {name}"),
    "of_events": ("이벤트 {count:,}/{total:,}건", "{count:,} of {total:,} events"),
    "virtual_time": ("가상 시각 {time}", "virtual time {time}"),
    # the rest of a state line
    "attempt": ("{count}회", "attempt {count}"),
    "events": ("이벤트 {count:,}건", "{count:,} events"),
    "no_events": ("아직 이벤트 없음 (04는 체결 때만 옵니다)", "no events yet (04 comes only on fills)"),
    "last_event": ("마지막 이벤트 {ago}", "last event {ago}"),
    "waiting": ("{count:,}건 대기", "{count:,} waiting"),
    "hint_sync": ("df.kn.sync()로 표시", "df.kn.sync() shows them"),
    "hint_wait": ("첫 이벤트까지 기다리려면 df.kn.wait()", "df.kn.wait() waits for the first"),
    "gaps": ("끊김 {count}번 (df.kn.gaps)", "gaps: {count} (df.kn.gaps)"),
    "rejected": ("읽지 못한 값 {count}건 (df.kn.rejected)", "rejected: {count} (df.kn.rejected)"),
    "only_filled": (
        "이 세션에서 체결된 종목만 (보유 종목을 읽지 못함: {reason})",
        "only what fills in this session (the holdings could not be read: {reason})",
    ),
    "recording": ("기록: {path}", "recording to {path}"),
    "recorded": ("기록됨: {path}", "recorded in {path}"),
    "not_recording": ("기록 안 함", "not recorded"),
    "recording_failed": ("⚠ 기록 실패: {reason}", "⚠ not being recorded: {reason}"),
    "stalled": (
        "⚠ 노트북이 {seconds:.0f}초 동안 멈춰 있었습니다: 오래 걸리는 계산에는 background=True를 쓰세요",
        "⚠ the notebook stood still for {seconds:.0f} s: for long computations use background=True",
    ),
    "not_fast": (
        "확장 fast를 쓸 수 없어 보통 방식으로 읽습니다 ({reason})",
        "the extra fast cannot be used, events are read the plain way ({reason})",
    ),
    "as_of": ("{time} 기준", "as of {time}"),
    "last_attempt": ("지난 시도: {reason}", "last attempt: {reason}"),
    "error_KickedOut": (
        "다른 프로그램이 같은 앱 키로 접속했습니다 (R10001). 그 프로그램을 끝내고 다시 실행하세요",
        "another program logged in with the same app key (R10001); stop it, then run the cell again",
    ),
    "error_IPNotRegistered": (
        "이 컴퓨터의 IP가 등록되어 있지 않습니다 (코드 {code}: {message}). 키움 REST API 사이트에 등록하세요",
        "this machine's address is not registered (code {code}: {message}); register it on the Kiwoom REST API site",
    ),
    "error_TokenNotAccepted": (
        "이 서버가 발급한 토큰이 아닙니다 (코드 {code}). server.token을 쓰세요",
        "this server did not issue that token (code {code}); take server.token",
    ),
    "error_AuthenticationError": (
        "키움이 인증을 거부했습니다 (코드 {code}: {message}). 앱 키와 시크릿 키, 실전/모의 구분을 확인하세요",
        "Kiwoom refused the credentials (code {code}: {message}); check the keys and the mode",
    ),
    "just_now": ("방금", "just now"),
    "seconds_ago": ("{count}초 전", "{count} s ago"),
    "minutes_ago": ("{count}분 전", "{count} min ago"),
    "hours_ago": ("{count}시간 전", "{count} h ago"),
}

_KOREAN: Final = re.compile(r"korean|ko\b|ko_", re.IGNORECASE)  # Windows says Korean_Korea; kok is Konkani
_chosen: str | None = None


def set_language(language: str) -> None:
    """Show words in Korean or English from now on: state lines, dashboards, figures.

    Parameters
    ----------
    language
        ``"ko"`` or ``"en"``; before this is called, the locale decides.

    Raises
    ------
    ValueError
        It is neither.
    """
    global _chosen  # noqa: PLW0603 - one language a process, as the locale is
    if language not in LANGUAGES:
        raise ValueError(f'language must be "ko" or "en", not {language!r}.')
    _chosen = language


def language() -> str:
    """Return the language chosen, else Korean where the locale is Korean, else English."""
    if _chosen:
        return _chosen
    named = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or _system_locale()
    return "ko" if _KOREAN.match(named) else "en"


def _system_locale() -> str:
    try:
        return locale.getlocale()[0] or ""
    except ValueError:  # macOS has locales that Python does not know
        return ""


def say(word: str, **values: object) -> str:
    """Return ``word`` in the language of the user, with ``values`` put in."""
    return WORDS[word][LANGUAGES.index(language())].format(**values)


def ago(seconds: float) -> str:
    """Return how long ago something was, in the largest unit that fits."""
    if seconds < 1:
        return say("just_now")
    for word, unit in (("hours_ago", 3600), ("minutes_ago", 60), ("seconds_ago", 1)):
        if seconds >= unit:
            return say(word, count=int(seconds // unit))
    return say("just_now")
