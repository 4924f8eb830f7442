"""The doors of one process: sockets, taken before anything is made, so that one that is taken is told in time.

One of several workers has two: the one that all of them share, where the kernel chooses who hears a client, and one of
its own, where the others reach what only this one has, such as the consoles of its hosts.
"""

import socket
import ssl
from pathlib import Path
from typing import Self

from trivet.errors import Invalid
from trivet.serving.certificate import Certificate, trusting_only
from trivet.settings import Settings


class Doors:
    """Taken while it is a context; nobody is let in before `serving`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sockets: list[socket.socket] = []
        self._aside: list[socket.socket] = []
        self.own_url = settings.own_url
        """The URL at which this very process answers, and no other."""

    def __enter__(self) -> Self:
        """What is missing is told before anything is made."""
        if self._settings.tls_certificate:
            Certificate(Path(self._settings.tls_certificate), Path(self._settings.tls_key))
        if self._settings.workers > 1:
            self._sockets.append(self._take(self._host, 0))
            self.own_url = self._settings.url_at(self._sockets[0].getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        for taken in (*self._sockets, *self._aside):
            taken.close()

    def trust(self) -> ssl.SSLContext | None:
        """What shows the certificate of this cloud when one of its processes asks another; None without TLS."""
        certificate = self._settings.tls_certificate
        return trusting_only(Path(certificate)) if certificate else None

    @property
    def _host(self) -> str:
        return self._settings.listen_host.strip("[]")

    def open(self) -> list[socket.socket]:
        self._sockets.append(self._take(self._host, self._settings.listen_port))
        for taken in self._sockets:
            _let_in(taken)
        return self._sockets

    def open_aside(self, setting: str, further: int = 0) -> socket.socket:
        """Another door than the API's, at the address that a setting names, or so many ports further."""
        host, _, port = str(getattr(self._settings, setting)).rpartition(":")
        taken = self._take(host.strip("[]"), int(port) + further, setting)
        self._aside.append(taken)
        _let_in(taken)
        return taken

    def _take(self, host: str, port: int, setting: str = "listen") -> socket.socket:
        taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if port and self._settings.workers > 1:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            taken.bind((host, port))
        except OSError as error:
            taken.close()
            raise Invalid(
                "listen.refused",
                f"Cannot listen on {getattr(self._settings, setting)} ({error.strerror}); choose another with "
                f"{'--listen' if setting == 'listen' else setting}.",
            ) from error
        return taken


def _let_in(taken: socket.socket) -> None:
    taken.listen(1024)
    taken.setblocking(False)
