import asyncio
import json
import re

import nbformat
import pytest
from clock import virtual_time
from frames import KICK, event
from lines import Server, Tokens, until
from nbclient import NotebookClient

import kiwoom_nb as kn
from kiwoom_nb import labels
from kiwoom_nb.dashboard import Dashboard
from kiwoom_nb.dashboard_labels import WORDS
from kiwoom_nb.dashboard_tabs import TOTAL, VIEWS
from kiwoom_nb.figures import plot_day
from kiwoom_nb.stream import Stream

WHOLE_ACCOUNT = re.compile(r"(?<![\d.])(1111111111|2222222222)")


@pytest.fixture(params=["ko", "en"])
def language(request):
    before = labels._chosen
    kn.set_language(request.param)
    yield request.param
    labels._chosen = before


@pytest.fixture
def korean():
    before = labels._chosen
    kn.set_language("ko")
    yield
    labels._chosen = before


@pytest.fixture
def live():
    """A live frame of a script (which shows rows when it asks), and its server."""
    server = Server()
    stream = Stream(connect=server.connect, tokens=Tokens(), server="demo", owner="0123456789ab")
    until(lambda: stream.status.state == "live")
    yield stream.frame, server
    stream.stop()


def numbers(dashboard):
    return [one["text"] for one in dashboard._header.state["numbers"]]


def big(won):
    arrow = "▲ +" if won > 0 else "▼ -" if won < 0 else ""
    return f"{arrow}₩{abs(won):,}"


def test_the_big_numbers_are_those_of_the_positions(language):
    """Nothing is computed a second time: what the head says is what df.kn.positions() says."""
    df = kn.load("sample:oddities")
    held = df.kn.positions(closed=True)
    sums = [int(held[name].sum()) for name in ("unrealized_pnl", "realized_pnl_today", "market_value")]
    assert numbers(Dashboard(df)) == [big(sums[0]), big(sums[1]), f"₩{sums[2]:,}"]


def test_nothing_recorded_looks_live(korean):
    """The ribbon says what it is: a recording, a replay, mock trading, the real account."""
    assert Dashboard(kn.load("sample:calm"))._header.state["ribbon"] == "녹화본"
    replay = kn.replay("sample:calm", autoplay=False)
    state = Dashboard(replay)._header.state
    assert (state["ribbon"], state["mode"]) == ("재생 · sample:calm", "replay")


def test_it_moves_with_the_rows(live, korean):
    """Each event that is shown is in the head, the table and the tape."""
    df, server = live
    dashboard = Dashboard(df)
    assert numbers(dashboard) == ["₩0", "₩0", "₩0"]
    assert "모의" in dashboard._header.state["ribbon"]
    assert any("체결된 종목만" in note for note in dashboard._header.state["notes"])
    server.push(event(f930="10", f932="1000", f10="+150", f945="10", f990="0"))
    assert df.kn.wait(1, timeout=20)
    assert numbers(dashboard)[0] == "▲ +₩500"
    assert "삼성전자" in dashboard._tabs.tape.html()
    assert "삼성전자" in dashboard.html()


def test_a_stopped_stream_leaves_its_last_state(live, korean):
    """The head says that it was stopped; nothing changes any more."""
    df, server = live
    dashboard = Dashboard(df)
    server.push(event(f930="10", f932="1000", f10="+150"))
    assert df.kn.wait(1, timeout=20)
    df.kn.stop()
    df.kn.sync()
    assert dashboard._header.state["state"] == "stopped"
    assert dashboard._is_static


def test_of_a_stopped_stream_the_last_state_is_shown(live):
    """Asked for afterwards, it is the same; there is nothing to hear of any more."""
    df, server = live
    server.push(event(f930="10", f932="1000", f10="+150"))
    assert df.kn.wait(1, timeout=20)
    df.kn.stop()
    dashboard = df.kn.dashboard()
    assert dashboard._is_static
    assert numbers(dashboard)[0] == "▲ +₩500"
    assert not df._source._observers


def test_why_a_stream_ended_stands_in_the_head(live):
    """Who was kicked out reads by whom and what to do, without asking for the status."""
    df, server = live
    dashboard = Dashboard(df)
    server.push(KICK)
    until(lambda: df.kn.status.state == "kicked")
    df.kn.sync()
    assert dashboard._header.state["state"] == "kicked"
    assert "R10001" in dashboard._header.state["error"]


def test_a_closed_dashboard_hears_of_nothing(live):
    """It lets go of the stream, which goes on."""
    df, server = live
    dashboard = Dashboard(df)
    before = dashboard._header.state
    dashboard.close()
    server.push(event(f930="10", f932="1000"))
    assert df.kn.wait(1, timeout=20)
    assert dashboard._header.state == before
    assert not df._source._observers


def test_two_dashboards_on_one_frame_agree(live):
    """Each reads the same frame; one that came later shows the same."""
    df, server = live
    first = Dashboard(df)
    server.push(event(f930="10", f932="1000", f10="+150"))
    assert df.kn.wait(1, timeout=20)
    second = Dashboard(df)
    server.push(event(f930="7", f932="700", f10="+160", f946="1"))
    assert df.kn.wait(2, timeout=20)
    assert numbers(first) == numbers(second)
    assert first._tabs.tape.html() == second._tabs.tape.html()


def test_what_goes_wrong_is_said_once_and_the_stream_goes_on(live, monkeypatch):
    """No traceback in a cell: the sentence stands under the dashboard."""
    df, server = live
    dashboard = Dashboard(df)
    monkeypatch.setattr(dashboard._tabs.tape, "advance", lambda _: 1 / 0)
    server.push(event(f930="10", f932="1000"))
    assert df.kn.wait(1, timeout=20)
    assert "ZeroDivisionError" in dashboard._said.value
    server.push(event(f930="11", f932="1100"))
    assert df.kn.wait(2, timeout=20)
    assert dashboard._said.value.count("ZeroDivisionError") == 1


# --- whether anybody looks --------------------------------------------------------------------------------------------


def page(dashboard, kind, name="a"):
    """Say what a page says."""
    dashboard._header._sight.hear({"kind": kind, "page": name})


def count_work(monkeypatch, dashboard):
    """Return a list that grows with each call that does the dashboard's work."""
    calls = []
    for owner, name in ((dashboard._table, "show"), (dashboard._tabs, "advance"), (dashboard._header, "show")):
        work = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, do=work, which=name: (calls.append(which), do(*args)))
    return calls


def test_a_hidden_dashboard_costs_nothing(live, monkeypatch):
    """While no page shows it, it has let go of the stream, and nothing is computed as rows come."""
    df, server = live
    dashboard = Dashboard(df)
    page(dashboard, "look")
    page(dashboard, "away")
    calls = count_work(monkeypatch, dashboard)
    assert not df._source._observers
    for number in range(1, 4):
        server.push(event(f930=str(number), f932=str(100 * number), f10="+150"))
        assert df.kn.wait(number, timeout=20)
    assert calls == []


def test_seen_again_it_shows_the_newest_state(live):
    """At once, as if it had never been hidden: the same as a dashboard that was seen all the time."""
    df, server = live
    hidden, seen = Dashboard(df), Dashboard(df)
    server.push(event(f930="10", f932="1000", f10="+150"))
    assert df.kn.wait(1, timeout=20)
    page(hidden, "away")
    for number, (quantity, side, pnl) in enumerate((("7", "1", "300"), ("9", "2", "300"), ("4", "1", "700")), 2):
        server.push(event(f930=quantity, f932=f"{quantity}00", f10="+160", f946=side, f990=pnl))
        assert df.kn.wait(number, timeout=20)
    assert numbers(hidden) != numbers(seen)
    page(hidden, "look")
    assert numbers(hidden) == numbers(seen)
    assert hidden._tabs.tape.html() == seen._tabs.tape.html()
    assert hidden.html() == seen.html()
    server.push(event(f930="5", f932="500", f10="+170"))  # and it goes on
    assert df.kn.wait(5, timeout=20)
    assert hidden.html() == seen.html()


def test_hidden_on_one_page_and_seen_on_another_it_goes_on(live):
    """It is one dashboard, however many pages there are."""
    df, server = live
    dashboard = Dashboard(df)
    page(dashboard, "look", "a")
    page(dashboard, "look", "b")
    page(dashboard, "away", "a")
    server.push(event(f930="10", f932="1000", f10="+150"))
    assert df.kn.wait(1, timeout=20)
    assert numbers(dashboard)[0] == "▲ +₩500"


def test_stopped_while_it_is_hidden_it_leaves_its_last_state(live):
    """The end wakes it: the notebook is saved as it was then."""
    df, server = live
    dashboard = Dashboard(df)
    page(dashboard, "away")
    server.push(event(f930="10", f932="1000", f10="+150"))
    assert df.kn.wait(1, timeout=20)
    assert numbers(dashboard)[0] == "₩0"
    df.kn.stop()
    assert dashboard._is_static
    assert numbers(dashboard)[0] == "▲ +₩500"


def test_closed_while_it_is_hidden_it_stays_so(live):
    """A page that speaks later finds nothing to wake."""
    df, _ = live
    dashboard = Dashboard(df)
    page(dashboard, "away")
    dashboard.close()
    page(dashboard, "look")
    assert not df._source._observers.hear(is_over=True)


def test_a_replay_that_ends_while_it_is_hidden_wakes_it(korean):
    """As a stream that is stopped does."""
    df = kn.replay("sample:calm", autoplay=False)
    dashboard = Dashboard(df)
    page(dashboard, "away")
    df.kn.seek(10)
    assert dashboard._header.state["state"] == "paused"
    assert "이벤트 0건" in dashboard._header.state["facts"]
    df.kn.seek(df.kn.status.total)
    assert dashboard._header.state["state"] == "finished"
    assert numbers(dashboard) == numbers(Dashboard(kn.load("sample:calm")))


# --- charts that are drawn as wholes ----------------------------------------------------------------------------------


def title(chart):
    return re.sub("<[^>]*>", "", chart._lines.looks["light"]["layout"]["title"]["text"])


def test_the_title_of_the_line_grows_with_it(live, korean):
    """The amount in it is that of the last point, also where points were only added."""
    df, server = live
    dashboard = Dashboard(df)
    for number, pnl in enumerate((100, 250, -40), 1):
        server.push(event(f930=str(10 - number), f932="1000", f10="+150", f946="1", f990=str(pnl)))
        assert df.kn.wait(number, timeout=20)
    realized = int(df.kn.realized_pnl().iloc[-1])
    assert realized == -40
    assert f"당일 실현손익  ▼ -₩{-realized}" in dashboard.html()


@pytest.mark.parametrize("view", VIEWS)
def test_realized_pnl_is_shown_in_other_ways_on_request(view):
    """By symbol, by cash and credit, its drawdown, the day: each is the plain figure, and the others are not drawn."""
    df = kn.load("sample:oddities")
    dashboard = Dashboard(df)
    tabs = dashboard._tabs
    tabs.view.value = view
    shown = {name: chart.layout.display != "none" for name, chart in tabs.others.items()}
    assert shown == {name: name == view for name in VIEWS}
    assert tabs.pnl.layout.display == "none"
    expected = VIEWS[view](df, colors="korea", dark=False)
    assert title(tabs.others[view]) == re.sub("<[^>]*>", "", expected.layout.title.text)
    assert len(tabs.others[view]._lines.looks["light"]["traces"]) == len(expected.data)
    tabs.view.value = TOTAL
    assert tabs.pnl.layout.display is None
    assert all(chart.layout.display == "none" for chart in tabs.others.values())


def test_the_tape_is_written_where_it_is_looked_at():
    """It goes to the page as a whole: behind another tab it is kept up, and not sent."""
    df = kn.load("sample:calm")
    tabs = Dashboard(df.head(0))._tabs
    tabs.advance(df.head(20))
    assert tabs.fills.value == ""
    tabs.selected_index = 3
    assert tabs.fills.value == tabs.tape.html()
    tabs.advance(df)
    assert tabs.fills.value == tabs.tape.html()
    before, tabs.selected_index = tabs.fills.value, 0
    tabs.advance(df.head(30))
    assert tabs.fills.value == before
    tabs.selected_index = 3
    assert tabs.fills.value == tabs.tape.html() != before


@virtual_time
async def test_what_is_looked_at_is_drawn_once_a_second_at_the_most(monkeypatch):
    """However often rows come; and not at all while nobody sees the dashboard."""
    drawn = []
    monkeypatch.setitem(
        VIEWS, "view_day", lambda frame, **options: drawn.append(len(frame)) or plot_day(frame, **options)
    )
    df = kn.load("sample:calm")
    tabs = Dashboard(df)._tabs
    tabs.view.value = "view_day"
    drawn.clear()
    for rows in range(1, 101):
        tabs.advance(df.iloc[:rows])
        await asyncio.sleep(0.01)
    await asyncio.sleep(60)
    assert 1 <= len(drawn) / 2 <= 2  # for a light page and for a dark one
    tabs.advance(df)
    tabs.is_asleep = True
    drawn.clear()
    await asyncio.sleep(60)
    assert drawn == []


# --- replay -----------------------------------------------------------------------------------------------------------


def press(dashboard, **message):
    dashboard._bar._take(None, message, None)
    dashboard._refresh()


def test_the_transport_bar_moves_the_replay(korean):
    """Step both ways, scrub, jump; what is shown is what was known there."""
    df = kn.replay("sample:oddities", autoplay=False)
    dashboard = Dashboard(df)
    press(dashboard, do="seek", row=100)
    assert len(df) == dashboard._bar.state["row"] == 100
    press(dashboard, do="step", n=-1)
    assert len(df) == 99
    held = df.kn.positions(closed=True)
    assert numbers(dashboard)[1] == big(int(held["realized_pnl_today"].sum()))
    press(dashboard, do="drawdown")
    steps = kn.load("sample:oddities").kn.realized_pnl()
    fall = steps - steps.cummax().clip(lower=0)
    assert df["received_at"].iloc[-1] == fall.idxmin()
    press(dashboard, do="next_fill")
    assert df.kn.fills()["row"].iloc[-1] == len(df) - 1


@pytest.mark.parametrize("speed", [1.0, 50.0, 0.25, float("inf")])
def test_the_speed_is_among_the_choices(speed):
    """Also one that was given, or set from a cell."""
    df = kn.replay("sample:calm", autoplay=False)
    bar = Dashboard(df)._bar
    df.kn.speed = speed
    assert bar.state["speed"] == f"{speed:g}"
    choices = [float(value) for value, _ in bar.speeds]
    assert speed in choices
    assert choices == sorted(choices)
    assert {1.0, 60.0, float("inf")} <= set(choices)


def test_a_nonsense_message_of_a_page_is_said_and_changes_nothing(korean):
    """A page may send anything."""
    df = kn.replay("sample:calm", autoplay=False, start=5)
    dashboard = Dashboard(df)
    press(dashboard, do="seek", row="x")
    assert "ValueError" in dashboard._said.value
    assert len(df) == 5


def test_marks_tell_gaps_fills_and_the_drawdown():
    """As parts of the whole, so that the page need not know more."""
    bar = Dashboard(kn.replay("sample:oddities", autoplay=False))._bar
    kinds = {mark["kind"] for mark in bar.marks}
    assert kinds == {"fill", "gap", "drawdown"}
    assert all(0 <= mark["at"] <= 1 for mark in bar.marks)


# --- without a kernel -------------------------------------------------------------------------------------------------


def test_the_snapshot_is_one_file_without_script(tmp_path, korean):
    """It opens anywhere: the numbers, the table, the line as SVG, the tape."""
    df = kn.load("sample:busy")
    path = Dashboard(df).snapshot(tmp_path / "x.html")
    text = path.read_text("utf-8")
    for piece in ("<svg", "삼성전자", "평가손익", *numbers(Dashboard(df))):
        assert piece in text
    assert "<script" not in text


def test_no_account_reaches_a_trait_or_an_output(language):
    """What is masked in the frame is masked everywhere."""
    df = kn.replay("sample:oddities", autoplay=False, start=200)
    dashboard = Dashboard(df)
    for chosen in range(4):
        dashboard._tabs.selected_index = chosen
    dashboard._tabs.selected_index = 0
    for view in VIEWS:
        dashboard._tabs.view.value = view
    widgets = [
        dashboard,
        dashboard._header,
        dashboard._table,
        dashboard._tabs.pnl,
        dashboard._tabs.bars,
        dashboard._tabs.map,
    ]
    said = [json.dumps(one.get_state(), default=str) for one in [*widgets, dashboard._tabs.fills, dashboard._bar]]
    assert not any(WHOLE_ACCOUNT.search(text) for text in [*said, dashboard.html()])
    assert "xxxxxx1111" in dashboard.html()


def test_an_unknown_choice_of_colors_is_named():
    """The sentence says what there is."""
    with pytest.raises(ValueError, match="colors='green'"):
        kn.load("sample:calm").kn.dashboard(colors="green")


def test_every_word_is_there_in_both_languages():
    """With the same values to put in."""
    for korean_word, english in WORDS.values():
        assert korean_word.strip()
        assert english.strip()
        assert set(re.findall(r"{(\w+)", korean_word)) == set(re.findall(r"{(\w+)", english))


def test_a_finished_replay_is_saved_with_its_last_state(tmp_path):
    """What nbconvert shows of a notebook that is saved then; the live view stays beside it, for scrubbing."""
    play = "df.kn.speed = float('inf')\ndf.kn.play()\nimport asyncio\n"
    until_over = "while d._header.state['state'] != 'finished':\n    await asyncio.sleep(0.01)\nlen(df)"
    cells = [
        "import kiwoom_nb as kn\nkn.set_language('en')\ndf = kn.replay('sample:calm', autoplay=False)",
        "d = df.kn.dashboard()\nd",
        play + until_over,
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    rows = notebook.cells[2].outputs[0]["data"]["text/plain"]
    shown = notebook.cells[1].outputs[0]["data"]
    assert int(rows) > 0
    assert f"{rows} events" in shown["text/html"]
    assert "replay finished" in shown["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown


def test_a_saved_notebook_holds_no_account_and_no_token(tmp_path):
    """Everything is searched that lands in the file: outputs, and the state of all widgets."""
    cells = [
        "import kiwoom_nb as kn\nday = kn.simulate(3, events=80)\nserver = kn.serve(day, speed=float('inf'))",
        "df = kn.stream_balances(url=server.url, token=server.token)\nd = df.kn.dashboard()\nd",
        "df.kn.wait(80, timeout=30)",
        "d._tabs.selected_index = 1\nd._tabs.selected_index = 2\nawait __import__('asyncio').sleep(1.5)",
        "df",
        "print(server.token == 'x', df.kn.status)\nopen('token', 'w').write(server.token)\ndf.kn.stop()\nserver.close()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    saved = nbformat.writes(notebook)
    assert notebook.metadata["widgets"]
    assert "xxxxxx1111" in saved
    assert not WHOLE_ACCOUNT.search(saved)
    assert (tmp_path / "token").read_text() not in saved
