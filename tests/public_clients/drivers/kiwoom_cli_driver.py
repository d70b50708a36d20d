"""kiwoom-cli: two hosts are known, by name; their URLs are replaced. Run as ``kiwoom -f json stream balance``.

With the argument ``raw`` it is ``kiwoom stream balance --raw``.
"""

import contextlib
import io
import json
import os
import sys

from loopback import APP_KEY, EVENTS, HOST_URL, REST_URL, SECRET_KEY, tell

os.environ["KIWOOM_DOMAIN"] = "mock"

from kiwoom_cli import config, streaming
from kiwoom_cli.client import KiwoomClient
from kiwoom_cli.main import cli

config.DOMAINS["mock"] = REST_URL
streaming.WS_DOMAINS["mock"] = HOST_URL

with KiwoomClient() as client:
    os.environ["KIWOOM_TOKEN"] = client.issue_token(APP_KEY, SECRET_KEY)
tell(token=os.environ["KIWOOM_TOKEN"])

raw = sys.argv[1:] == ["raw"]
arguments = [*([] if raw else ["-f", "json"]), "stream", "balance", *(["--raw"] if raw else [])]
printed = io.StringIO()
exit_code = 0
with contextlib.redirect_stdout(printed):
    try:
        cli.main([*arguments, "--max-events", str(EVENTS), "--duration", "30s"], prog_name="kiwoom")
    except SystemExit as ended:
        exit_code = ended.code or 0

if raw:
    text = printed.getvalue()
    tell(exit_code=exit_code, entries=text.count('"9201"'), timed_out="R10002" in text)
else:
    for line in printed.getvalue().splitlines():
        told = json.loads(line)
        tell(event=told["data"]) if told["ok"] else tell(error=told["error"])
    tell(exit_code=exit_code)
