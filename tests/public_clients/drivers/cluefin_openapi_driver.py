"""cluefin-openapi: the REST URL is an attribute, the WebSocket host a class attribute; events are pydantic models."""

import asyncio

from cluefin_openapi.kiwoom._auth import Auth
from cluefin_openapi.kiwoom._domestic_realtime import DomesticRealtime
from cluefin_openapi.kiwoom._socket_client import KiwoomWebSocketClient
from loopback import APP_KEY, EVENTS, HOST_URL, REST_URL, SECRET_KEY, tell
from pydantic import SecretStr


class LoopbackClient(KiwoomWebSocketClient):
    WS_HOST_DEV = HOST_URL


async def main():
    auth = Auth(APP_KEY, SecretStr(SECRET_KEY), env="dev")
    auth.url = REST_URL
    token = auth.generate_token().get_token()
    tell(token=token)
    left = EVENTS
    async with LoopbackClient(token, env="dev", market="domestic") as client:
        realtime = DomesticRealtime(client)
        await realtime.register(["04"], [""])
        async for message in client.events():
            if message.trnm == "REG":
                tell(ack=message.raw)
            for balance in realtime.parse(message):
                for entry in balance.data:
                    tell(event={"item": entry.item, "values": entry.values.model_dump(by_alias=True)})
                    left -= 1
            if left <= 0:
                break


asyncio.run(main())
