"""The link of an agent that lives in an API process: calls into the domain, fenced by the agent's lease."""

from collections.abc import Collection
from pathlib import Path

from trivet.agent.scratch import Scratch, handed_over
from trivet.domain.host_link import order_building
from trivet.domain.hosts import hosts
from trivet.domain.images import data as image_data
from trivet.domain.images import layered
from trivet.domain.servers import metadata as instance_metadata
from trivet.domain.servers import moved_disks
from trivet.domain.servers import state as reports
from trivet.domain.servers.orders import DiskAt, ImageAt, Orders, Report
from trivet.domain.servers.servers import SERVERS, Server
from trivet.drivers.contracts.errors import DriverError
from trivet.hosting.archives import Archives
from trivet.parts import Parts
from trivet.store import leases
from trivet.store.leases import Lease
from trivet.store.store import transact
from trivet.store.tx import Tx


class LocalLink:
    def __init__(self, parts: Parts, lease: Lease) -> None:
        self._parts = parts
        self._store = parts.store
        self._lease = lease
        self._scratch = Scratch(Path(parts.settings.data))
        self._archives = Archives(Path(parts.settings.data), parts.blobs)

    async def orders(self, hosts: Collection[str], servers: Collection[str] | None = None) -> Orders:
        async with self._store.read() as tx:
            found = await order_building.build(tx, hosts, servers)
        await order_building.tell(self._store, found.unclear, self._fence)
        return found

    async def _fence(self, tx: Tx) -> None:
        await leases.fence(tx, self._lease)

    async def report(self, reported: list[Report]) -> dict[str, int]:
        async def act(tx: Tx) -> dict[str, int]:
            await leases.fence(tx, self._lease)
            revisions = {}
            for report in reported:
                revision = await reports.settle(tx, report)
                if revision is not None:
                    revisions[report.server_id] = revision
            return revisions

        return await transact(self._store, act)

    async def confirm(self) -> None:
        async with self._store.read() as tx:
            await leases.confirm(tx, self._lease)

    async def heartbeat(self, host_ids: Collection[str]) -> None:
        async def act(tx: Tx) -> None:
            await leases.fence(tx, self._lease)
            for host_id in host_ids:
                await hosts.heard(tx, host_id, tx.clock.now())

        await transact(self._store, act)

    async def files(self, server_id: str) -> dict[str, bytes]:
        async with self._store.read() as tx:
            return await instance_metadata.files(tx, server_id, self._parts.secrets)

    async def instance_at(self, network_id: str, ip: str) -> dict[str, bytes] | None:
        """What the metadata service says to a guest."""
        async with self._store.read() as tx:
            return await instance_metadata.at(tx, network_id, ip, self._parts.secrets)

    async def keep_password(self, network_id: str, ip: str, password: str) -> bool:
        async def act(tx: Tx) -> bool:
            await leases.fence(tx, self._lease)
            return await instance_metadata.keep_password(tx, network_id, ip, password)

        return await transact(self._store, act)

    async def image_path(self, image: ImageAt) -> str:
        if layered.is_layered(image.blob_key):
            return await self._archives.path(image.blob_key)
        path = self._parts.blobs.local_path(image.blob_key)
        if path is None or not Path(path).exists():
            raise DriverError(f"The data of image {image.id} is gone from this cloud's store.", again=False)
        return path

    async def upload(self, image_id: str, path: str, format: str) -> None:
        with handed_over(image_id, path):
            await image_data.fill_from_path(self._parts, image_id, path, format, self._fence)

    async def moved_disk(self, server_id: str, disk: DiskAt) -> str:
        path = self._parts.blobs.local_path(disk.blob_key)
        if path is None or not Path(path).exists():
            raise DriverError(f"The disk {disk.name} that came with it is gone from this cloud's store.", again=False)
        return path

    async def hand_over(self, server_id: str, name: str, path: str, format: str) -> None:
        async def admit(tx: Tx) -> Server:
            await leases.fence(tx, self._lease)
            return await tx.need(SERVERS, server_id, "server")

        with handed_over(server_id, path):
            await moved_disks.take_in(self._parts, admit, name, format, image_data.file_chunks(path))

    def scratch(self, name: str) -> str:
        return self._scratch.path(name)
