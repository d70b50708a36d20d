"""A real kernel: cells are sent to it by jupyter_client, and every message that it publishes is kept."""

import json
import os
import queue
import time
from pathlib import Path

from jupyter_client.manager import KernelManager

PATIENCE = 60


class Cell:
    """One request and what came of it."""

    def __init__(self, msg_id):
        self.msg_id = msg_id
        self.messages = []
        self.reply = None
        self.is_idle = False

    def content(self, *kinds):
        return [message["content"] for message in self.messages if message["msg_type"] in kinds]

    @property
    def data(self):
        """The MIME bundle that the cell's last expression gave."""
        return self.content("execute_result")[-1]["data"]

    @property
    def value(self):
        """The value of the cell's last expression, a literal."""
        if self.reply["content"]["status"] != "ok":
            raise AssertionError("\n".join(self.reply["content"].get("traceback", ["aborted"])))
        return eval(self.data["text/plain"], {"__builtins__": {}})  # noqa: S307 - of our own cells

    @property
    def error(self):
        """The name of the error that ended the cell."""
        return self.reply["content"].get("ename")


class Kernel:
    """A running kernel. Keys and files are those of the test; its own output goes to a file."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self.home = folder / "home"
        self.target = folder / "target.json"
        self.log = folder / "kernel.log"
        self.messages = []
        self._cells = {}
        private = {"KIWOOM_NB_HOME": self.home, "IPYTHONDIR": folder / "ipython", "TARGET": self.target}
        self.manager = KernelManager(kernel_name="python3", connection_file=str(folder / "kernel.json"))
        with self.log.open("w") as log:
            environment = {**os.environ, **{name: str(path) for name, path in private.items()}, "LC_ALL": "C.UTF-8"}
            self.manager.start_kernel(env=environment, stdout=log, stderr=log)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    # A token that stands in a cell's source would be in the kernel's messages: cells read it from a file.

    def use(self, **targets):
        """Let ``stream(name)`` in a cell stream from these servers."""
        self.target.write_text(json.dumps({name: [server.url, server.token] for name, server in targets.items()}))

    def begin(self, code, **options):
        cell = Cell(self.client.execute(code, **options))
        self._cells[cell.msg_id] = cell
        return cell

    def send(self, channel, message):
        cell = Cell(message["header"]["msg_id"])
        self._cells[cell.msg_id] = cell
        getattr(self.client, channel).send(message)
        return cell

    def run(self, code, **options):
        return self.finish(self.begin(code, **options))

    def finish(self, cell):
        self.until(lambda: cell.is_idle and cell.reply is not None)
        return cell

    def until(self, condition, seconds=PATIENCE):
        """Read messages until ``condition()`` holds."""
        ends_at = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends_at, f"waited too long; {self.logged()}"
            self.read(0.01)

    def is_busy(self, cell):
        """Read until the kernel works on ``cell``."""
        self.until(lambda: cell.content("execute_input"))

    def read(self, seconds):
        """Take what the kernel publishes and answers within ``seconds``."""
        for channel in (self.client.iopub_channel, self.client.shell_channel, self.client.control_channel):
            try:
                while True:
                    self._take(channel.get_msg(timeout=seconds))
            except queue.Empty:
                pass

    def _take(self, message):
        self.messages.append(message)
        cell = self._cells.get(message["parent_header"].get("msg_id"))
        if cell is None:
            return
        if message["msg_type"].endswith("_reply"):
            cell.reply = message
            return
        cell.messages.append(message)
        if message["msg_type"] == "status":
            cell.is_idle = message["content"]["execution_state"] == "idle"

    def peek(self, expression):
        """Evaluate ``expression`` without running a cell: nothing of what happens before each cell happens."""
        cell = self.run("", silent=True, user_expressions={"it": expression})
        return eval(cell.reply["content"]["user_expressions"]["it"]["data"]["text/plain"], {"__builtins__": {}})  # noqa: S307

    def printed(self):
        """Return what was printed, in whatever cell."""
        return "".join(message["content"]["text"] for message in self.messages if message["msg_type"] == "stream")

    def logged(self):
        """Return what the process itself wrote, but for ipykernel's advice about its own sockets."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if "Kernel is running over TCP without encryption" not in line]
