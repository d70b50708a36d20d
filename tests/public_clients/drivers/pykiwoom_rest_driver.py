"""pykiwoom-rest: the REST URL is a class attribute, the WebSocket URL an option that must be wss://."""

import asyncio
import json

from loopback import APP_KEY, EVENTS, REST_URL, SECRET_KEY, URL, tell
from pykiwoom_rest import AuthAPI, KiwoomAPIError, WebSocketClient


class LoopbackAuth(AuthAPI):
    BASE_URL = REST_URL


class TellingClient(WebSocketClient):
    """Tells the frames that come besides the events, for it shows them to nobody."""

    async def _handle_message(self, message):
        if (trnm := json.loads(message)["trnm"]) not in {"PING", "REAL"}:
            tell(frame=message, trnm=trnm)
        await super()._handle_message(message)


async def main():
    auth = LoopbackAuth(account_no="1111111111", appkey=APP_KEY, appsecret=SECRET_KEY)
    try:
        auth.get_access_token()
    except KiwoomAPIError as error:
        tell(token_error=str(error))
    tell(token=auth.access_token)  # it was taken before its expiry could not be read
    keys = (auth.access_token, APP_KEY, SECRET_KEY)
    try:
        WebSocketClient(URL.replace("wss://", "ws://"), *keys)
    except ValueError as error:
        tell(plain_error=str(error))
    client = TellingClient(URL, *keys, api_id="04", auto_reconnect=False)
    left = EVENTS

    def on_balance(entry):
        nonlocal left
        tell(event={"item": entry["item"], "values": entry["values"]})
        left -= 1

    client.register_callback("04", on_balance)
    tell(connected=await client.connect())
    tell(subscribed=await client.subscribe("04", ""))
    async with asyncio.timeout(20):
        while client.is_connected and left > 0:  # noqa: ASYNC110 - it offers nothing to wait for
            await asyncio.sleep(0.05)
    await client.disconnect()


asyncio.run(main())
