"""What each page of ``kiwoom-nb dashboard`` shows, in the one kernel behind all of them.

There is one frame and one dashboard, however many pages look: a second login with an app key would kick the first. A
stream that has ended is not begun anew because somebody loads a page again (browsers do so by themselves); the command
is run again.
"""

from __future__ import annotations

import functools
import html
import json
import math
import os
from typing import TYPE_CHECKING, Any, Final

from .errors import KiwoomError

if TYPE_CHECKING:
    from .dashboard import Dashboard

OPTIONS: Final = "KIWOOM_NB_PAGE"
"""Environment variable: what to show, as JSON."""
TOKEN: Final = "KIWOOM_NB_TOKEN"  # noqa: S105 - the name of the variable, not a token


def show() -> None:
    """Show the dashboard; what is wrong with the options or the keys is a sentence."""
    from IPython.display import HTML, display

    try:
        shown: object = _dashboard()
    except (KiwoomError, ValueError, OSError) as exc:
        shown = HTML(f'<p role="alert" style="white-space:pre-wrap">kiwoom-nb: {html.escape(str(exc))}</p>')
    display(shown)


@functools.cache
def _dashboard() -> Dashboard:
    """Return the dashboard of this process; where it could not be made, the next page tries again."""
    options = json.loads(os.environ[OPTIONS])
    os.chdir(options["folder"])  # where Export writes to
    frame = _replayed(**options["replay"]) if options["replay"] else _streamed(**options["stream"])
    dashboard: Dashboard = frame.kn.dashboard(colors=options["colors"])
    return dashboard


def _replayed(source: str, speed: float, max_silence: float | None) -> Any:
    from .notebook import replay

    return replay(source, speed=speed or math.inf, max_silence=max_silence)


def _streamed(*, with_token: bool, **options: Any) -> Any:
    """Stream with the token of the environment where the command was given one, else with keys as in a notebook."""
    from .notebook import stream_balances

    return stream_balances(token=os.environ[TOKEN] if with_token else None, **options)
