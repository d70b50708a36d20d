import json
import os
import signal
import threading
import time

import pytest
from frames import event
from kernels import Kernel
from lines import until

from kiwoom_nb.classroom import serve
from kiwoom_nb.storage import load

SETUP = """
import asyncio, json, os, sys, time, warnings
import kiwoom_nb as kn

def stream(name="server", **options):
    url, token = json.load(open(os.environ["TARGET"]))[name]
    return kn.stream_balances(url=url, token=token, **options)

def events(df):
    return df.kn.status.events
"""
LIVE = "while df.kn.status.state != 'live': await asyncio.sleep(0.01)"


@pytest.fixture(scope="module")
def module_kernel(tmp_path_factory):
    """One kernel for all tests that leave it alive."""
    kernel = Kernel(tmp_path_factory.mktemp("kernels") / "shared")
    kernel.run(SETUP)
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(module_kernel):
    """The shared kernel. After each test its streams are stopped, and nothing was printed by anything behind them."""
    yield module_kernel
    module_kernel.run("kn.notebook.stop_all()")
    assert (module_kernel.printed(), module_kernel.logged()) == ("", [])


@pytest.fixture
def own_kernel(tmp_path):
    """A kernel of this test's own, to be killed or bent."""
    kernel = Kernel(tmp_path / "own")
    kernel.run(SETUP)
    yield kernel
    kernel.close()


@pytest.fixture
def server(request):
    """A server on a thread of the test process; no message of a kernel may hold its token."""
    kernel = request.getfixturevalue("own_kernel" if "own_kernel" in request.fixturenames else "kernel")
    with serve() as server:
        kernel.use(server=server)
        yield server
        token = server.token
    assert not [message for message in kernel.messages if token in json.dumps(message, default=str)]
    assert token not in kernel.log.read_text()


def push(server, first, last):
    for number in range(first, last):
        server.push(event(f930=str(number)))


def live(kernel, options=""):
    """Run the cell that streams and wait until it is live."""
    assert kernel.run(f"df = stream({options})").reply["content"]["status"] == "ok"
    kernel.run(LIVE)


def later(action, *args, after=0.5):
    timer = threading.Timer(after, action, args)
    timer.start()
    return timer


# A cell that streams


def test_the_cell_returns_at_once_and_prints_nothing(kernel, server):
    """An empty frame with all columns is there before anything is connected."""
    cell = kernel.run("begun = time.monotonic(); df = stream(); took = time.monotonic() - begun; n = len(df)")
    assert cell.content("stream", "display_data", "execute_result", "error") == []
    assert kernel.run("took, n, len(df.columns)").value[1:] == (0, 30)
    assert kernel.run("took").value < 1


@pytest.mark.parametrize("options", ["", "background=True"])
def test_rows_appear_by_themselves_between_cells(kernel, server, options):
    """No cell needs to run for it."""
    live(kernel, options)
    push(server, 0, 3)
    kernel.until(lambda: kernel.peek("len(df)") == 3)


@pytest.mark.parametrize("options", ["", "background=True"])
def test_within_a_cell_that_does_not_await_the_frame_stands_still(kernel, server, options):
    """Rows that arrive meanwhile show in the next cell, which begins with the newest ones."""
    live(kernel, options)
    push(server, 0, 2)
    kernel.until(lambda: kernel.peek("len(df)") == 2)
    timer = later(push, server, 2, 9, after=0.2)
    assert kernel.run("before = len(df); time.sleep(0.8); before, len(df)").value == (2, 2)
    timer.join()
    until(lambda: server.sent == 9)
    kernel.run("while events(df) < 9: await asyncio.sleep(0.01)")
    assert kernel.run("len(df)").value == 9


def test_no_expression_ever_sees_the_frame_move(kernel, server):
    """df[df.price > 0] is one frame under any load, also where another thread receives."""
    live(kernel, "background=True")
    done = threading.Event()

    def load_it():
        while not done.is_set():
            push(server, 0, 20)

    thread = threading.Thread(target=load_it)
    thread.start()
    cell = kernel.run(
        "sizes = set()\n"
        "ends_at = time.monotonic() + 1.5\n"
        "while time.monotonic() < ends_at:\n"
        "    sizes.add((len(df), len(df[df.price > 0]), len(df.price * df.quantity)))\n"
        "len(sizes), len({n for row in sizes for n in row}), events(df) > len(df)"
    )
    done.set()
    thread.join()
    assert cell.value == (1, 1, True)


def test_the_output_of_the_cell_has_the_state_line(kernel, server):
    """A person sees what the stream is doing above the rows, first that none has come and how to wait."""
    live(kernel)
    html = kernel.run("df").data["text/html"]
    assert "● live · " in html
    assert "no events yet" in html
    assert "df.kn.wait()" in html
    push(server, 0, 1)
    kernel.until(lambda: kernel.peek("len(df)") == 1)
    data = kernel.run("df").data
    assert "● live · " in data["text/html"]
    assert "1 events" in data["text/plain"]


def test_the_same_cell_again_gives_the_same_frame_and_other_options_are_refused(kernel, server):
    """One app key holds one connection. After stop() it starts anew, with the day's rows and the pause as a gap."""
    live(kernel)
    push(server, 0, 2)
    assert kernel.run("df.kn.wait(2, timeout=30)").value
    assert kernel.run("df2 = stream(); df2 is df").value
    cell = kernel.run("stream(record=False, background=True)")
    assert cell.error == "ValueError"
    assert "record=True, background=False" in cell.reply["content"]["evalue"]
    kernel.run("df.kn.stop(); df2 = stream(); n = len(df2)")
    assert kernel.run("df2 is df, n, df.kn.status.state").value == (False, 2, "stopped")
    kernel.run("df, old = df2, df")
    kernel.run(LIVE)
    assert kernel.run("df.kn.sync(); df.kn.gaps.reason.tolist(), len(old), len(df)").value == (["stopped"], 2, 2)


# Waiting in a cell


def test_cells_queued_behind_a_wait_run_afterwards_in_order(kernel, server):
    """Run All: the wait blocks its own cell and no cell is lost."""
    live(kernel)
    kernel.run("order = []")
    waiting = kernel.begin("order.append('waiting'); order.append(df.kn.wait(2)); order.append(len(df))")
    queued = [kernel.begin(f"order.append({number})") for number in range(5)]
    kernel.is_busy(waiting)
    push(server, 0, 1)
    kernel.read(0.5)
    assert not any(cell.content("execute_input") for cell in queued)
    push(server, 1, 2)
    for cell in (waiting, *queued):
        assert kernel.finish(cell).reply["content"]["status"] == "ok"
    assert kernel.run("order").value == ["waiting", True, 2, 0, 1, 2, 3, 4]


def test_a_wait_in_a_cell_gives_false_when_the_time_is_over(kernel, server):
    """And the rows that came until then are shown."""
    live(kernel)
    later(push, server, 0, 1, after=0.2)
    assert kernel.run("df.kn.wait(2, timeout=1), len(df)").value == (False, 1)


@pytest.mark.parametrize("options", ["", "background=True"])
@pytest.mark.parametrize("wait", ["df.kn.wait()", "await df.kn.changed()", "while True: df.kn.wait(timeout=0.05)"])
def test_an_interrupt_ends_the_wait_and_never_the_stream(kernel, server, wait, options):
    """The cell ends with KeyboardInterrupt (CancelledError where it awaits), and further rows arrive."""
    live(kernel, options)
    cell = kernel.begin(wait)
    kernel.is_busy(cell)
    kernel.read(0.3)
    kernel.manager.interrupt_kernel()
    assert kernel.finish(cell).error == ("CancelledError" if "await" in wait else "KeyboardInterrupt")
    push(server, 0, 3)
    kernel.until(lambda: kernel.peek("len(df)") == 3)
    assert kernel.run("df.kn.status.state, len(df.kn.gaps)").value == ("live", 0)


def test_an_interrupt_of_an_idle_kernel_does_nothing_to_the_stream(kernel, server):
    """Nor does one while a cell computes."""
    live(kernel)
    kernel.manager.interrupt_kernel()
    cell = kernel.begin("time.sleep(60)")
    kernel.is_busy(cell)
    kernel.read(0.2)
    kernel.manager.interrupt_kernel()
    assert kernel.finish(cell).error == "KeyboardInterrupt"
    push(server, 0, 1)
    kernel.until(lambda: kernel.peek("len(df)") == 1)
    assert kernel.run("df.kn.status.state").value == "live"


def test_await_changed_in_a_cell(kernel, server):
    """It is the same wait without blocking."""
    live(kernel)
    later(push, server, 0, 2, after=0.2)
    assert kernel.run("await df.kn.changed(2, timeout=30), len(df)").value == (True, 2)


def subshell_of(kernel):
    """Create a subshell, over the control channel, and return its id."""
    created = kernel.send("control_channel", kernel.client.session.msg("create_subshell_request"))
    kernel.until(lambda: created.reply is not None)
    return created.reply["content"]["subshell_id"]


@pytest.mark.parametrize("options", ["", "background=True"])
def test_a_request_to_a_subshell_is_served_during_a_wait(kernel, server, options):
    """A front end may run code beside the cell that waits (ipykernel 7)."""
    live(kernel, options)
    waiting = kernel.begin("df.kn.wait(1)")
    kernel.is_busy(waiting)
    content = {"code": "n = len(df), df.kn.status.state", "silent": False, "store_history": False}
    message = kernel.client.session.msg("execute_request", content | {"user_expressions": {"n": "n"}})
    message["header"]["subshell_id"] = subshell_of(kernel)
    beside = kernel.send("shell_channel", message)
    kernel.until(lambda: beside.reply is not None)
    assert waiting.reply is None
    assert beside.reply["content"]["user_expressions"]["n"]["data"]["text/plain"] == "(0, 'live')"
    push(server, 0, 1)
    assert kernel.finish(waiting).value is True


@pytest.mark.parametrize("options", ["", "background=True"])
def test_a_message_of_a_widget_is_answered_during_a_wait_and_none_is_lost(kernel, server, options):
    """JupyterLab sends them over a subshell: answered at once. Of other front ends they are answered afterwards."""
    live(kernel, options)
    kernel.run(
        "def opened(comm, message):\n"
        "    comm.on_msg(lambda message: comm.send({'echo': message['content']['data'], 'rows': len(df)}))\n"
        "get_ipython().kernel.comm_manager.register_target('test', opened)"
    )
    session, comm = kernel.client.session, f"comm-{options}"
    kernel.client.shell_channel.send(session.msg("comm_open", {"comm_id": comm, "target_name": "test", "data": {}}))
    kernel.run("")
    waiting = kernel.begin("df.kn.wait(1)")
    kernel.is_busy(waiting)
    over_main = session.msg("comm_msg", {"comm_id": comm, "data": "main"})
    over_subshell = session.msg("comm_msg", {"comm_id": comm, "data": "subshell"})
    over_subshell["header"]["subshell_id"] = subshell_of(kernel)
    kernel.client.shell_channel.send(over_main)
    kernel.client.shell_channel.send(over_subshell)

    def echoes():
        comms = [message["content"] for message in kernel.messages if message["msg_type"] == "comm_msg"]
        return {content["data"]["echo"]: content["data"]["rows"] for content in comms if content["comm_id"] == comm}

    kernel.until(lambda: "subshell" in echoes())
    assert waiting.reply is None
    assert echoes()["subshell"] == 0
    push(server, 0, 1)
    assert kernel.finish(waiting).value is True
    kernel.until(lambda: "main" in echoes())


# Long cells


def test_a_long_cell_costs_the_line_in_the_loop_and_nothing_in_the_background(kernel):
    """A gap and the stall are told for the one; the other answered each PING and has every event."""
    kernel.run("from kiwoom_nb import session; before = session.STALL; session.STALL = 1.0")
    with (
        serve(ping_interval=0.2, heartbeat_timeout=1.5) as inside,
        serve(ping_interval=0.2, heartbeat_timeout=1.5) as outside,
    ):
        kernel.use(inside=inside, outside=outside)
        kernel.run("df, bg = stream('inside'), stream('outside', background=True)")
        kernel.run(LIVE)
        kernel.run(LIVE.replace("df.", "bg."))
        computing = kernel.begin(
            "ends_at = time.monotonic() + 4\nwhile time.monotonic() < ends_at: sum(range(1000))\nlen(df), len(bg)"
        )
        kernel.is_busy(computing)
        for number in range(20):
            push(inside, number, number + 1)
            push(outside, number, number + 1)
            time.sleep(0.1)
        until(lambda: inside.sessions == 0)
        push(inside, 20, 25)
        push(outside, 20, 25)
        assert kernel.finish(computing).value == (0, 0)
        kernel.run("while not (df.kn.status.gaps and df.kn.status.state == 'live'): await asyncio.sleep(0.01)")
        assert kernel.run("assert bg.kn.wait(25, timeout=30); bg.quantity.tolist()").value == list(range(25))
        assert kernel.run("bg.kn.status.state, len(bg.kn.gaps), bg.kn.status.stalled_for").value == ("live", 0, 0.0)
        assert kernel.run("df.kn.sync(); df.kn.gaps.end.isna().tolist()").value == [False]
        lines = kernel.run("str(df.kn.status), str(bg.kn.status)").value
        assert lines[0].count("the notebook stood still for") == 1
        assert "background=True" not in lines[1]
        rows = kernel.run("len(df)").value
        push(inside, 25, 26)
        assert kernel.run(f"df.kn.wait({rows + 1}, timeout=30) and int(df.quantity.iloc[-1])").value == 25
        kernel.run("session.STALL = before; df.kn.stop(); bg.kn.stop()")


# What patches the loop


def test_the_loop_is_patched_only_by_a_wait_that_needs_it(own_kernel, server):
    """Neither import nor stream nor a wait of a background stream; an old patch of nest-asyncio is warned of."""
    live(own_kernel, "background=True")
    later(push, server, 0, 1)
    assert own_kernel.run("df.kn.wait(1, timeout=30)").value
    assert own_kernel.run("hasattr(asyncio, '_nest_patched'), 'nest_asyncio2' in sys.modules").value == (False, False)
    own_kernel.run("df.kn.stop()")
    live(own_kernel)
    own_kernel.run("asyncio._nest_patched = True")
    cell = own_kernel.run(
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    df.kn.wait(timeout=0.1)\n"
        "[(str(one.message), one.filename.startswith(('/tmp', '<ipython'))) for one in told if 'nest-asyncio' in str(one.message)]"
    )
    [(text, points_to_the_cell)] = cell.value
    assert "loses cells on ipykernel 7" in text
    assert points_to_the_cell


# The end of a kernel


def lines_of_the_journal(kernel):
    [journal] = kernel.home.rglob("*.jsonl")
    raw = journal.read_bytes()
    assert raw.endswith(b"\n")
    return [json.loads(line) for line in raw.splitlines()]


@pytest.mark.parametrize("cell", ["", "df.kn.wait()"])
def test_a_shutdown_leaves_a_closed_journal(own_kernel, server, cell):
    """Also one during a wait: the journal's last line says that the stream was stopped."""
    live(own_kernel)
    push(server, 0, 3)
    own_kernel.until(lambda: own_kernel.peek("len(df)") == 3)
    if cell:
        own_kernel.is_busy(own_kernel.begin(cell))
        own_kernel.read(0.3)
    own_kernel.client.shutdown()
    until(lambda: not own_kernel.manager.is_alive(), 30)
    lines = lines_of_the_journal(own_kernel)
    assert lines[-1]["event"] == "stopped"
    assert sum("frame" in line and line["frame"]["trnm"] == "REAL" for line in lines) == 3
    logged = "\n".join(own_kernel.logged())
    assert "never retrieved" not in logged
    assert "was destroyed" not in logged
    assert cell or not logged  # a cell that runs then cannot be answered any more, says ipykernel


def test_a_termination_leaves_a_valid_journal(own_kernel, server):
    """SIGTERM ends a kernel at once, without asking anybody: every line is whole all the same."""
    live(own_kernel)
    push(server, 0, 3)
    own_kernel.until(lambda: own_kernel.peek("len(df)") == 3)
    os.kill(own_kernel.manager.provisioner.pid, signal.SIGTERM)
    until(lambda: not own_kernel.manager.is_alive(), 30)
    lines = lines_of_the_journal(own_kernel)
    assert sum("frame" in line and line["frame"]["trnm"] == "REAL" for line in lines) == 3
    assert own_kernel.logged() == []


@pytest.mark.parametrize("options", ["", "background=True"])
def test_a_kill_under_load_loses_no_row_that_was_shown(own_kernel, server, options):
    """At any moment a kill -9 may come: the journal has at least the rows that a cell saw."""
    live(own_kernel, options)
    own_kernel.begin("while True:\n    await df.kn.changed()\n    print(len(df), flush=True)")
    done = threading.Event()

    def load_it():
        number = 0
        while not done.is_set():
            push(server, number, number + 10)
            number += 10

    thread = threading.Thread(target=load_it)
    thread.start()

    def shown():
        streams = "".join(m["content"]["text"] for m in own_kernel.messages if m["msg_type"] == "stream")
        return [int(line) for line in streams.split("\n")[:-1]]

    own_kernel.until(lambda: len(shown()) >= 5)
    os.kill(own_kernel.manager.provisioner.pid, signal.SIGKILL)
    until(lambda: not own_kernel.manager.is_alive(), 30)
    done.set()
    thread.join()
    own_kernel.read(0.1)
    [journal] = own_kernel.home.rglob("*.jsonl")
    recorded = load(journal)
    assert len(recorded) >= shown()[-1] > 0
    assert recorded["quantity"].tolist() == list(range(len(recorded)))
