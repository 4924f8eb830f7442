"""A serial console, used as a person's terminal uses it."""

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.processes.cluster import Client
from tests.programs import PATIENCE_S


def console_token(client: Client, server_id: str) -> str:
    body = {"remote_console": {"protocol": "serial", "type": "serial"}}
    status, made, _ = client.call("POST", f"/compute/v2.1/servers/{server_id}/remote-consoles", body)
    assert status == 200, made
    token: str = made["remote_console"]["url"].rpartition("token=")[2]
    return token


def speaks(url: str, token: str, word: str) -> bool:
    """Whether what is typed comes back, through whoever hears us at that address."""
    said = b""
    try:
        where = f"{url.replace('http', 'ws', 1)}/console/serial?token={token}"
        with connect(where, open_timeout=PATIENCE_S) as socket:
            socket.send(word.encode() + b"\n")
            while word.encode() not in said:
                data = socket.recv(timeout=PATIENCE_S)
                said += data if isinstance(data, bytes) else data.encode()
    except (OSError, TimeoutError, WebSocketException):
        return False
    return True
