"""``kiwoom-nb dashboard`` in a browser: what a person sees and does."""

import signal

from lines import until
from page_process import ended, served
from secret_search import KEYS, secrets_in

pytest_plugins = ("browser",)


class Window:
    """One page, and what it said on its console as an error or raised."""

    def __init__(self, chromium, context, address):
        self.do, self.said = chromium.do, []
        self.page = self.do(context.new_page())
        self.do(self._listen())
        self.do(self.page.goto(address, timeout=120_000), 125)
        self.until("() => document.querySelectorAll('.kn-header .kn-value').length === 3")

    async def _listen(self):
        self.page.on("pageerror", lambda error: self.said.append(f"raised: {error.stack or error}"))
        self.page.on("console", lambda said: self.said.append(said.text) if said.type == "error" else None)

    def until(self, script, arg=None):
        self.do(self.page.wait_for_function(script, arg=arg, timeout=120_000), 125)

    def facts(self):
        return self.do(self.page.locator(".kn-facts").inner_text())

    def click(self, selector):
        self.do(self.page.locator(selector).first.click())


def test_a_replay_is_a_page_that_is_watched_and_driven(chromium, tmp_path):
    """Numbers move, pause and step work, a second page shows the same replay; Ctrl-C ends everything.

    The keys of who runs it are not in the page.
    """
    arguments = ("--replay", "sample:oddities", "--speed", "300")
    environment = {**KEYS, "KIWOOM_NB_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    with served(*arguments, **environment) as (process, address):
        context = chromium.do(chromium.chrome.new_context(viewport={"width": 1200, "height": 1300}))
        page = Window(chromium, context, address)
        page.until("() => document.querySelector('.js-plotly-plot .scatterlayer .trace')")
        before = page.facts()
        until(lambda: page.facts() != before, 60)
        page.click(".kn-replay .kn-play")
        page.until("() => document.querySelector('.kn-state').innerText === 'paused'")
        row = "() => Number(document.querySelector('.kn-replay input').value)"
        stands = page.do(page.page.evaluate(row))
        page.click(".kn-replay button[aria-label^='one event on']")
        page.until(f"(wanted) => ({row})() === wanted", stands + 1)
        second = Window(chromium, context, address.partition("?")[0])  # let in by the cookie of the first
        assert second.facts() == page.facts()
        second.click(".kn-replay button[aria-label^='one event back']")
        page.until(f"(wanted) => ({row})() === wanted", stands)
        assert page.said + second.said == []
        assert secrets_in(page.do(page.page.content())) == []
        chromium.do(context.close())
        assert ended(process, signal.SIGINT) == (0, ("", ""))
