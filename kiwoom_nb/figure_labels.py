"""The words of the figures, in Korean and English."""

from __future__ import annotations

from typing import Final

from .labels import LANGUAGES, language
from .schema import FIELDS

WORDS: Final = {
    # titles
    "realized_pnl": ("당일 실현손익", "Realized P&L of the day"),
    "by_symbol": ("종목별 실현손익", "Realized P&L by symbol"),
    "by_account": ("계좌별 실현손익", "Realized P&L by account"),
    "by_credit": ("현금·신용 실현손익", "Realized P&L, cash/credit"),
    "positions": ("종목별 평가손익", "Unrealized P&L"),
    "allocation": ("보유 비중", "Allocation"),
    "fills": ("체결 내역", "Fills"),
    "drawdown": ("실현손익 낙폭", "Drawdown"),
    "day": ("{date} 손익", "P&L of {date}"),
    # lines, bars and markers
    "total": ("합계", "Total"),
    "cash": ("현금", "Cash"),
    "credit": ("신용", "Credit"),
    "others": ("그 외 {count}종목", "Others ({count})"),
    "buy": ("매수", "Buy"),
    "sell": ("매도", "Sell"),
    "uncertain": ("불확실 (속 빈 표시)", "Uncertain (hollow)"),
    "realized": ("실현손익", "Realized"),
    "unrealized": ("평가손익", "Unrealized"),
    "fees": ("수수료", "Fees"),
    "tax": ("세금", "Tax"),
    "net": ("순손익", "Net"),
    "gap": ("끊김 {span}", "down {span}"),
    "deepest": ("최대 {amount}", "deepest {amount}"),
    # what a hover tells
    "time": ("시각", "Time"),
    "amount": ("체결금액", "Amount"),
    "fill_price": ("체결가", "Fill price"),
    "fill_quantity": ("체결수량", "Quantity"),
    "last_price": ("체결가를 알 수 없어 현재가를 표시", "fill price not known, shown at the last price"),
    "market_value": ("평가금액", "Market value"),
    "unrealized_pnl": ("평가손익", "Unrealized P&L"),
    "return": ("수익률", "Return"),
    "weight": ("비중", "Weight"),
    "shares": ("{count:,}주", "{count:,} shares"),
    "price_fill": ("체결가", "last fill"),
    "price_account": ("계좌 조회", "account query"),
    "price_user": ("직접 입력", "given"),
    "stale": ("⚠ 끊김 뒤로 확인되지 않음", "⚠ not confirmed since the line was down"),
    # notes under a title
    "only_filled": ("이 세션에서 체결된 종목만", "Only what filled in this session"),
    "some_stale": ("⚠ 끊김 뒤로 확인되지 않은 종목", "⚠ not confirmed since the line was down"),
    "unpriced": ("평가금액을 알 수 없는 {count}종목 제외", "Without {count} whose market value is not known"),
    "unknown_amounts": (
        "금액을 알 수 없는 체결 {count:,}건은 수수료와 세금에 빠져 있습니다",
        "Fees and tax are without {count:,} fills whose amount is not known",
    ),
    "assumed": (
        "시장을 모르는 종목의 세금은 코스피 주식으로 계산 (Costs(market=...))",
        "Tax as of KOSPI shares where the market is not given (Costs(market=...))",
    ),
    "some_symbols": ("체결금액 상위 {shown}종목 (전체 {total}종목)", "The {shown} most traded of {total} symbols"),
    "thinned": ("{total:,}건 중 {shown:,}건 표시", "{shown:,} of {total:,} shown"),
    # nothing to show
    "no_fills": ("아직 체결이 없습니다", "No fills yet"),
    "no_fills_of": ("{symbol}: 체결이 없습니다", "No fills of {symbol}"),
    "no_positions": ("보유 종목이 없습니다", "Nothing is held"),
    "no_events_on": ("{date}에는 이벤트가 없습니다", "No events on {date}"),
    # how sure a fill is: fills.CONFIDENCES and fills.REASONS
    "exact": ("정확", "exact"),
    "merged": ("여러 체결의 합", "several fills as one"),
    "first": ("첫 이벤트", "first event"),
    "contradictory": ("값이 서로 맞지 않음", "contradictory"),
}

REASONS: Final = {
    "": "",
    "at an average price: several fills that were told as one": "평균 단가: 여러 체결이 한 건으로 왔습니다",
    "the line was down before it": "그 앞에 연결이 끊겨 있었습니다",
    "seen when the account was asked": "계좌를 조회했을 때 확인되었습니다",
    "the first event of the position: what was held before is not known": (
        "이 종목의 첫 이벤트라 그 전의 보유를 모릅니다"
    ),
    "the account query before it may have told it already": "그 앞의 계좌 조회에 이미 들어 있을 수 있습니다",
    "what was realized before is not known": "그 전의 실현손익을 모릅니다",
    "side, quantity, cost and realized P&L do not agree on one fill": (
        "매매구분, 수량, 매입금액, 실현손익이 체결 한 건으로 설명되지 않습니다"
    ),
}
"""``fills.REASONS`` in Korean."""

_COLUMNS: Final = {field.column: (field.ko, field.en) for field in FIELDS}


def say(word: str, **values: object) -> str:
    """Return ``word`` in the language of the user, with ``values`` put in."""
    return WORDS[word][LANGUAGES.index(language())].format(**values)


def column(name: str) -> str:
    """Return what a column of a frame is called."""
    return _COLUMNS[name][LANGUAGES.index(language())]


def reason(text: str) -> str:
    """Return one of ``fills.REASONS`` in the language of the user."""
    return REASONS[text] if language() == "ko" else text
