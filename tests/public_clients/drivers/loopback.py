"""What the drivers share: where the server is, lines of JSON about what happened, and that nothing leaves 127.0.0.1.

A driver runs in its client's own environment, so this module needs the standard library only.
"""

import ipaddress
import json
import os
import sys

URL = os.environ["SERVER_URL"]
REST_URL = os.environ["SERVER_REST_URL"]
PATH = "/api/dostk/websocket"
HOST_URL = URL.removesuffix(PATH)
APP_KEY = os.environ["APP_KEY_HERE"]
SECRET_KEY = "made-up"
EVENTS = int(os.environ["EVENTS"])
REG = {"trnm": "REG", "grp_no": "1", "refresh": "1", "data": [{"item": [""], "type": ["04"]}]}

_LINES = sys.stdout
sys.stdout = sys.stderr  # what a client prints is not ours


def tell(**what):
    _LINES.write(json.dumps(what) + "\n")
    _LINES.flush()


def tell_events(frame):
    """Tell each entry of a REAL frame and return how many there were."""
    entries = frame["data"] if frame.get("trnm") == "REAL" else []
    for entry in entries:
        tell(event={"item": entry["item"], "values": entry["values"]})
    return len(entries)


def _stay_here(event, args):
    """Refuse to look up or connect to any other machine, whatever the client was told."""
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in {"socket.connect", "socket.sendto"} and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if host and not _is_here(host.decode() if isinstance(host, bytes) else host):
        raise PermissionError(f"{event} of {host!r}: this client is to talk to 127.0.0.1 only")


def _is_here(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


sys.addaudithook(_stay_here)
