"""What a command that stays up says on its standard output, for people and for scripts that wait for `ready`."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from trivet.cli import data_folder
from trivet.settings import Settings


def say(sentence: str) -> None:
    print(sentence, flush=True)


def say_ready(settings: Settings, seconds: float) -> None:
    clouds_yaml = Path(settings.data) / "clouds.yaml"
    many = f" by {settings.workers} workers" if settings.workers > 1 else ""
    # A process that joined a cloud made elsewhere has none: it does not know the password.
    where = f"; clouds.yaml: {clouds_yaml}" if clouds_yaml.exists() else ""
    if settings.listens_everywhere and not settings.public_url:
        say(
            f"The catalog sends clients to {settings.url}. If they cannot reach this machine there, give the right "
            "address with --public-url (or TRIVET_PUBLIC_URL)."
        )
    data_folder.note_url(Path(settings.data), settings.own_url)
    say(f"ready: {settings.url}{many} after {seconds:.1f} s{where}")
    _tell_systemd("READY=1")


def _tell_systemd(word: str) -> None:
    """If it started us and waits for the word (Type=notify)."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if where:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door, suppress(OSError):
            door.connect("\0" + where[1:] if where.startswith("@") else where)
            door.send(word.encode())
