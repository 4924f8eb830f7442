"""Ironic as one process, which is ours: `python -m trivet.drivers.ironic.child CONF FILES [DOOR [MEDIA]]`.

Conductor and API run in its threads. It ends when whoever started it has: it reads its standard input, where nothing
ever comes. Who asks on its socket is who the headers say, since nobody but us can open it; Ironic's own rules decide
what he may. At DOOR, which is open to the deploy network, the ramdisk's calls are answered, in nobody's name, and
the files in FILES are given, which management controllers find at MEDIA; both are ADDRESS:PORT.
"""

import os
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trivet.drivers.ironic.config import READY
from trivet.drivers.ironic.files import Application, Environ, Files, StartResponse

os.environ.setdefault("OSLO_SERVICE_BACKEND", "threading")
warnings.simplefilter("ignore")

_RAMDISKS = re.compile(
    r"(GET (/v1)?|GET /v1/lookup|POST /v1/heartbeat/[A-Za-z0-9-]{1,64}|POST /v1/continue_inspection)/?\Z"
)
"""Which versions there are it asks, too: without an answer it speaks an old one, and is refused."""
_IDENTITY = re.compile(r"HTTP_(X_|OPENSTACK_SYSTEM_SCOPE|FORWARDED)")
_VERSION = "HTTP_X_OPENSTACK_IRONIC_API_VERSION"
_WHO = "HTTP_X_IDENTITY_STATUS"


class Believing:
    """In the place of Keystone's middleware: we have looked at the token already."""

    def __init__(self, app: Application, conf: object) -> None:
        self._app = app

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        if environ.get(_WHO) != "Confirmed":
            start("401 Unauthorized", [("Content-Type", "application/json")])
            return [b'{"error_message": "Nobody is named."}']
        return self._app(environ, start)


class Door:
    """What the deploy network sees of it."""

    def __init__(self, app: Application, files: Application) -> None:
        self._app = app
        self._files = files

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if not _RAMDISKS.match(f"{environ['REQUEST_METHOD']} {path}"):
            if not path.startswith("/v1"):
                return self._files(environ, start)
            start("404 Not Found", [("Content-Type", "application/json")])
            return [b"{}"]
        said = {name: value for name, value in environ.items() if name == _VERSION or not _IDENTITY.match(name)}
        return self._app(said, start)


def announce_writing() -> None:
    """SQLite refuses who began by reading and then writes, if another wrote meanwhile, instead of waiting for him. So
    whoever is going to write says that at once, and they take turns."""
    from ironic.db.sqlalchemy import api as database  # noqa: PLC0415
    from sqlalchemy import Connection, Engine, event, text  # noqa: PLC0415

    here, session_for_write = threading.local(), database._session_for_write

    @contextmanager
    def announced() -> Iterator[object]:
        here.writes = getattr(here, "writes", 0) + 1
        try:
            with session_for_write() as session:
                yield session
        finally:
            here.writes -= 1

    def begin(connection: Connection) -> None:
        if getattr(here, "writes", 0) and "in_transaction" not in connection.info:
            connection.execute(text("BEGIN IMMEDIATE"))
            connection.info["in_transaction"] = True  # by which oslo.db knows that it has begun

    event.listen(Engine, "begin", begin)
    database._session_for_write = announced


def end_with_who_started_us() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def main(file: str, folder: str, door: str = "", media: str = "") -> None:
    threading.Thread(target=end_with_who_started_us, daemon=True).start()
    from ironic.api import app as api  # noqa: PLC0415 # an extra: only this process has it
    from ironic.common import service  # noqa: PLC0415
    from ironic.conductor import rpc_service  # noqa: PLC0415
    from ironic.db import migration  # noqa: PLC0415
    from oslo_config import cfg  # noqa: PLC0415

    service.prepare_service("ironic", ["ironic", "--config-file", file])
    announce_writing()
    if migration.version() is None:
        migration.create_schema()
    else:
        migration.upgrade("head")
    api.auth_token.AuthProtocol = Believing
    engine = rpc_service.RPCService(cfg.CONF.host, "ironic.conductor.manager", "ConductorManager", embed_api=True)
    engine.start()
    files = Files(Path(folder))
    if door:
        _open(door, Door(api.VersionSelectorApplication(), files))
    if media:
        _open(media, files)
    os.write(1, READY)
    threading.Event().wait()


def _open(door: str, app: Application) -> None:
    from cheroot import wsgi  # noqa: PLC0415

    host, _, port = door.rpartition(":")
    server = wsgi.Server((host.strip("[]"), int(port)), app, numthreads=16, max=64, server_name="trivet")
    server.max_request_body_size = 8 << 20
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
