"""A cloud in a thread of its own, so that blocking clients can talk to it."""

import asyncio
import secrets
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from trivet.domain.hosts.hosts import HOSTS, register
from trivet.drivers.contracts.patience import behind
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.errors import Invalid
from trivet.hosting.simulated import SIM_DISK_GIB, SIM_MEMORY_MIB, SIM_VCPUS
from trivet.process import Process, running
from trivet.reading_settings import load
from trivet.serving.server import serving
from trivet.settings import Settings
from trivet.store.store import transact
from trivet.store.tx import Tx

if TYPE_CHECKING:
    from openstack.connection import Connection

_PATIENCE_S = 120.0
_FIXED = {
    "data": "the cloud has a fresh directory of its own",
    "listen": "the cloud has a fresh port of its own, which is in its url",
    "admin_password": "it is in the cloud's auth",
    "sim": "all its hosts are simulated",
    "sim_hosts": "say hosts",
    "workers": "the cloud is one process, the one of the test",
}


class SimCloud:
    """Use as a context manager. `hosts` and what each of them has are the capacity, `temper` the delays and faults."""

    def __init__(
        self,
        *,
        hosts: int = 2,
        vcpus: int = SIM_VCPUS,
        memory_mib: int = SIM_MEMORY_MIB,
        disk_gib: int = SIM_DISK_GIB,
        database: str = "",
        **settings: Any,
    ) -> None:
        self._sizes = {"vcpus": vcpus, "memory_mib": memory_mib, "disk_gib": disk_gib}
        _refuse_what_has_no_effect(self._sizes, settings)
        self._data = Path(tempfile.mkdtemp(prefix="trivet-"))
        self._holder = _holder_of_a_port()
        self.password = secrets.token_urlsafe(12)
        try:
            self.settings = self._settings(sim_hosts=hosts, database=database, **settings)
        except Invalid:
            self._clear()
            raise
        self.process: Process
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="trivet", daemon=True)

    def _settings(self, **wanted: Any) -> Settings:
        """Checked as those of `trivet up` are."""
        ours = {
            "data": str(self._data),
            "listen": "{}:{}".format(*self._holder.getsockname()),
            "sim": True,
            "admin_password": self.password,
        }
        return load(None, {}, wanted | ours)

    # -- what tests use

    @property
    def url(self) -> str:
        return self.settings.url

    @property
    def auth(self) -> dict[str, str]:
        """For openstacksdk, keystoneauth, or a clouds.yaml."""
        return {
            "auth_url": f"{self.url}/identity/v3",
            "username": "admin",
            "password": self.password,
            "project_name": "admin",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }

    def connect(self, **overrides: str) -> "Connection":
        """An openstacksdk connection as admin."""
        import openstack  # noqa: PLC0415 - only users of the SDK need it

        return openstack.connect(auth=self.auth | overrides, region_name=self.settings.region)

    def session(self, **auth: Any) -> Any:
        """A keystoneauth session as anybody: what `auth` says goes to its Password or ApplicationCredential."""
        from keystoneauth1.identity import v3  # noqa: PLC0415
        from keystoneauth1.session import Session  # noqa: PLC0415

        kind = v3.ApplicationCredential if "application_credential_id" in auth else v3.Password
        return Session(kind(**auth))

    @property
    def temper(self) -> Temper:
        """Delays and faults of all simulated engines; may be changed at any time."""
        assert self.process.hosting is not None and self.process.hosting.temper is not None
        return self.process.hosting.temper

    def power_off(self, server_id: str) -> None:
        """The guest of a server shuts itself down."""
        assert self.process.hosting is not None
        for engines in self.process.hosting.engines.values():
            for driver in map(behind, engines.machines.values()):
                if isinstance(driver, SimMachines) and driver.has(server_id):
                    self._loop.call_soon_threadsafe(driver.power_off, server_id)
                    return
        raise LookupError(f"No simulated host has a machine of server {server_id!r}; this takes a server's id.")

    # -- life

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_PATIENCE_S) or self._failure is not None:
            self._clear()
            raise RuntimeError("The simulated cloud did not start.") from self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE_S)
        self._clear()
        if error is None and (self._failure is not None or self._thread.is_alive()):
            raise RuntimeError("The simulated cloud did not end well.") from self._failure

    def _clear(self) -> None:
        self._holder.close()
        shutil.rmtree(self._data, ignore_errors=True)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with running(self.settings) as self.process, serving(self.process):
            if not self.settings.sim_hardware:
                # A recorded machine has the size that it had.
                await self._size_hosts()
            self._ready.set()
            await self._stop.wait()

    async def _size_hosts(self) -> None:
        async def size(tx: Tx) -> None:
            for host in await tx.select(HOSTS, order="name"):
                await register(tx, msgspec.structs.replace(host, **self._sizes))

        await transact(self.process.parts.store, size)


def _refuse_what_has_no_effect(sizes: dict[str, int], settings: dict[str, Any]) -> None:
    for name, size in sizes.items():
        if size < 0:
            raise Invalid("setting.invalid", f"{name} cannot be below 0.")
    for name, reason in _FIXED.items():
        if name in settings:
            raise Invalid("setting.invalid", f"{name} cannot be set here: {reason}.")


def _holder_of_a_port() -> socket.socket:
    """It never listens, so our server may beside it; the kernel gives its port to nobody else until it is closed."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder
