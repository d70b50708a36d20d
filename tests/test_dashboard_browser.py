"""The dashboard in a real JupyterLab: what a person sees and does."""

import re
from contextlib import contextmanager

import pytest
from jupyter_client import BlockingKernelClient
from lines import until

import kiwoom_nb as kn

pytest_plugins = ("browser",)

BEGIN = 'import kiwoom_nb as kn\nkn.set_language("ko")'
SERVE = """
server = kn.serve()
df = kn.stream_balances(url=server.url, token=server.token, record=False)
d = df.kn.dashboard()
d
"""
PUSH = """
day = kn.simulate(3, events=120)
frames = [raw for _, raw in day.frames() if raw.count(b'"type"') == 1]
for raw in frames[{start}:{stop}]:
    server.push(raw)
"""
VALUES = ".kn-header .kn-value"


@pytest.fixture(scope="module")
def replay(lab):
    """A replay's dashboard that stands still."""
    cell = f'{BEGIN}\ndf = kn.replay("sample:oddities", autoplay=False, start=150)\nd = df.kn.dashboard()\nd'
    with lab.notebook(cell, height=1400) as page:
        page.run_all()
        page.until("() => document.querySelectorAll('.kn-header .kn-value').length === 3")
        yield page


@pytest.fixture(scope="module")
def english(lab):
    """The same in English, with much below it, and what its kernel says of it."""
    cell = 'import kiwoom_nb as kn\nkn.set_language("en")\ndf = kn.replay("sample:oddities", autoplay=False, start=200)'
    with lab.notebook(f"{cell}\nd = df.kn.dashboard()\nd", "\n".join("#" * 80), height=1400) as page:
        page.run_all()
        page.until("() => document.querySelectorAll('.kn-header .kn-value').length === 3")
        with kernel_of(page) as says:
            yield page, says


@contextmanager
def kernel_of(page):
    """Yield what asks the kernel of a page for a value, whatever the page is doing."""
    name = page.js("() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.id")
    client = BlockingKernelClient(connection_file=str(page.lab.runtime / f"kernel-{name}.json"))
    client.load_connection_file()
    client.start_channels()

    def says(expression):
        options = {"user_expressions": {"x": expression}, "store_history": False, "reply": True, "timeout": 60}
        return client.execute("", **options)["content"]["user_expressions"]["x"]["data"]["text/plain"]

    try:
        yield says
    finally:
        client.stop_channels()


def shown(page, selector):
    return " ".join(page.texts(selector))


def choose(page, view):
    """Show realized P&L in another way."""
    page.do(page.page.select_option(".kn-dashboard .widget-dropdown select", label=view))


def until_drawn(page, title):
    """Wait for a chart that can be seen and has this in its title."""
    found = "[...document.querySelectorAll('.kn-dashboard .gtitle')].some((said) => said.checkVisibility() &&"
    page.until(f"(title) => {found} said.textContent.includes(title))", title)


def test_numbers_change_as_the_server_pushes_and_the_light_tells_the_line(lab):
    """It appears empty, moves by itself, goes through a drop and a reconnect, is held still, and is stopped."""
    with lab.notebook(f"{BEGIN}{SERVE}", height=1400) as page:
        page.run_all()
        page.until("() => document.querySelector('.kn-light.kn-live')")
        page.until("() => !document.querySelector('.kn-header').innerText.includes('체결된 종목만')")
        assert page.texts(VALUES) == ["₩0", "₩0", "₩0"]
        page.python(PUSH.format(start=0, stop=30))
        page.until("() => document.querySelector('.kn-header .kn-value:not(.kn-flat)')")
        before = page.texts(VALUES)
        page.until("() => document.querySelector('.kn-header').innerText.includes('30건')")
        page.python("server.drop()")
        page.until(
            "() => document.querySelector('.kn-light.kn-reconnecting, .kn-header').innerText.includes('끊김 1번')"
        )
        page.until("() => document.querySelector('.kn-light.kn-live')")
        page.python(PUSH.format(start=30, stop=60))
        page.until("() => document.querySelector('.kn-header').innerText.includes('60건')")
        until(lambda: page.texts(VALUES) != before)  # what came is counted before its rows are shown
        page.click("button:has-text('화면 멈춤')")  # held still, while recording goes on
        page.python(PUSH.format(start=60, stop=70))
        page.until("() => document.querySelector('.kn-header').innerText.includes('10건 대기')")
        page.click("button:has-text('화면 계속')")
        page.until("() => !document.querySelector('.kn-header').innerText.includes('대기')")
        assert "이벤트 70건" in shown(page, ".kn-header")
        page.python("df.kn.stop(); server.close()")
        page.until("() => document.querySelector('.kn-static svg')")
        html = page.outputs(0)[-1]["data"]["text/html"]
        assert "1111111111" not in "".join(html)


def test_a_replay_is_driven_by_mouse_and_keyboard(replay):
    """Step, scrub, jump and play; the ribbon never lets it look live."""
    assert "재생 · sample:oddities" in shown(replay, ".kn-ribbon")
    replay.click("button[aria-label^='한 건 앞으로']")
    replay.until("() => document.querySelector('.kn-header').innerText.includes('이벤트 151건')")
    replay.js("() => document.querySelector('.kn-replay input').focus()")
    replay.press("ArrowLeft", "ArrowLeft")
    replay.until("() => document.querySelector('.kn-header').innerText.includes('이벤트 149건')")
    replay.press("End")
    replay.until("() => document.querySelector('.kn-header').innerText.includes('이벤트 262건')")
    replay.press("Home")
    replay.until("() => document.querySelector('.kn-header').innerText.includes('이벤트 0건')")
    replay.click("button:has-text('최대 낙폭')")
    replay.until("() => !document.querySelector('.kn-header').innerText.includes('이벤트 0건')")
    replay.do(replay.page.select_option(".kn-replay select", "inf"))
    replay.press("Home")
    replay.click(".kn-replay .kn-play")
    replay.until("() => document.querySelector('.kn-header').innerText.includes('이벤트 262건')")


def test_tabs_show_their_charts(replay):
    """Each tab is drawn when it is looked at."""
    for tab, piece in (
        ("평가손익", ".js-plotly-plot .barlayer .point"),
        ("비중", ".js-plotly-plot .treemaplayer .slice"),
    ):
        replay.click(f".lm-TabBar-tab:has-text('{tab}')")
        replay.do(replay.page.wait_for_selector(piece, state="attached"))
    replay.click(".lm-TabBar-tab:has-text('체결')")
    replay.do(replay.page.wait_for_selector(".kn-tape tbody tr"))
    assert "매수" in shown(replay, ".kn-tape tbody")
    replay.click(".lm-TabBar-tab:has-text('실현손익')")
    for view, title in (
        ("종목별", "종목별 실현손익"),
        ("낙폭", "실현손익 낙폭"),
        ("하루 손익 (비용 뺀 뒤)", "2026-11-20 손익"),
    ):
        choose(replay, view)
        until_drawn(replay, title)
    choose(replay, "전체 흐름")
    until_drawn(replay, "당일 실현손익")


def test_nothing_is_cut_off_on_a_phone_in_the_dark(replay):
    """On a phone as on a desk, light and dark: the dashboard is no wider than its cell."""
    over = "() => { const box = document.querySelector('.kn-dashboard'); return box.scrollWidth - box.clientWidth; }"
    assert replay.js(over) <= 2
    replay.js("() => { jupyterapp.shell.collapseLeft(); jupyterapp.shell.collapseRight(); }")
    replay.js("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    replay.resize(480, 1400)  # a cell is 375 px wide then
    replay.until("() => document.querySelector('.kn-dashboard').clientWidth < 430")
    assert replay.js(over) <= 2
    labels = "[...document.querySelectorAll('.kn-dashboard .lm-TabBar-tabLabel')]"
    assert replay.js(f"() => {labels}.every((label) => label.scrollWidth <= label.clientWidth)")
    replay.click(".lm-TabBar-tab:has-text('실현손익')")
    until_drawn(replay, "당일 실현손익")
    assert replay.js("() => ![...document.querySelectorAll('.modebar')].some((bar) => bar.checkVisibility())")


SAID = """() => {
  const box = document.querySelector('.kn-dashboard');
  const said = ['title', 'aria-label', 'aria-valuetext', 'data-title', 'placeholder'];
  return [box, ...box.querySelectorAll('*')].flatMap((one) =>
    [one.children.length ? '' : one.textContent, ...said.map((name) => one.getAttribute(name))]).filter(Boolean);
}"""


def test_in_english_nothing_korean_is_left_but_names(english):
    """On every tab and chart, in what is read out and what pointing at things says, too."""
    page, _ = english
    names = sorted(kn.load("sample:oddities")["name"].dropna().unique(), key=len, reverse=True)
    views = {
        "By symbol": "Realized P&L by symbol",
        "Cash and credit": "Realized P&L, cash/credit",
        "Drawdown": "Drawdown",
        "The day, after costs": "P&L of 2026-11-20",
        "Total over time": "Realized P&L of the day",
    }
    said = []
    for view, title in views.items():
        choose(page, view)
        until_drawn(page, title)
        said += page.js(SAID)
    for tab, title in (("Unrealized", "Unrealized P&L"), ("Allocation", "Allocation")):
        page.click(f".lm-TabBar-tab:has-text('{tab}')")
        until_drawn(page, title)
        said += page.js(SAID)
    page.click(".lm-TabBar-tab:has-text('Fills')")
    page.do(page.page.wait_for_selector(".kn-tape tbody tr"))
    said += page.js(SAID)
    page.click(".lm-TabBar-tab:has-text('Realized')")
    left = {re.sub("|".join(map(re.escape, names)), "", text) for text in said}
    assert any("REPLAY" in text for text in left)
    assert [text for text in left if re.search("[가-힣]", text)] == []


def test_the_kernel_knows_whether_the_dashboard_is_seen(english):
    """Behind another tab, scrolled away, its page closed: hidden. Any part of it in view: seen."""
    page, says = english
    notebook = "[...jupyterapp.shell.widgets('main')].find((one) => one.context?.path.endsWith('.ipynb'))"
    until(lambda: says("d._header.is_seen") == "True", 60)
    page.js("async () => { await jupyterapp.commands.execute('launcher:create'); }")
    until(lambda: says("d._header.is_seen") == "False", 60)
    assert says("bool(df._source._observers)") == "False"
    says("df.kn.step(-1)")
    page.js(f"() => {{ jupyterapp.shell.activateById({notebook}.id); }}")
    until(lambda: says("d._header.is_seen") == "True", 60)
    page.until("() => document.querySelector('.kn-header').innerText.includes('199 events')")
    page.resize(1280, 500)
    page.js("() => document.querySelector('.jp-Notebook .jp-Cell:last-child').scrollIntoView({ block: 'end' })")
    until(lambda: says("d._header.is_seen") == "False", 60)
    page.js("() => document.querySelector('.kn-dashboard .lm-TabBar').scrollIntoView()")
    assert page.js("() => document.querySelector('.kn-header').getBoundingClientRect().bottom") < 0
    until(lambda: says("d._header.is_seen") == "True", 60)
    page.resize(1280, 1400)


def test_at_the_end_of_a_replay_the_last_state_is_in_the_notebook_and_keys_go_on_working(english):
    """As it would be saved; the view is made anew for it, once, and whoever has the slider keeps it."""
    page, _ = english
    page.python("df.kn.seek(200); df.kn.speed = 1000.0")
    page.click(".kn-replay .kn-play")
    page.js("() => document.querySelector('.kn-replay input').focus()")
    page.until("() => document.querySelector('.kn-header').innerText.includes('replay finished')")
    until(lambda: "replay finished" in "".join(page.outputs(0)[-1]["data"]["text/html"]), 60)
    page.until("() => document.querySelectorAll('.kn-dashboard').length === 1")
    page.until("() => document.activeElement?.matches('.kn-replay input')")
    page.press("ArrowLeft")
    page.until("() => document.querySelector('.kn-header').innerText.includes('261 events')")
    until_drawn(page, "Realized P&L of the day")


def test_a_page_that_is_left_says_so(english):
    """The last of this page: another address is opened in it."""
    page, says = english
    until(lambda: says("d._header.is_seen") == "True", 60)
    page.do(page.page.goto("about:blank"))
    until(lambda: says("d._header.is_seen") == "False", 60)
