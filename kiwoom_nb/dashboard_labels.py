"""The words of the dashboard, in Korean and English."""

from __future__ import annotations

from typing import Final

from .labels import LANGUAGES, language

WORDS: Final = {
    # the head
    "unrealized": ("평가손익", "Unrealized P&L"),
    "realized": ("당일 실현손익", "Realized P&L today"),
    "value": ("총평가금액", "Market value"),
    "gross": ("수수료·세금 전", "before fee and tax"),
    "last_event": ("마지막 이벤트 {ago}", "last event {ago}"),
    "no_event": ("아직 이벤트 없음", "no event yet"),
    "explanation": (
        "04는 체결될 때만 옵니다. 시세가 움직여도 이벤트는 없으므로, 조용하다고 끊긴 것이 아닙니다.",
        "04 comes only on fills, not when a price moves: silence does not mean that the line is down.",
    ),
    "virtual_time": ("가상 시각 {time}", "virtual time {time}"),
    "events": ("이벤트 {count:,}건", "{count:,} events"),
    "gaps": ("끊김 {count}번", "gaps: {count}"),
    "rejected": ("읽지 못한 값 {count}건", "rejected: {count}"),
    "recording": ("● 기록 중", "● recording"),
    "not_recording": ("기록 안 함", "not recorded"),
    "recording_failed": ("⚠ 기록 실패: {reason}", "⚠ not being recorded: {reason}"),
    "waiting": ("표시 멈춤 · {count:,}건 대기", "display held · {count:,} waiting"),
    "attempt": ("{state} {count}회", "{state}, attempt {count}"),
    "only_filled": (
        "이 세션에서 체결된 종목만 보입니다. 처음 보유한 종목은 읽지 못했습니다.",
        "Only what filled in this session: what was held before is not known.",
    ),
    "stale": (
        "연결이 끊긴 뒤로 확인되지 않은 종목이 {count}개 있습니다.",
        "positions not confirmed since the line was down: {count}",
    ),
    "missed": ("끊긴 사이에 바뀐 잔고 {count}개", "positions changed while the line was down: {count}"),
    "seconds": ("{{count}}초 전", "{{count}} s ago"),
    "minutes": ("{{count}}분 전", "{{count}} min ago"),
    "hours": ("{{count}}시간 전", "{{count}} h ago"),
    # which kind of line
    "mode_real": ("실전", "REAL"),
    "mode_demo": ("모의", "DEMO"),
    "mode_replay": ("재생 · {name}", "REPLAY · {name}"),
    "mode_recorded": ("녹화본", "RECORDED"),
    "mode_other": ("연습 서버", "OTHER SERVER"),
    # tabs and buttons
    "tab_pnl": ("실현손익", "Realized"),
    "tab_positions": ("평가손익", "Unrealized"),
    "tab_allocation": ("비중", "Allocation"),
    "tab_fills": ("체결", "Fills"),
    "view": ("보기", "Show"),
    "view_total": ("전체 흐름", "Total over time"),
    "view_symbol": ("종목별", "By symbol"),
    "view_credit": ("현금·신용", "Cash and credit"),
    "view_drawdown": ("낙폭", "Drawdown"),
    "view_day": ("하루 손익 (비용 뺀 뒤)", "The day, after costs"),
    "pause": ("화면 멈춤", "Hold display"),
    "resume": ("화면 계속", "Go on"),
    "stop": ("수신 중지", "Stop"),
    "end": ("재생 끝내기", "End replay"),
    "export": ("내보내기", "Export"),
    "exported": ("{path}에 저장했습니다", "saved as {path}"),
    "refused": ("실패: {reason}", "failed: {reason}"),
    # the tape
    "time": ("시각", "time"),
    "name": ("종목명", "name"),
    "side": ("구분", "side"),
    "buy": ("▲ 매수", "▲ buy"),
    "sell": ("▼ 매도", "▼ sell"),
    "quantity": ("수량", "quantity"),
    "price": ("단가", "price"),
    "amount": ("금액", "amount"),
    "pnl": ("실현손익", "realized"),
    "certainty": ("확실도", "certainty"),
    "exact": ("정확", "exact"),
    "merged": ("여러 건", "merged"),
    "gap": ("끊김 뒤", "after a gap"),
    "first": ("첫 이벤트", "first event"),
    "contradictory": ("모순", "contradictory"),
    "no_fills": ("아직 체결이 없습니다", "no fills yet"),
    # the transport bar
    "bar": ("재생 조작", "Replay controls"),
    "play": ("재생 (스페이스)", "play (space)"),
    "hold": ("일시정지 (스페이스)", "pause (space)"),
    "begin": ("처음으로 (Home)", "to the beginning (Home)"),
    "back": ("한 건 뒤로 (←)", "one event back (←)"),
    "forward": ("한 건 앞으로 (→)", "one event on (→)"),
    "scrub": ("위치", "position"),
    "speed": ("속도", "speed"),
    "next_fill": ("다음 체결로", "to the next fill"),
    "next_fill_short": ("다음 체결", "next fill"),
    "drawdown": ("가장 큰 낙폭으로", "to the largest drawdown"),
    "drawdown_short": ("최대 낙폭", "drawdown"),
    "all_at_once": ("최대", "max"),
}


def say(word: str, **values: object) -> str:
    """Return ``word`` in the language of the user, with ``values`` put in."""
    return WORDS[word][LANGUAGES.index(language())].format(**values)
