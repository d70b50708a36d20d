"""What a page knows of a chart is what the kernel has, whatever is lost on the way."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kiwoom_nb as kn
from kiwoom_nb.figures import plot_realized_pnl
from kiwoom_nb.streaming_chart import StreamingChart

MORNING = 1_763_596_800_000_000  # 2025-11-20 09:00 KST
SECOND = 1_000_000


def figure(*names):
    traces = [go.Scatter(x=[], y=[], name=name, mode="lines") for name in names]
    return go.Figure(traces, layout={"title": {"text": "t"}, "template": "none"})


TWO, THREE = figure("a", "b"), figure("b", "a", "c")


class Page:
    """What streaming_chart.js keeps of a chart: a change that is not the next one makes it ask for everything."""

    def __init__(self, chart, name="page"):
        self.chart, self.name = chart, name
        self.number, self.state = 0, None
        self.lost = 0  # so many of the next messages do not arrive
        self.bytes = 0

    def look(self):
        self.say("look")

    def say(self, kind):
        self.chart._handle_custom_msg({"kind": kind, "page": self.name, "number": self.number}, [])

    def hear(self, message):
        if self.lost:
            self.lost -= 1
            return
        self.bytes += len(json.dumps(message))
        if message["kind"] == "all" and message["number"] >= self.number:
            self.number = message["number"]
            self.state = {key: message[key] for key in ("looks", "lines", "title", "gaps")}
        elif message["kind"] == "more" and message["number"] > self.number:
            if message["number"] != self.number + 1:
                self.look()
            else:
                self.grow(message)

    def grow(self, message):
        self.number = message["number"]
        for place, more in message["lines"].items():
            for column, values in more.items():
                self.state["lines"][place][column] += values
        for key in ("title", "gaps"):
            self.state[key] = message.get(key, self.state[key])


@pytest.fixture
def connected():
    """Make a chart and pages that hear what it sends, as through the wire."""

    def make(figure, pages=1):
        chart = StreamingChart(figure)
        made = [Page(chart, f"page {number}") for number in range(pages)]
        connect(chart, made)
        return (chart, *made)

    return make


def connect(chart, pages):
    def send(message, buffers=None):
        for page in pages:
            page.hear(json.loads(json.dumps(message)))

    chart.send = send


def kept(chart):
    """What a page must have, as JSON makes it."""
    all_of_it = json.loads(json.dumps(chart._all()))
    return {key: all_of_it[key] for key in ("looks", "lines", "title", "gaps")}


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), st.sampled_from("ab"), st.lists(st.integers(-(10**9), 10**9), max_size=5)),
        st.tuples(st.just("title"), st.sampled_from(["x", "y"]), st.none()),
        st.tuples(st.just("gaps"), st.lists(st.integers(0, 100), max_size=2), st.none()),
        st.tuples(st.just("replace"), st.sampled_from([TWO, THREE]), st.none()),
        st.tuples(st.just("lose"), st.integers(1, 4), st.none()),
        st.tuples(st.just("look"), st.none(), st.none()),
        st.tuples(st.just("away"), st.none(), st.none()),
        st.tuples(st.just("reload"), st.none(), st.none()),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(changes=CHANGES)
def test_whatever_is_lost_a_page_that_looks_ends_with_the_right_chart(changes):
    """Also one that looked away, or began anew, in the middle of it; two pages do not disturb each other."""
    chart = StreamingChart(TWO)
    page, other = Page(chart), Page(chart, "other")
    connect(chart, [page, other])
    page.look()
    other.look()
    at = MORNING
    for what, value, more in changes:
        if what == "extend":
            times = [at + SECOND * number for number in range(1, len(more) + 1)]
            at += 7 * 3600 * SECOND
            chart.extend({value: (times, more)})
        elif what == "title":
            chart.extend(title=value)
        elif what == "gaps":
            chart.mark_gaps([(MORNING + SECOND * start, None) for start in value])
        elif what == "replace":
            chart.replace(value)
        elif what == "lose":
            page.lost = value
        elif what == "reload":
            page.number, page.state = 0, None
            page.look()
        else:
            page.say(what)
    page.lost = 0
    page.look()
    for each in (page, other):
        assert each.number == chart._number
        assert each.state == kept(chart)


def test_a_missing_number_is_noticed_with_the_next_message(connected):
    """The page asks, and has everything at once."""
    chart, page = connected(figure("a"))
    page.look()
    page.lost = 1
    chart.extend({"a": ([MORNING], [1])})
    assert page.state["lines"]["0"]["y"] == []
    chart.extend({"a": ([MORNING + SECOND], [2])})
    assert page.state["lines"]["0"]["y"] == [1, 2]


def test_a_page_that_does_not_look_is_sent_nothing_and_catches_up_when_it_does(connected):
    """A hidden or closed chart costs nothing."""
    chart, page = connected(figure("a"))
    chart.extend({"a": ([MORNING], [1])})
    assert (chart.is_seen, page.bytes) == (False, 0)
    page.look()
    assert chart.is_seen
    page.say("away")
    before = page.bytes
    for number in range(100):
        chart.extend({"a": ([MORNING + number * SECOND], [number])}, title=str(number))
    assert (chart.is_seen, page.bytes) == (False, before)
    page.look()
    assert page.state == kept(chart)


def test_a_page_that_has_everything_is_sent_nothing_when_it_looks_again(connected):
    """It makes sure of the last message after a silence: that costs a few bytes."""
    chart, page = connected(figure("a"))
    page.look()
    chart.extend({"a": ([MORNING], [1])})
    before = page.bytes
    page.look()
    assert page.bytes == before


def test_nothing_new_is_no_message(connected):
    """Nothing polls, nothing is sent for the sake of it."""
    chart, page = connected(figure("a"))
    page.look()
    chart.extend(title="x")
    chart.mark_gaps([(MORNING, None)])
    before = page.bytes, page.number
    chart.extend({})
    chart.extend({"a": ([], [])})
    chart.extend(title="x")
    chart.mark_gaps([(MORNING, None)])
    assert (page.bytes, page.number) == before


def test_a_refresh_is_as_small_behind_a_million_points_as_behind_a_thousand(connected):
    """And what is sent to a page that looks again is bounded."""

    def sent(points):
        chart, page = connected(figure("a"))
        chart.extend({"a": (MORNING + SECOND // 100 * np.arange(points), np.arange(points) % 977)})
        page.look()
        whole, page.bytes = page.bytes, 0
        chart.extend({"a": ([MORNING + SECOND // 100 * points], [1234])})
        return page.bytes, whole

    few, many = sent(1_000), sent(1_000_000)
    assert many[0] <= few[0] + 4 < 120
    assert many[1] < 200_000


def test_a_line_that_is_not_there_is_refused_and_changes_nothing(connected):
    """By name, with what to do."""
    chart, page = connected(figure("a"))
    page.look()
    with pytest.raises(ValueError, match=r"called 'b' \(its lines: 'a'\): give replace\(\) a figure"):
        chart.extend({"b": ([MORNING], [1])}, title="x")
    page.look()
    assert page.state == kept(chart)
    assert page.state["title"] is None


def test_plotly_js_is_sent_to_a_page_that_lacks_it_and_is_that_of_the_installed_plotly():
    """Packed, once for all charts: it is in no trait and no state."""
    import gzip

    from plotly.offline import get_plotlyjs

    chart, sent = StreamingChart(figure("a")), []
    chart.send = lambda message, buffers=None: sent.append((message, buffers))
    chart._handle_custom_msg({"kind": "plotly"}, [])
    ((message, (packed,)),) = sent
    assert message["version"] == chart._plotly
    assert gzip.decompress(packed).decode() == get_plotlyjs()
    assert len(packed) < 2_000_000


def test_the_state_of_the_widget_is_small_and_holds_no_point():
    """It may be saved with a notebook; a second chart costs kilobytes."""
    df = kn.load("sample", mask_accounts=False)
    chart = StreamingChart(plot_realized_pnl(df, by="account"))
    state = json.dumps(chart.get_state(), ensure_ascii=False, default=str)
    assert len(state) < 20_000
    for account in df["account"].cat.categories:
        assert account not in state


@pytest.mark.parametrize(
    "content", [None, 5, "look", {}, {"kind": "look"}, {"kind": ["look"], "page": {}}, {"kind": 7}]
)
def test_a_message_that_no_page_of_ours_would_send_breaks_nothing(content, connected):
    """What comes from a page is judged, not trusted."""
    chart, page = connected(figure("a"))
    chart._hear(chart, content, [])
    page.look()
    assert page.state == kept(chart)


def test_an_error_is_said_in_the_page():
    """As a sentence with its kind; the chart goes on."""
    chart, sent = StreamingChart(figure("a")), []
    chart.send = lambda message, buffers=None: sent.append(message)
    chart.show_error(ValueError("no such line"))
    assert sent == [{"kind": "error", "text": "ValueError: no such line"}]


def test_beside_the_widget_stands_what_shows_without_a_kernel():
    """An SVG with the last state, and a line of text."""
    chart = StreamingChart(plot_realized_pnl(kn.load("sample")))
    chart.extend(title="실현손익 <b>₩1</b>")
    data, _ = chart._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert data["text/html"].startswith("<svg")
    assert "실현손익 ₩1" in data["text/html"]
    assert "<script" not in data["text/html"]
    assert data["text/plain"] == "<StreamingChart of 3 lines, 1665 points>"


def test_gaps_of_the_figure_are_in_the_svg_until_others_are_marked():
    """As in the page."""
    shaded = figure("a")
    shaded.add_shape(
        type="rect", name="gap", x0="2025-11-20 09:00:10", x1="2025-11-20 09:00:20", y0=0, y1=1, yref="paper"
    )
    chart = StreamingChart(shaded)
    chart.extend({"a": ([MORNING, MORNING + 60 * SECOND], [0, 5])})
    assert chart.html().count("<rect") == 1
    chart.mark_gaps([])
    assert chart.html().count("<rect") == 0
    chart.mark_gaps([(MORNING, MORNING + SECOND, "closed"), (MORNING + 59 * SECOND, None, "closed")])
    assert chart.html().count("<rect") == 2


def test_the_words_are_in_the_language_of_the_user():
    """Korean where it was asked for."""
    kn.set_language("ko")
    assert "커널" in StreamingChart(figure("a"))._words["busy"]
    kn.set_language("en")
    assert "kernel" in StreamingChart(figure("a"))._words["busy"]
