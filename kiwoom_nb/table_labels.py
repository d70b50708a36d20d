"""The columns and the words of the positions table, in Korean and English."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from .labels import LANGUAGES, language
from .labels import WORDS as STATE_WORDS
from .schema import FIELDS


class Column(NamedTuple):
    """A column of the table; ``kind`` says how its cells are written, ``always`` that it is there unasked."""

    name: str
    kind: str
    ko: str
    en: str
    always: bool


_FIELD_LABELS: Final = {field.column: (field.ko, field.en) for field in FIELDS}


def _field(name: str, kind: str, always: bool) -> Column:
    """Return a column that is called as its field is."""
    return Column(name, kind, *_FIELD_LABELS[name], always)


COLUMNS: Final = (
    _field("name", "name", True),
    _field("symbol", "text", True),
    _field("quantity", "count", True),
    _field("average_price", "won", True),
    _field("price", "price", True),
    Column("day_change", "change", "전일대비", "Day change", True),
    Column("market_value", "won", "평가금액", "Market value", True),
    Column("unrealized_pnl", "pnl", "평가손익", "Unrealized P&L", True),
    Column("unrealized_pnl_pct", "return", "수익률", "Return", True),
    Column("weight", "share", "비중", "Weight", True),
    Column("realized_pnl_today", "pnl", "실현손익", "Realized P&L", True),
    Column("updated_at", "time", "마지막 갱신", "Updated", True),
    Column("orderable_quantity", "count", "매도가능", "Orderable", False),
    _field("credit_type", "credit", False),
    _field("loan_date", "date", False),
    Column("break_even_price", "won", "손익분기가", "Break-even", False),
    Column("cost", "won", "매입금액", "Cost", False),
    Column("account", "text", "계좌", "Account", False),
)
"""In the order of the table; ``always`` of an added one is False: the column chooser offers it."""

SHOWN: Final = tuple(column.name for column in COLUMNS if column.always)

WORDS: Final = {
    "caption": ("보유 종목", "Positions"),
    "together": ("현금·신용 합쳐 보기", "Cash and credit together"),
    "closed": ("청산 종목 ({count})", "Closed ({count})"),
    "choose_columns": ("열 선택", "Columns"),
    "total": ("합계", "Total"),
    "positions": ("{count}종목", "{count} positions"),
    "closed_included": ("청산 {count}종목 포함", "with {count} closed"),
    "unknown_left_out": ("모르는 {count}종목 제외", "without {count} unknown"),
    "lots": ("{count}건 합산", "{count} lots"),
    "empty": ("보유 종목이 없습니다", "Nothing is held"),
    "no_kernel": ("커널이 응답하면 표시됩니다", "Shown once the kernel answers"),
    "stale": ("⚠ 확인 안 됨", "⚠ unconfirmed"),
    "stale_why": (
        "연결이 끊긴 뒤로 확인되지 않았거나 놓친 체결이 있습니다",
        "Not confirmed since the line was down, or fills were missed",
    ),
    "price_fill": ("{ago} 체결가", "filled {ago}"),
    "price_account": ("{ago} 계좌 조회", "asked {ago}"),
    "price_user": ("직접 입력", "your own price"),
    "days_ago": ("{count}일 전", "{count} d ago"),
    "credit_00": ("현금", "Cash"),
    "credit_03": ("융자", "Loan"),
    "credit_99": ("융자합", "All loans"),
    "mixed": ("현금·신용", "Cash and loans"),
    "not_drawn": ("표를 그리지 못했습니다: {reason}", "The table could not be drawn: {reason}"),
}

_AGES: Final = ("just_now", "seconds_ago", "minutes_ago", "hours_ago")


def say(word: str, **values: object) -> str:
    """Return ``word`` in the language of the user, with ``values`` put in."""
    return WORDS[word][LANGUAGES.index(language())].format(**values)


def label(column: Column) -> str:
    """Return what ``column`` is called in the language of the user."""
    return column.ko if language() == "ko" else column.en


def page_words() -> dict[str, Any]:
    """Return all that the page needs to speak the language of the user; ``{count}`` and the like it fills in."""
    place = LANGUAGES.index(language())
    words = {word: both[place] for word, both in WORDS.items()}
    ages = {word: STATE_WORDS[word][place] for word in _AGES}
    columns = [{"name": column.name, "kind": column.kind, "label": label(column)} for column in COLUMNS]
    return {**words, **ages, "language": language(), "columns": columns}
