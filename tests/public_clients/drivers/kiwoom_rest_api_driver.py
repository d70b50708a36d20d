"""kiwoom-rest-api: base URL and keys come from the environment; the question is what it has of a WebSocket."""

import os
from importlib import metadata
from pathlib import Path

from loopback import APP_KEY, REST_URL, SECRET_KEY, tell

os.environ["KIWOOM_DEFAULT_BASE_URL"] = REST_URL
os.environ["KIWOOM_API_KEY"] = APP_KEY
os.environ["KIWOOM_API_SECRET"] = SECRET_KEY

import kiwoom_rest_api
from kiwoom_rest_api.auth.token import get_access_token

tell(token=get_access_token())
modules = Path(kiwoom_rest_api.__file__).parent.rglob("*.py")
tell(
    with_websocket=[path.name for path in modules if "websocket" in path.read_text(encoding="utf-8").lower()],
    libraries=[
        name
        for distribution in metadata.distributions()
        if "websocket" in (name := distribution.metadata["Name"].lower()) or name == "aiohttp"
    ],
)
