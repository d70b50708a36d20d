import json

import pytest

pytest_plugins = ("browser",)

SETUP = """
import asyncio, json, time
import pandas as pd
import kiwoom_nb as kn
from kiwoom_nb.positions_table import PositionsTable

kn.set_language("ko")
events = kn.load("sample:oddities")
NOW = events["received_at"].iloc[-1]
ODD = events.kn.positions(closed=True)
table = PositionsTable(note="이 세션에서 체결된 종목만")
table.show(ODD, now=NOW)
table
"""
RESET = """
table.sort, table.together, table.closed, table.note = [], False, False, "이 세션에서 체결된 종목만"
table.columns = list(PositionsTable.columns.default())
table.show(ODD, now=NOW)
"""
ROWS = ".kn-positions tbody tr"
# what the page animates, by row and column
WATCH = """() => {
  window.flashed = [];
  Element.prototype.animate = new Proxy(Element.prototype.animate, { apply(target, cell, given) {
    window.flashed.push([cell.closest("tr").querySelector("th span").textContent, cell.dataset.column]);
    return Reflect.apply(target, cell, given);
  }});
}"""


@pytest.fixture(scope="module")
def notebook(lab):
    """One notebook for all tests; it must be content in the end."""
    with lab.notebook(SETUP, width=1500, height=1000) as page:
        page.run(0)
        page.until(f"() => document.querySelectorAll('{ROWS}').length === 22")
        page.js(WATCH)
        yield page


@pytest.fixture
def page(notebook):
    """The notebook, its table as it was."""
    notebook.resize(1500, 1000)
    notebook.python(RESET)
    notebook.until(f"() => document.querySelectorAll('{ROWS}').length === 22")
    notebook.js("async () => { await new Promise(requestAnimationFrame); window.flashed = []; }")
    return notebook


def column(page, name):
    """Return the first lines of the cells of a column, from the top down."""
    return page.js(
        f"(name) => [...document.querySelectorAll(`{ROWS} [data-column=${{name}}] > span`)].map((cell) => cell.textContent)",
        name,
    )


def cell(page, row, name):
    """Return both lines of one cell."""
    script = f"([row, name]) => [...document.querySelectorAll('{ROWS}')[row].querySelector(`[data-column=${{name}}]`).children].map((part) => part.textContent)"
    return page.js(script, [row, name])


def kernel(page, expression):
    """Return what an expression is in the kernel."""
    page.python(f"open('value.json', 'w').write(json.dumps({expression}))")
    return json.loads((page.path.parent / "value.json").read_text())


def head(name):
    return f".kn-positions thead [data-column={name}]"


def focused(page):
    return page.js("() => [document.activeElement.parentNode.dataset.line, document.activeElement.dataset.column]")


def settled(page, name, texts):
    """Wait until a column reads as told."""
    script = f"([name, texts]) => JSON.stringify([...document.querySelectorAll(`{ROWS} [data-column=${{name}}] > span`)].map((cell) => cell.textContent)) === texts"
    page.until(script, [name, json.dumps(texts, ensure_ascii=False, separators=(",", ":"))], patience=10)


def test_it_appears_in_korean_with_what_positions_tells(page):
    """Names, won without decimals, percent with two, signs and arrows, ages of prices, a note and a total."""
    assert page.texts(".kn-positions thead th") == [
        *["종목명", "종목코드", "보유수량", "매입단가", "현재가", "전일대비", "평가금액", "평가손익", "수익률", "비중"],
        *["실현손익", "마지막 갱신"],
    ]
    assert cell(page, 0, "name") == ["삼성전자", "xxxxxx1111"]
    assert cell(page, 1, "name") == ["NAVER", "xxxxxx1111 · 융자 10-16"]
    assert cell(page, 0, "unrealized_pnl") == ["▼ -₩5,662,403", ""]
    assert cell(page, 0, "day_change") == ["▼ -₩1,400", "-1.52%"]
    assert cell(page, 0, "weight") == ["18.76%", ""]
    assert cell(page, 1, "price") == ["₩254,500", "6시간 전 계좌 조회"]
    assert cell(page, 2, "price") == ["₩58,200", "6시간 전 체결가"]
    assert cell(page, 0, "updated_at") == ["18:37:10", ""]
    assert page.texts(".kn-positions .kn-note") == ["이 세션에서 체결된 종목만"]
    total = page.texts(".kn-positions tfoot tr > *")
    assert total[0].split() == ["합계", "22종목"]
    assert total[6:9] == ["₩173,974,965", "▲ +₩4,622,359", "+2.73%"]
    assert total[10].split("\n") == ["▲ +₩20,148,790", "청산 7종목 포함"]


def test_a_fill_changes_its_cells_and_they_flash_once(page):
    """What moved is seen to move; the weights of all others change silently."""
    weights = column(page, "weight")
    page.python("p = ODD.copy(); p.loc[0, ['quantity', 'market_value']] = [360, 32724000]; table.show(p, now=NOW)")
    page.until(f"() => document.querySelector('{ROWS} [data-column=quantity]').innerText === '360'", patience=10)
    assert cell(page, 0, "market_value")[0] == "₩32,724,000"
    assert column(page, "weight") != weights
    assert sorted(page.js("() => window.flashed")) == [
        ["삼성전자", "market_value"],
        ["삼성전자", "quantity"],
        ["삼성전자", "weight"],
    ]
    animation = "() => document.querySelector('.kn-positions [data-column=quantity]').getAnimations().length"
    assert page.js(animation) <= 1


def test_a_missing_number_makes_the_page_ask_for_everything(page):
    """Jupyter drops messages when there are too many."""
    page.python("table._sent += 1; p = ODD.copy(); p.loc[0, 'quantity'] = 777; table.show(p, now=NOW)")
    page.until(f"() => document.querySelector('{ROWS} [data-column=quantity]').innerText === '777'", patience=10)
    page.python("p.loc[0, 'quantity'] = 778; table.show(p, now=NOW)")
    page.until(f"() => document.querySelector('{ROWS} [data-column=quantity]').innerText === '778'", patience=10)


def test_a_stale_row_is_marked_in_words(page):
    """Not by colour alone."""
    page.python("p = ODD.copy(); p.loc[0, 'stale'] = True; table.show(p, now=NOW)")
    page.until(f"() => document.querySelector('{ROWS} [data-column=updated_at] small').textContent !== ''", patience=10)
    assert cell(page, 0, "updated_at") == ["18:37:10", "⚠ 확인 안 됨"]
    assert cell(page, 0, "price") == ["₩90,900", "⚠ 방금 체결가"]


def test_ages_follow_the_virtual_clock(page):
    """Nothing filled, and yet the price is older."""
    page.python("table.show(ODD, now=NOW + pd.Timedelta('3min'))")
    page.until(
        f"() => document.querySelector('{ROWS} [data-column=price] small').textContent === '3분 전 체결가'", patience=10
    )
    assert page.js("() => window.flashed") == []


def test_a_click_on_a_head_sorts_and_says_so(page):
    """Numbers from the largest; again: from the smallest; a third time: as it was. Ties stay in order."""
    first = column(page, "name")
    shown = "ODD[ODD['quantity'] != 0]"
    for way, ascending in (("descending", False), ("ascending", True)):
        page.click(head("realized_pnl_today"))
        names = kernel(
            page, f"list({shown}.sort_values('realized_pnl_today', ascending={ascending}, kind='stable')['name'])"
        )
        settled(page, "name", names)
        assert page.js(f"() => document.querySelector('{head('realized_pnl_today')}').ariaSort") == way
        assert page.texts(".kn-positions thead th")[10] == f"실현손익{'▲' if ascending else '▼'}"
    assert kernel(page, "list(table.sort)") == ["realized_pnl_today", "ascending"]
    page.click(head("realized_pnl_today"))
    settled(page, "name", first)
    assert page.js("() => document.querySelectorAll('.kn-positions [aria-sort=none]').length") == 12


def test_the_keyboard_reaches_every_cell_and_sorts(page):
    """One stop of the tab key; arrows move within; Enter on a head sorts; the notebook keeps its hands off."""
    page.js("() => document.querySelector('.kn-opener').focus()")
    page.press("Tab", "Control+Home")
    assert focused(page) == ["head", "name"]
    page.press("ArrowRight", "ArrowRight", "Enter")
    names = kernel(
        page, "list(ODD[ODD['quantity'] != 0].sort_values('quantity', ascending=False, kind='stable')['name'])"
    )
    settled(page, "name", names)
    assert focused(page) == ["head", "quantity"]
    page.press("ArrowDown", "End")
    assert (focused(page)[0].startswith("lot "), focused(page)[1]) == (True, "updated_at")
    page.press("Control+End")
    assert focused(page) == ["total", "updated_at"]
    page.press("ArrowDown", "ArrowRight", "Control+Home")
    assert focused(page) == ["head", "name"]
    assert page.js("() => document.querySelectorAll('.kn-positions [tabindex=\"0\"]').length") == 1
    assert page.js("() => jupyterapp.shell.currentWidget.content.mode") == "command"
    page.press("Shift+Tab")
    assert page.js("() => document.activeElement.className") == "kn-opener"


def test_the_focus_stays_on_its_row_when_the_row_moves(page):
    """A price that climbs does not take the cell from under the reader."""
    page.python("table.sort = ['quantity', 'descending']")
    page.until(f"() => document.querySelector('{ROWS} [data-column=quantity]').innerText === '454'", patience=10)
    page.js(f"() => document.querySelectorAll('{ROWS}')[3].querySelector('[data-column=price]').focus()")
    before = focused(page)
    page.python("p = ODD.copy(); p.loc[p.index[p.quantity.eq(261)], 'quantity'] = 900; table.show(p, now=NOW)")
    page.until(f"() => document.querySelector('{ROWS} [data-column=quantity]').innerText === '900'", patience=10)
    assert focused(page) == before
    assert page.js(f"() => document.activeElement.parentNode === document.querySelector('{ROWS}')")


def test_lots_are_added_up_on_request(page):
    """Cash and credit of one symbol of an account become one line; money neither appears nor vanishes."""
    total = page.texts(".kn-positions tfoot tr > *")[6:9]
    page.click(".kn-positions input[name=together]")
    lines = kernel(page, "int(ODD[ODD.quantity != 0].groupby(['account', 'symbol'], observed=True).ngroups)")
    page.until(f"(lines) => document.querySelectorAll('{ROWS}').length === lines", lines, patience=10)
    row = next(row for row, name in enumerate(column(page, "name")) if name == "SK하이닉스")
    assert cell(page, row, "name") == ["SK하이닉스", "xxxxxx2222 · 3건 합산"]
    lots = kernel(
        page,
        "ODD[ODD.account.eq('xxxxxx2222') & ODD.symbol.eq('000660')][['quantity', 'cost', 'unrealized_pnl']].sum().tolist()",
    )
    assert cell(page, row, "quantity")[0] == f"{lots[0]:,}"
    assert cell(page, row, "average_price")[0] == f"₩{round(lots[1] / lots[0]):,}"
    assert cell(page, row, "unrealized_pnl")[0] == f"▲ +₩{lots[2]:,}"
    assert cell(page, row, "unrealized_pnl_pct")[0] == f"{100 * lots[2] / lots[1]:+.2f}%"
    assert page.texts(".kn-positions tfoot tr > *")[6:9] == total
    assert kernel(page, "table.together") is True


def test_the_sum_of_all_loans_is_never_added_to_its_lots(page):
    """A 99 row says again what the lots say."""
    total = page.texts(".kn-positions tfoot tr > *")[6]
    page.python("p = pd.concat([ODD, ODD.iloc[[1]].assign(credit_type='99', loan_date=pd.NaT)], ignore_index=True)")
    page.python("table.columns = ['name', 'credit_type', 'market_value']; table.show(p, now=NOW)")
    page.until("() => document.querySelectorAll('.kn-positions thead th').length === 3", patience=10)
    assert "융자합" not in column(page, "credit_type")
    assert page.texts(".kn-positions tfoot tr > *")[1] == total


def test_closed_positions_are_shown_on_request(page):
    """With what they brought today."""
    assert page.texts(".kn-positions .kn-choice")[1] == "청산 종목 (7)"
    page.click(".kn-positions input[name=closed]")
    page.until(f"() => document.querySelectorAll('{ROWS}').length === 29", patience=10)
    assert column(page, "quantity").count("0") == 7
    assert page.texts(".kn-positions tfoot tr > *")[10] == "▲ +₩20,148,790"
    page.python("table.closed = False")
    page.until(f"() => document.querySelectorAll('{ROWS}').length === 22", patience=10)
    assert page.js("() => document.querySelector('.kn-positions input[name=closed]').checked") is False


def test_the_column_chooser_adds_and_takes_away(page):
    """The choice is a trait: Python knows it, and the next view has it."""
    assert page.js("() => document.querySelector('.kn-chooser').checkVisibility()") is False
    page.click(".kn-opener")
    assert page.texts(".kn-chooser .kn-choice")[-6:] == [
        "매도가능",
        "신용구분",
        "대출일",
        "손익분기가",
        "매입금액",
        "계좌",
    ]
    page.click(".kn-chooser input[name=cost]")
    page.until("() => document.querySelectorAll('.kn-positions thead th').length === 13", patience=10)
    assert column(page, "cost")[0] == "₩38,295,503"
    page.click(".kn-chooser input[name=symbol]")
    page.until("() => !document.querySelector('.kn-positions thead [data-column=symbol]')", patience=10)
    assert [name for name in kernel(page, "list(table.columns)") if name in {"cost", "symbol"}] == ["cost"]
    page.click(".kn-opener")
    assert page.js("() => document.querySelector('.kn-opener').ariaExpanded") == "false"


CONTRAST = """(selector) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const light = (...colors) => {
    for (const color of ["white", ...colors]) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return [...document.querySelectorAll(selector)].filter((part) => part.textContent).map((part) => {
    const behind = getComputedStyle(part.closest("td, th")).backgroundColor;
    const [ink, ground] = [light(behind, getComputedStyle(part).color), light(behind)];
    return [(Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05), part.textContent];
  });
}"""


@pytest.mark.parametrize("colors", ["korea", "colorblind", "us"])
@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_all_texts_are_legible_in_both_themes(page, theme, colors):
    """At least 4.5 to 1 against what is behind them, as the WCAG asks."""
    page.js("(theme) => jupyterapp.commands.execute('apputils:change-theme', {theme: `JupyterLab ${theme}`})", theme)
    page.until("(light) => document.body.dataset.jpThemeLight === light", json.dumps(theme == "Light"), patience=20)
    page.python(f"table.colors = {colors!r}")
    page.until(f"() => document.querySelector('.kn-positions').dataset.colors === {colors!r}", patience=10)
    contrasts = page.js(CONTRAST, ".kn-positions :is(th, td) > :is(span, small)")
    assert len(contrasts) > 300
    assert min(contrasts)[0] >= 4.5, min(contrasts)
    ups_and_downs = [
        page.js(f"() => getComputedStyle(document.querySelector('{ROWS} .kn-{way} span')).color")
        for way in ("up", "down")
    ]
    assert ups_and_downs[0] != ups_and_downs[1]
    page.python("table.colors = 'korea'")


def test_a_phone_scrolls_the_table_and_not_the_page(page):
    """At 375 px names and heads stay in sight, and nothing is cut off."""
    page.resize(375, 800)
    page.until("() => document.querySelector('.kn-scroll').clientWidth < 375", patience=10)
    sizes = page.js(
        "() => { const s = document.querySelector('.kn-scroll'); return [s.scrollWidth, s.clientWidth, s.getBoundingClientRect().right]; }"
    )
    assert sizes[0] > sizes[1]
    assert sizes[2] <= 375
    moved = page.js("""() => {
      const scroll = document.querySelector(".kn-scroll");
      const place = (selector) => document.querySelector(selector).getBoundingClientRect();
      scroll.scrollTo(0, 0);
      const before = [place(".kn-positions tbody th").left, place(".kn-positions thead th").top];
      scroll.scrollTo(300, 200);
      const after = [place(".kn-positions tbody th").left, place(".kn-positions thead th").top];
      const width = place(".kn-positions tbody th").width;
      scroll.scrollTo(0, 0);
      return [scroll.scrollWidth > 300, before, after, width];
    }""")
    assert moved[1] == moved[2]
    assert 60 <= moved[3] <= 130


def test_what_goes_wrong_is_said_once_under_the_table(page):
    """In the kernel or in the page; the last good rows stay, and the next good ones take the words away."""
    said = "() => document.querySelector('.kn-positions .kn-error').textContent"
    page.python("table.show(ODD.drop(columns='price'), now=NOW)")
    page.until(f"() => ({said})() === `표를 그리지 못했습니다: KeyError: 'price'`", patience=10)
    assert len(column(page, "name")) == 22
    page.python("table.show(ODD, now=NOW)")
    page.until(f"() => ({said})() === ''", patience=10)
    page.python("words = table.words; table.words = {**words, 'lots': None, 'closed': None}")
    page.until(f"() => ({said})().startsWith('표를 그리지 못했습니다: TypeError')", patience=10)
    page.python("table.words = words")
    page.until(f"() => ({said})() === ''", patience=10)
    assert len(page.texts(".kn-positions .kn-error")) == 1


HURRY = """
base = pd.concat([ODD.iloc[[0]]] * 200, ignore_index=True)
base["symbol"] = [f"{number:06}" for number in range(200)]
sent = {}
async def hurry(count):
    for number in range(count):
        base[["quantity", "market_value", "unrealized_pnl", "price"]] += 1
        base["updated_at"] += pd.Timedelta("1s")
        sent[int(base["quantity"].iloc[-1])] = 1000 * time.time()
        table.show(base.copy(), now=NOW)
        await asyncio.sleep(0.1)
base["quantity"] = 1000
table.show(base.copy(), now=NOW)
"""
TIME = f"""() => {{
  window.seen = {{}};
  window.draws = [];
  const cell = document.querySelector('{ROWS} [data-column=quantity] > span');
  new MutationObserver(() => {{ window.seen[cell.textContent.replace(",", "")] = Date.now(); }})
    .observe(cell, {{ childList: true, characterData: true, subtree: true }});
  const frame = window.requestAnimationFrame;
  window.requestAnimationFrame = (work) => frame.call(window, (time) => {{
    const start = performance.now();
    work(time);
    cell.offsetTop;
    if (String(work).includes("this.draw")) window.draws.push(performance.now() - start);
  }});
}}"""


def test_200_positions_that_all_change_ten_times_a_second_are_kept_up_with(page):
    """Written and laid out well before the next refresh comes; rows out of sight follow, all of them."""
    page.python(HURRY)
    page.until(f"() => document.querySelectorAll('{ROWS}').length === 200", patience=10)
    page.js(TIME)
    page.python("await hurry(30)")
    page.until("() => window.seen[1030]", patience=10)
    sent, seen = kernel(page, "sent"), page.js("() => window.seen")
    lags, draws = sorted(at - sent[number] for number, at in seen.items()), sorted(page.js("() => window.draws"))
    assert len(lags) >= 20, f"of 30 refreshes {30 - len(lags)} were not drawn by themselves"
    assert draws[len(draws) // 2] < 100, draws
    assert lags[len(lags) // 2] < 300, lags
    settled(page, "quantity", ["1,030"] * 200)


def test_reopened_it_asks_for_everything_and_saved_it_tells_no_account(page):
    """After a reload the kernel lives on; the file has the masked accounts only."""
    page.js("() => jupyterapp.commands.execute('docmanager:save')")
    saved = page.path.read_text("utf-8")
    numbers = kernel(page, "kn.load('sample:oddities', mask_accounts=False)['account'].astype(str).unique().tolist()")
    assert "kn-positions" in saved
    assert [number for number in numbers if number in saved] == []
    page.open()
    page.until(f"() => document.querySelectorAll('{ROWS}').length === 22", patience=30)
    page.python("p = ODD.copy(); p.loc[0, 'quantity'] = 555; table.show(p, now=NOW)")
    page.until(f"() => document.querySelector('{ROWS} [data-column=quantity]').innerText === '555'", patience=10)
