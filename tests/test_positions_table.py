import json
import re
from html.parser import HTMLParser
from pathlib import Path

import frames
import pandas as pd
import pytest
from days import fed
from hypothesis import given, settings
from hypothesis import strategies as st
from traitlets import TraitError

import kiwoom_nb as kn
from kiwoom_nb import labels, table_labels
from kiwoom_nb.positions import positions
from kiwoom_nb.positions_table import PositionsTable
from kiwoom_nb.table_html import cells_of
from kiwoom_nb.table_rows import FIELDS, TableRows, rows_of

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def shown(*entries, closed=True):
    """Return the positions after these entries of a synthetic account."""
    return positions(fed(*entries).frame(), closed)


def held(symbol="005930", quantity=10, price=60000, **fids):
    """Return an entry that tells a holding."""
    numbers = {"f930": quantity, "f932": None if quantity is None else quantity * 50000, "f10": price, "f933": quantity}
    texts = {name: None if number is None else str(number) for name, number in numbers.items()}
    return frames.entry(**{"f9001": symbol, **texts, **fids})


@pytest.fixture
def oddities():
    """The positions of the sample with two accounts and loan lots."""
    return kn.load("sample:oddities").kn.positions(closed=True)


@pytest.fixture
def table():
    """A table whose messages are kept, as JSON would carry them."""
    table = PositionsTable()
    table.sent = []
    table.send = lambda content, *_: table.sent.append(json.loads(json.dumps(content)))
    return table


def resend(table):
    """Ask for everything, as a page does; return the answer."""
    table._handle_custom_msg({"kind": "resend"}, [])
    return table.sent.pop()


class Page:
    """What the page does with messages: the rows in order, as lists of cells."""

    def __init__(self, told):
        self.number = told["number"]
        self.fields = told["fields"]
        self.rows = {number: cells for number, *cells in told["rows"]}

    def hear(self, told):
        assert told["number"] == self.number + 1
        self.number = told["number"]
        for number in told.get("removed", []):
            del self.rows[number]
        for number, *cells in told.get("added", []):
            assert number not in self.rows
            self.rows[number] = cells
        for number, cells in told.get("changed", []):
            for name, value in cells.items():
                place = self.fields.index(name)
                assert self.rows[number][place] != value
                self.rows[number][place] = value
        if "order" in told:
            assert told["order"] != list(self.rows)
            self.rows = {number: self.rows[number] for number in told["order"]}


# --- what travels --------------------------------------------------------------------------------------------------

SYMBOLS = ("005930", "000660", "0004V0")
STATES = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(SYMBOLS),
            st.sampled_from(["00", "03"]),
            st.sampled_from([0, 5, 10, None]),
            st.sampled_from([49900, 50000]),
        ),
        max_size=4,
        unique_by=lambda row: row[:2],
    ),
    max_size=6,
)


def table_of(states):
    """Return positions in the order given; of none, none."""
    loans = {"00": "00000000", "03": "20261002"}
    entries = [held(symbol, quantity, price, f917=kind, f916=loans[kind]) for symbol, kind, quantity, price in states]
    return positions(fed(*entries).frame(), closed=True)


@settings(deadline=None, max_examples=20)
@given(STATES)
def test_what_the_page_makes_of_the_changes_is_the_table(sequence):
    """Rows come, go, change and change places; nothing is sent that is not new, and all that is new is sent."""
    rows = TableRows()
    page = Page({**json.loads(json.dumps(rows.all())), "number": 0})
    for states in sequence:
        told = table_of(states)
        change = json.loads(json.dumps(rows.change(told)))
        page.hear({**change, "number": page.number + 1})
        assert list(page.rows.values()) == json.loads(json.dumps(rows_of(told)))
        assert rows.change(told) == {}
        assert [[number, *cells] for number, cells in page.rows.items()] == json.loads(json.dumps(rows.all()["rows"]))


def test_a_fill_sends_the_cells_of_its_row_and_no_others(table):
    """A refresh costs what changed, however much is held."""
    before = [held(symbol) for symbol in SYMBOLS]
    table.show(shown(*before))
    table.show(shown(*before, held("000660", 12, 61000)))
    (number, cells), *others = table.sent[-1]["changed"]
    assert others == []
    assert table.sent[0]["added"][number][1 + FIELDS.index("symbol")] == "000660"
    assert {"quantity", "price", "market_value", "unrealized_pnl", "updated_at"} <= set(cells)
    assert cells["quantity"] == 12
    assert not {"symbol", "name", "account", "base_price", "average_price", "stale"} & set(cells)
    assert set(table.sent[-1]) == {"kind", "number", "now", "ticks", "changed"}


def test_where_nothing_changed_nothing_is_sent(table, oddities):
    """A stream that is quiet costs nothing."""
    table.show(oddities)
    table.show(oddities.copy())
    assert len(table.sent) == 1


def test_messages_are_numbered_without_a_hole(table):
    """The page knows by the number that it missed one."""
    for quantity in range(1, 5):
        table.show(shown(held(quantity=quantity)))
    assert [told["number"] for told in table.sent] == [1, 2, 3, 4]


def test_a_page_that_opens_late_is_told_everything_at_once(table, oddities):
    """Reopened, or after a message was dropped: one message, from which the changes go on."""
    table.show(oddities.iloc[:5])
    table.show(oddities)
    told = resend(table)
    page = Page(told)
    assert (told["kind"], told["number"], len(page.rows)) == ("all", 2, len(oddities))
    assert list(page.rows.values()) == json.loads(json.dumps(rows_of(oddities)))
    table.show(oddities.iloc[3:])
    page.hear(table.sent[-1])
    assert list(page.rows.values()) == json.loads(json.dumps(rows_of(oddities.iloc[3:])))


def test_another_word_of_a_page_is_not_answered(table):
    """Only the one that there is."""
    table._handle_custom_msg({"kind": "hello"}, [])
    table._handle_custom_msg("resend", [])
    assert table.sent == []


def test_a_virtual_clock_is_told_when_ages_change(table, oddities):
    """In a replay prices grow old though nothing fills; the page's own clock must not tick then."""
    start = pd.Timestamp("2026-11-20 15:00", tz="Asia/Seoul")
    table.show(oddities, now=start)
    table.show(oddities, now=start + pd.Timedelta("1s"))
    table.show(oddities, now=start + pd.Timedelta("10s"))
    assert [(told["now"], told["ticks"]) for told in table.sent] == [
        (int(start.timestamp() * 1000), False),
        (int(start.timestamp() * 1000) + 10_000, False),
    ]
    table.show(oddities)
    assert table.sent[-1]["ticks"] is True


def test_200_positions_that_all_change_are_one_message_of_modest_size(table):
    """Ten a second travel easily."""
    symbols = [f"{number:06}" for number in range(200)]
    table.show(shown(*(held(symbol) for symbol in symbols)))
    table.show(shown(*(held(symbol, 11, 60100) for symbol in symbols)))
    assert len(table.sent[-1]["changed"]) == 200
    assert len(json.dumps(table.sent[-1])) < 60_000
    assert len(json.dumps(resend(table))) < 60_000


# --- what never travels ---------------------------------------------------------------------------------------------


def test_no_account_number_is_in_anything_that_is_sent_or_saved(table):
    """A masked frame gives masked positions, and no trait holds a position at all."""
    masked = kn.load("sample:oddities").kn.positions(closed=True)
    numbers = set(kn.load("sample:oddities", mask_accounts=False)["account"].astype(str))
    table.show(masked)
    state = json.dumps(table.get_state(), default=str)
    everything = json.dumps([*table.sent, resend(table)]) + state + table.html() + table.text()
    assert all(re.fullmatch(r"\d{8,}", number) for number in numbers)
    assert not [number for number in numbers if number in everything]
    assert masked["account"].iloc[0] in everything
    assert masked["account"].iloc[0] not in state
    assert "삼성전자" not in state


# --- the traits -----------------------------------------------------------------------------------------------------


def test_the_language_can_change_while_the_table_lives(table, oddities):
    """kn.set_language is heeded by what is drawn next."""
    assert table.words["total"] == "Total"
    labels.set_language("ko")
    table.show(oddities)
    assert table.words["total"] == "합계"
    assert [column["label"] for column in table.words["columns"]][:3] == ["종목명", "종목코드", "보유수량"]


@pytest.mark.parametrize("word", [*table_labels.WORDS])
def test_each_word_is_there_in_both_languages_with_the_same_blanks(word):
    """Korean is Korean, English is not."""
    korean, english = table_labels.WORDS[word]
    assert re.findall(r"\{\w+\}", korean) == re.findall(r"\{\w+\}", english)
    assert re.search(r"[가-힣]", korean)
    assert not re.search(r"[가-힣]", english)


def test_no_word_hides_another():
    """The page gets them in one object."""
    words = table_labels.page_words()
    assert {"language", "columns", "just_now"}.isdisjoint(table_labels.WORDS)
    assert len(words) == len(table_labels.WORDS) + 6


def test_each_word_that_the_page_asks_for_is_there():
    """A word that is missing would read undefined."""
    script = Path(PositionsTable._esm._path).read_text("utf-8")
    asked = set(re.findall(r"words\.(\w+)", script))
    assert len(asked) > 10
    assert asked <= set(table_labels.page_words())


@pytest.mark.parametrize("choice", [{"colors": "red"}, {"columns": ["price_at"]}])
def test_a_choice_that_there_is_not_is_refused(choice):
    """With the ones that there are."""
    with pytest.raises(TraitError, match=r"korea|account"):
        PositionsTable(**choice)


def test_what_cannot_be_drawn_is_said_under_the_table_and_not_raised(table, oddities):
    """The stream goes on; the next good table takes the sentence away."""
    table.show(oddities.drop(columns="price"))
    assert table.error == "The table could not be drawn: KeyError: 'price'"
    table.show(oddities)
    assert table.error == ""
    assert len(table.sent) == 1


# --- without a kernel -----------------------------------------------------------------------------------------------


class Cells(HTMLParser):
    """The texts of the cells of a table, row by row, and the names of all tags."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags, self.rest = [], set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag == "small":
            self.handle_data("|")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_the_static_table_says_what_the_live_one_says(table, oddities):
    """Same columns, same order, same formats, a total, the note; no script."""
    table.show(oddities)
    table.note = "Only what <filled>"
    page = Cells(table.html())
    assert "script" not in page.tags
    assert page.rows[0] == [
        *["Name", "Symbol", "Quantity", "Average price", "Price", "Day change", "Market value", "Unrealized P&L"],
        *["Return", "Weight", "Realized P&L", "Updated"],
    ]
    assert len(page.rows) == 2 + (oddities["quantity"] != 0).sum()
    assert page.rows[1] == [
        *["삼성전자|xxxxxx1111", "005930", "359", "₩106,673", "₩90,900|filled 18:37", "▼ -₩1,400|-1.52%"],
        *["₩32,633,100", "▼ -₩5,662,403", "-14.79%", "18.76%", "₩0", "11-20 18:37:10"],
    ]
    pnl, realized = oddities["unrealized_pnl"].sum(), oddities["realized_pnl_today"].sum()
    total = dict(zip(page.rows[0], page.rows[-1], strict=True))
    assert total["Name"] == "Total|22 positions"
    assert total["Unrealized P&L"] == f"▲ +₩{pnl:,}"
    assert total["Return"] == f"{100 * pnl / oddities['cost'].sum():+.2f}%"
    assert total["Realized P&L"] == f"▲ +₩{realized:,}|with 7 closed"
    assert "Only what &lt;filled&gt;" in table.html()


def test_the_static_table_keeps_what_was_chosen_in_the_page(table, oddities):
    """Columns, closed positions and order; ties keep the order of first sight, what is unknown comes last."""
    table.show(oddities)
    table.closed, table.columns, table.sort = True, ["name", "quantity", "loan_date"], ["quantity", "descending"]
    page = Cells(table.html())
    assert page.rows[0] == ["Name", "Quantity", "Loan date"]
    wanted = oddities.sort_values("quantity", ascending=False, kind="stable")
    assert [row[1] for row in page.rows[1:-1]] == [f"{quantity:,}" for quantity in wanted["quantity"]]
    assert [row[0].partition("|")[0] for row in page.rows[1:-1]] == list(wanted["name"])
    table.sort = ["loan_date", "ascending"]
    days = [row[2] for row in Cells(table.html()).rows[1:-1]]
    known = [day for day in days if day != "–"]
    assert days == sorted(known) + ["–"] * (len(days) - len(known))


def test_what_is_not_known_is_a_dash_and_is_left_out_of_the_sums(table):
    """An unknown number is not zero."""
    table.show(shown(held("005930", 10, 60000), held("000660", 5, None)))
    page = Cells(table.html())
    rows = [dict(zip(page.rows[0], row, strict=True)) for row in page.rows[1:]]
    assert (rows[1]["Price"], rows[1]["Market value"], rows[1]["Unrealized P&L"]) == ("–", "–", "–")
    assert rows[2]["Market value"] == "₩600,000|without 1 unknown"
    assert rows[2]["Return"] == "+20.00%"


def test_stale_rows_are_marked(table, oddities):
    """The line was down since: the price is not to be trusted."""
    table.show(oddities.assign(stale=True).head(1))
    row = Cells(table.html()).rows[1]
    assert row[4] == "₩90,900|⚠ filled 18:37"
    assert row[-1] == "11-20 18:37:10|⚠ unconfirmed"


def test_a_price_of_the_users_own_has_no_age(table):
    """It is as old as its owner knows."""
    frame = fed(held()).frame()
    told = positions(frame, prices={"005930": 70000})
    assert cells_of(told, table_labels.COLUMNS[4]) == ["₩70,000\nyour own price"]


def test_an_empty_table_says_so_in_all_its_forms(table):
    """Before the first event, and when all is sold."""
    assert "Nothing is held" in table.html()
    assert table.text() == "Nothing is held"
    table.show(shown(held(quantity=0)))
    assert "Nothing is held" in table.html()
    assert len(Cells(table.html()).rows) == 1


def test_the_bundle_is_readable_without_a_kernel(table, oddities):
    """A notebook that was saved, GitHub, nbconvert: html and text beside the live view."""
    table.show(oddities)
    data, _ = table._repr_mimebundle_()
    assert set(data) >= {WIDGET_VIEW, "text/html", "text/plain"}
    assert data["text/html"] == table.html()
    assert "삼성전자" in data["text/plain"]
    assert len(data["text/plain"].splitlines()) == 1 + (oddities["quantity"] != 0).sum()
