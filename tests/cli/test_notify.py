"""systemd starts us with Type=notify, and what depends on us waits for the word."""

import socket
from pathlib import Path

from tests.ports import free_port
from tests.programs import PATIENCE_S, Program, clean


def test_systemd_is_told_when_it_is_ready(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(tmp_path / "notify"))
        door.settimeout(PATIENCE_S)
        words = ("up", "--sim", "--data", str(tmp_path / "cloud"), "--listen", f"127.0.0.1:{free_port()}")
        environment = clean() | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        up = Program(tmp_path / "said", tmp_path / "log", *words, environment=environment)
        try:
            up.begin()
            assert door.recv(100) == b"READY=1"
        finally:
            up.stop()
