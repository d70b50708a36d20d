"""A real JupyterLab in a real browser: one server and one browser for all tests that ask for them.

Name this module in ``pytest_plugins`` of a test module and ask for the fixture ``lab``::

    pytest_plugins = ("browser",)

    def test_a_cell_says_two(lab):
        with lab.notebook("1 + 1") as page:
            page.run_all()
            assert page.text(0) == "2"

Playwright drives Debian's Chromium, or any Chrome or Edge that is found; it brings none of its own here. Without one,
tests are skipped on a laptop and fail where ``CI=true``. A page that said something on the console as an error, or
raised, fails its test.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest

PATIENCE = 60
PROGRAMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "msedge",
    "chrome",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OPTIONS = (
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port=0",
    "--LabApp.expose_app_in_browser=True",
    "--IdentityProvider.token=",
    "--ServerApp.disable_check_xsrf=True",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)
SETTINGS = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {
        "windowingMode": "none",
        "autoStartDefaultKernel": True,
    },
}
IS_IDLE = "() => window.jupyterapp?.shell.currentWidget?.context?.sessionContext.session?.kernel?.status === 'idle'"
CELL = "jupyterapp.shell.currentWidget.content.widgets[{number}]"


def program():
    """Return a Chromium, Chrome or Edge of this machine, else None."""
    found = (shutil.which(name) for name in PROGRAMS)
    return next((path for path in (*found, *PLACES) if path and Path(path).exists()), None)


class Browser:
    """Chromium behind plain calls: Playwright's own loop runs on a thread, since a test may run one itself."""

    def __init__(self, path):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="browser", daemon=True)
        self.thread.start()
        self.do(self._start(path))

    def do(self, work, patience=PATIENCE):
        """Wait for a coroutine of Playwright and return what it gives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(patience)

    async def _start(self, path):
        from playwright.async_api import async_playwright

        self.playwright = await async_playwright().start()
        self.chrome = await self.playwright.chromium.launch(executable_path=path, args=list(FLAGS))

    async def _stop(self):
        await self.chrome.close()
        await self.playwright.stop()

    def close(self):
        self.do(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


class Lab:
    """A JupyterLab server on a free port, with folders of its own, and a browser to look at it."""

    def __init__(self, folder: Path, browser: Browser):
        self.folder, self.browser = folder, browser
        self.notebooks = folder / "notebooks"
        self.runtime = folder / "runtime"
        self.count = 0
        for private in ("notebooks", "config", "data", "runtime", "ipython", "home"):
            (folder / private).mkdir(parents=True)
        for name, values in SETTINGS.items():
            path = folder / "config" / "lab" / "user-settings" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        own = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
            "KIWOOM_NB_HOME": "home",
        }
        environment = {**os.environ, **{name: str(folder / place) for name, place in own.items()}, "LC_ALL": "C.UTF-8"}
        environment.pop("PYTEST_CURRENT_TEST", None)
        self.log = folder / "lab.log"
        with self.log.open("w") as log:
            command = [sys.executable, "-m", "jupyterlab", *OPTIONS, f"--ServerApp.root_dir={self.notebooks}"]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.notebooks)
        self.url = self._url()

    def _url(self):
        ends_at = time.monotonic() + PATIENCE
        while time.monotonic() < ends_at and self.process.poll() is None:
            for path in self.runtime.glob("jpserver-*.json"):
                with contextlib.suppress(ValueError):  # half written
                    return json.loads(path.read_text())["url"]
            time.sleep(0.05)
        raise AssertionError(f"JupyterLab did not start:\n{self.log.read_text()}")

    @contextlib.contextmanager
    def notebook(self, *cells, width=1280, height=900, dark=False):
        """Open a notebook of these cells in a page of its own; afterwards its kernel ends and the page was content."""
        self.count += 1
        path = self.notebooks / f"test_{self.count}.ipynb"
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(made, path)
        page = Page(self, path, width, height)
        try:
            page.open(dark=dark)
            yield page
            page.must_be_content()
        finally:
            page.close()

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


class Page:
    """A notebook in JupyterLab; ``do`` and ``page`` give all of Playwright's (asynchronous) page."""

    def __init__(self, lab, path, width, height):
        self.do, self.lab, self.path = lab.browser.do, lab, path
        self.said = []
        options = {"viewport": {"width": width, "height": height}, "locale": "ko-KR", "timezone_id": "Asia/Seoul"}
        self.context = self.do(lab.browser.chrome.new_context(**options))
        self.page = self.do(self.context.new_page())
        self.listen("pageerror", self._note_error)
        self.listen("console", self._listen)

    def listen(self, event, heard):
        """Hear of an event of the page from now on; Playwright wants to be told on the browser's own loop."""

        async def begin():
            self.page.on(event, heard)

        self.do(begin())

    def _note_error(self, error):
        """Note what was raised, with its stack; what JupyterLab raises in its own files is not about our widgets."""
        frames = [line for line in (error.stack or "").splitlines() if line.lstrip().startswith("at ")]
        if not frames or not all("/static/lab/" in frame for frame in frames):
            self.said.append(f"raised: {error.stack or error}")

    def _listen(self, message):
        if message.type == "error":
            self.said.append(f"console: {message.text} ({message.location.get('url', '')})")

    def open(self, *, dark=False):
        self.do(self.page.goto(f"{self.lab.url}lab/tree/{self.path.name}?reset"))
        self.until(IS_IDLE)
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"  # the server remembers that of the page before
        self.js("(theme) => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        self.until("(light) => document.body.dataset.jpThemeLight === light", json.dumps(not dark))

    def js(self, script, arg=None):
        """Return what a function gives in the page."""
        return self.do(self.page.evaluate(script, arg))

    def until(self, script, arg=None, patience=PATIENCE):
        """Wait until a function is true in the page."""
        self.do(self.page.wait_for_function(script, arg=arg, timeout=1000 * patience), patience + 5)

    def run(self, number):
        """Run the cell of that number and return its outputs, none of them an error."""
        self.js(
            "async (number) => { const notebook = jupyterapp.shell.currentWidget.content;"
            " notebook.deselectAll(); notebook.activeCellIndex = number; notebook.mode = 'command';"
            " await jupyterapp.commands.execute('notebook:run-cell'); }",
            number,
        )
        outputs = self.outputs(number)
        failed = ["\n".join(output["traceback"]) for output in outputs if output["output_type"] == "error"]
        assert failed == [], failed[0]
        return outputs

    def run_all(self):
        """Run all cells, one after the other."""
        for number in range(self.js("() => jupyterapp.shell.currentWidget.content.widgets.length")):
            self.run(number)

    def outputs(self, number):
        """Return the outputs of a cell, as they would be saved."""
        return self.js(f"(number) => {CELL.format(number='number')}.model.sharedModel.toJSON().outputs", number)

    def text(self, number):
        """Return the text/plain of the last output of a cell."""
        text = self.outputs(number)[-1]["data"]["text/plain"]
        return text if isinstance(text, str) else "".join(text)

    def python(self, code):
        """Run code in the kernel, with no cell; wait until it is done."""
        status = self.js(
            "async (code) => { const kernel = jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;"
            " const reply = await kernel.requestExecute({code, store_history: false}).done;"
            " return reply.content.status === 'ok' ? '' : reply.content.traceback.join('\\n'); }",
            code,
        )
        assert status == "", status

    def look(self, selector):
        """Return Playwright's locator."""
        return self.page.locator(selector)

    def click(self, selector):
        self.do(self.page.locator(selector).first.click())

    def press(self, *keys):
        """Press keys, one after the other, wherever the focus is."""
        for key in keys:
            self.do(self.page.keyboard.press(key))

    def texts(self, selector):
        """Return the texts of all elements that match."""
        return self.do(self.page.locator(selector).all_inner_texts())

    def resize(self, width, height):
        self.do(self.page.set_viewport_size({"width": width, "height": height}))

    def screenshot(self, path, selector=None):
        """Write a picture of the page, or of one element."""
        target = self.page.locator(selector).first if selector else self.page
        self.do(target.screenshot(path=str(path)))

    def must_be_content(self):
        """Fail on anything that raised in the page or was said on its console as an error."""
        assert self.said == [], "\n".join(self.said)

    def close(self):
        shut = "async () => { await window.jupyterapp?.shell.currentWidget?.context?.sessionContext.shutdown(); }"
        with contextlib.suppress(Exception):  # a page that broke down has nothing to shut
            self.do(self.page.evaluate(shut), 10)
        self.do(self.context.close())


@pytest.fixture(scope="session")
def chromium():
    """A browser; where there is none, the reason."""
    path = program()
    if path is None:
        reason = "No Chromium, Chrome or Edge was found: the tests in a browser need one (on Debian: chromium)."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    browser = Browser(path)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):
    """A JupyterLab for all tests of the session."""
    lab = Lab(tmp_path_factory.mktemp("lab"), chromium)
    yield lab
    lab.close()
