"""The streaming chart in a real JupyterLab: it grows, it stays as the user left it, and it costs little."""

import statistics

import pytest

pytest_plugins = ("browser",)

BEGIN = """
import numpy as np
import kiwoom_nb as kn
from kiwoom_nb.figures import plot_realized_pnl
from kiwoom_nb.pnl_tail import PnlTail
from kiwoom_nb.streaming_chart import StreamingChart

df = kn.load("sample")
tail = PnlTail()
tail.take(df.iloc[:300])
half = df.iloc[:300]
chart = StreamingChart(plot_realized_pnl(half, dark=False), plot_realized_pnl(half, dark=True))
chart
"""
SECOND = "second = StreamingChart(plot_realized_pnl(df, by='symbol'))\nsecond"
GROW = "chart.extend(tail.take(df).lines(), title='당일 실현손익')"
PLOTS = "[...document.querySelectorAll('.kn-chart .js-plotly-plot')]"
ENGLISH = "import kiwoom_nb\nkiwoom_nb.set_language('en')"
LONG = "import time\ntime.sleep(8)"
IS_DRAWN = f"(count) => {PLOTS}.filter((plot) => plot.querySelector('.main-svg')).length === count"
TOTAL = f"() => {PLOTS}[0].data[2]"
HAS_POINTS = f"(count) => {PLOTS}[0].data[2].x.length === count"
# Widget messages that pass between page and kernel from now on, with their sizes.
LISTEN = """() => {
  const isNew = !window.heard;
  window.heard = [];
  if (!isNew) return;
  const kernel = jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
  kernel.anyMessage.connect((_, { msg, direction }) => {
    if (msg.header.msg_type.startsWith('comm_')) {
      const buffers = (msg.buffers ?? []).reduce((sum, buffer) => sum + buffer.byteLength, 0);
      window.heard.push({ direction, type: msg.header.msg_type, kind: msg.content.data?.content?.kind,
        bytes: JSON.stringify(msg.content).length, buffers });
    }
  });
}"""
SPACER = "from IPython.display import HTML\nHTML('<div style=\"height:3000px\">far</div>')"


@pytest.fixture(scope="module")
def opened(lab):
    """One notebook for the tests that do not ask for a new page."""
    with lab.notebook(BEGIN, SPACER, "chart") as page:
        yield page


@pytest.fixture
def page(opened):
    """A new chart of half a day, and nothing else."""
    opened.js("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    opened.run(0)
    opened.until(IS_DRAWN, 1)
    return opened


def test_a_chart_waits_for_a_kernel_that_runs_other_cells(lab):
    """Run all: the cells behind it come first, which the page says; then it is drawn."""
    with lab.notebook(ENGLISH + BEGIN, LONG) as page:
        page.js("() => { jupyterapp.commands.execute('notebook:run-all-cells'); }")
        page.until("() => document.querySelector('.kn-chart-note')?.textContent.includes('busy with other cells')")
        page.until(IS_DRAWN, 1)
        assert page.texts(".kn-chart-note") == [""]
        assert page.texts(".kn-chart-error") == [""]


def test_a_chart_grows_by_what_is_new_and_plotly_js_comes_once(lab):
    """The points are those of the figure of all rows; the second chart brings kilobytes; nothing comes from elsewhere."""
    with lab.notebook(BEGIN, SECOND) as page:
        asked = []
        page.listen("request", lambda request: asked.append(request.url))
        page.js(LISTEN)
        for number in (0, 1):
            page.run(number)
            page.until(IS_DRAWN, number + 1)
        heard = page.js("() => window.heard")
        (plotly,) = [message for message in heard if message["kind"] == "plotly" and message["direction"] == "recv"]
        opened = [message for message in heard if message["type"] == "comm_open"]
        assert 500_000 < plotly["buffers"] < 2_000_000
        assert sum(message["buffers"] for message in heard) == plotly["buffers"]
        assert opened
        assert max(message["bytes"] for message in opened) < 25_000
        page.python(GROW)
        page.until(HAS_POINTS, 555)
        drawn = page.js(TOTAL)
        assert drawn["x"][0].startswith("2026-11-19T09:00:00.033")
        assert len(set(map(len, (drawn["x"], drawn["y"], drawn["customdata"])))) == 1
        assert drawn["customdata"][-1] == "▼ -₩4,589,684"
        shown = page.js(f"() => {PLOTS}[0]._fullLayout.xaxis.range")
        assert (shown[0][:13], shown[1][:13]) == ("2026-11-19 09", "2026-11-19 15")
        assert page.js(f"() => {PLOTS}[0].querySelector('.gtitle').textContent") == "당일 실현손익"
        assert [url for url in asked if not url.startswith((lab.url, "blob:", "data:"))] == []
        assert page.js("() => window.Plotly === undefined")


def test_zoom_and_hidden_lines_stay_as_the_user_left_them(page):
    """While points come, and when another figure takes its place."""
    page.js(
        f"() => {{ const [plot] = {PLOTS}; const x = plot.getBoundingClientRect(); window.place = [x.left, x.top]; }}"
    )
    left, top = page.js("() => window.place")
    mouse = page.page.mouse
    page.do(mouse.move(left + 200, top + 120))
    page.do(mouse.down())
    page.do(mouse.move(left + 400, top + 220, steps=4))
    page.do(mouse.up())
    zoomed = f"() => {PLOTS}[0]._fullLayout.xaxis.autorange === false"
    page.until(zoomed)
    before = page.js(f"() => {PLOTS}[0]._fullLayout.xaxis.range")
    page.python(GROW)
    page.until(HAS_POINTS, 555)
    assert page.js(f"() => {PLOTS}[0]._fullLayout.xaxis.range") == before
    page.python("chart.replace(plot_realized_pnl(df.iloc[:200]))")
    page.until("() => document.querySelector('.kn-chart .js-plotly-plot').data[2].x.length < 300")
    assert page.js(f"() => {PLOTS}[0]._fullLayout.xaxis.range") == before


def test_a_message_that_is_lost_is_asked_for_and_the_chart_is_right_again(page):
    """Whether another one follows it or not."""
    page.python("send, chart.send = chart.send, lambda *message: None\n" + GROW + "\nchart.send = send")
    assert page.js(TOTAL + ".x.length") < 300
    page.python("chart.extend(title='next')")
    page.until(HAS_POINTS, 555)
    lose = "send, chart.send = chart.send, lambda *message: None\nchart.extend(title='lost')\nchart.send = send"
    page.python("chart.extend(title='heard')")
    page.python(lose)
    page.until(f"() => {PLOTS}[0].querySelector('.gtitle').textContent === 'lost'", patience=10)


def test_a_chart_that_nobody_sees_is_sent_nothing_and_catches_up(page):
    """Scrolled away or closed; a view of it that is opened later has everything."""
    page.run(1)
    page.js("() => jupyterapp.shell.currentWidget.content.widgets[1].node.scrollIntoView({block: 'end'})")
    page.until("() => document.querySelector('.kn-chart').getBoundingClientRect().bottom < 0")
    page.js("() => new Promise((resolve) => setTimeout(resolve, 2500))")
    page.python("assert not chart.is_seen")
    page.js(LISTEN)
    page.python(GROW)
    assert [message for message in page.js("() => window.heard") if message["direction"] == "recv"] == []
    page.run(2)
    page.js("() => jupyterapp.shell.currentWidget.content.widgets[2].node.scrollIntoView({block: 'end'})")
    page.until(f"() => {PLOTS}.at(-1)?.data?.[2].x.length === 555")
    page.python("assert chart.is_seen")


def test_the_colours_follow_the_theme(page):
    """At once, points and zoom as they were."""
    color = f"() => {PLOTS}[0]._fullLayout.font.color"
    assert page.js(color) == "#1f2328"
    page.js("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.until(f"() => {PLOTS}[0]._fullLayout.font.color === '#e8eaed'")
    page.python(GROW)
    page.until(HAS_POINTS, 555)
    page.js("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
    page.until(f"() => {PLOTS}[0]._fullLayout.font.color === '#1f2328'")


def test_on_a_phone_it_is_as_wide_as_the_page(page):
    """Also when the page is turned; nothing sticks out."""
    fits = "() => { const box = document.querySelector('.kn-chart'); const plot = box.querySelector('.main-svg');"
    fits += " return plot && plot.getBoundingClientRect().width === box.clientWidth && box.clientWidth < 400; }"
    page.js("() => jupyterapp.commands.execute('application:toggle-left-area')")
    page.resize(375, 800)
    page.until(fits)
    cut = f"() => [...{PLOTS}[0].querySelectorAll('.xtick text, .ytick text')].filter((text) =>"
    cut += " text.getBoundingClientRect().right > document.querySelector('.kn-chart').getBoundingClientRect().right).length"
    assert page.js(cut) == 0
    page.resize(1280, 900)
    page.until("() => document.querySelector('.kn-chart').clientWidth > 400")


def test_an_error_is_shown_under_the_chart_once_and_the_chart_goes_on(page):
    """Of the kernel as of the page; the same again is not said again."""
    page.python("for _ in range(3):\n    chart.show_error(ValueError('no such line'))")
    said = "() => document.querySelector('.kn-chart-error').textContent"
    page.until(said)
    assert page.js(said) == "The chart could not be drawn: ValueError: no such line"
    page.python(GROW)
    page.until(HAS_POINTS, 555)


FILL = """
at0 = 1_763_596_800_000_000 + 86_400_000_000 * 400
def fill(points):
    chart.replace(plot_realized_pnl(half))
    at = at0 + np.arange(points) * 20_000
    chart.extend({"total": (at, np.cumsum(np.random.default_rng(0).integers(-999, 1000, points)))})
    return at
async def run(at):
    import asyncio
    for number in range(30):
        chart.extend({"total": ([int(at[-1]) + 100_000 * (number + 1)], [number * 7])})
        await asyncio.sleep(0.1)
"""


def test_ten_refreshes_a_second_leave_the_page_at_rest(page):
    """However many points came before: little to send, little to draw, none left behind, no more points than pixels."""
    page.python(FILL)
    page.js(LISTEN)
    seen = {}
    for points in (1_000, 1_000_000):
        page.python(f"at = fill({points})")
        page.until(f"() => {PLOTS}[0].data[2].x.length > 700 && {PLOTS}[0].data[2].x.at(-1) > '2026-12'")
        page.js("() => { window.heard.length = 0; }")
        begun = page.js("() => performance.now()")
        page.python("import asyncio\nrunning = asyncio.get_running_loop().create_task(run(at))")
        page.until(f"() => {PLOTS}[0].data[2].y.at(-1) === 203")
        took = page.js("() => performance.now()") - begun
        heard = [message["bytes"] for message in page.js("() => window.heard") if message["kind"] == "more"]
        assert len(heard) == 30
        seen[points] = statistics.median(heard), took, page.js(f"() => {PLOTS}[0].data[2].x.length")
    assert seen[1_000_000][0] <= seen[1_000][0] + 4 < 300
    assert seen[1_000_000][1] < 1.2 * seen[1_000][1] + 1_000
    assert max(kept for _, _, kept in seen.values()) < 4_200
