"""kiwoom-client: the REST URL is an option; the WebSocket it makes takes the URL as an attribute."""

import asyncio
import json

from kiwoom_client import KiwoomAPI
from loopback import APP_KEY, EVENTS, REST_URL, SECRET_KEY, URL, tell


async def main():
    with KiwoomAPI(APP_KEY, SECRET_KEY, base_url=REST_URL) as api:
        tell(token=api.login()["token"])
        socket = api.create_websocket()
    socket.ws_url = URL
    left = EVENTS

    async def on_balance(entry):
        nonlocal left
        tell(event={"item": entry["item"], "values": entry["values"]})
        left -= 1
        if not left:
            await socket.disconnect()

    socket.on("04", on_balance)
    socket.on_trnm("REG", lambda ack: tell(ack=json.dumps(ack, ensure_ascii=False)))
    await socket.connect()
    await socket.subscribe("04", "")
    await socket.listen()


asyncio.run(main())
