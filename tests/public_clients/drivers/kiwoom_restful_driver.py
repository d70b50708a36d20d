"""kiwoom-restful: hosts are checked against the two of Kiwoom, so both URLs are set afterwards; no method registers 04."""

import asyncio
import json

from kiwoom import API, MOCK, Bot
from loopback import APP_KEY, EVENTS, REG, REST_URL, SECRET_KEY, URL, tell


async def main():
    api = API(MOCK, APP_KEY, SECRET_KEY)
    api.host, api.socket.url = REST_URL, URL
    left = EVENTS
    done = asyncio.Event()

    async def on_balance(event):
        nonlocal left
        tell(event={"item": event.item, "values": json.loads(event.values)})
        left -= 1
        if not left:
            done.set()

    async def on_ack(ack):
        tell(ack=json.dumps(ack, ensure_ascii=False))

    api.add_callback_on_real_data("04", on_balance)
    api.add_callback_on_real_data("REG", on_ack)
    async with Bot(MOCK, APP_KEY, SECRET_KEY, api=api) as bot:
        await bot.connect()  # sleeps one second, which is how it waits for the LOGIN ack
        tell(token=bot.token())
        await api.socket.send(REG)
        await done.wait()


asyncio.run(main())
