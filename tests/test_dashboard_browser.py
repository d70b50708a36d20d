"""The dashboard in a real JupyterLab: what a person sees and does."""

import pytest
from lines import until

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


def shown(page, selector):
    return " ".join(page.texts(selector))


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


def test_nothing_is_cut_off_on_a_phone_in_the_dark(replay):
    """On a phone as on a desk, light and dark: the dashboard is no wider than its cell."""
    over = "() => { const box = document.querySelector('.kn-dashboard'); return box.scrollWidth - box.clientWidth; }"
    assert replay.js(over) <= 2
    replay.js("() => { jupyterapp.shell.collapseLeft(); jupyterapp.shell.collapseRight(); }")
    replay.js("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    replay.resize(480, 1400)  # a cell is 375 px wide then
    replay.until("() => document.querySelector('.kn-dashboard').clientWidth < 430")
    assert replay.js(over) <= 2
