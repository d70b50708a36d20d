"""kiwoom-playground: both URLs are options; REG is a frame of the caller's own."""

import asyncio
import json

from kiwoom_rest.client import KiwoomClient
from loopback import APP_KEY, EVENTS, HOST_URL, REG, REST_URL, SECRET_KEY, tell, tell_events


async def main():
    core = KiwoomClient(APP_KEY, SECRET_KEY, base_url=REST_URL, ws_url=HOST_URL).core
    logged_in, done = asyncio.Event(), asyncio.Event()
    left = EVENTS

    async def on_frame(frame):
        nonlocal left
        left -= tell_events(frame)
        if frame.get("trnm") == "LOGIN":
            tell(token=core._token)
            logged_in.set()
        elif frame.get("trnm") == "REG":
            tell(ack=json.dumps(frame, ensure_ascii=False))
        if left <= 0:
            done.set()

    await core.connect_ws(on_frame)
    await logged_in.wait()
    await core.send_ws(REG)
    await done.wait()
    await core.disconnect_ws()


asyncio.run(main())
