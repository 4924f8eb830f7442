"""Traces: what a request has left in, or of, what is another's. Every row of the database that names one of his ids
counts, whoever's row it is; and what his hosts are told and his guests can read.
"""

import re
from typing import Any

import msgspec

from tests.policies.records import Project
from tests.policies.whole_cloud import WholeCloud
from trivet.domain.host_link import order_building
from trivet.domain.servers import metadata
from trivet.store.tx import Tx

Row = tuple[str, str, tuple[tuple[str, str], ...]]
"""Table, key, and columns with what they hold: of his rows all, of others' rows what in them is an id of his."""

WORDS = frozenset(
    (
        "name", "description", "display_name", "metadata", "image_metadata", "tags", "tag", "extra", "user_data",
        "properties", "type",
        "hostname", "service_types", "service", "algorithm", "mode", "meta", "resource_type",
        "reason", "values", "value", "title", "detail", "message", "body", "dns_name", "dns_domain", "device_owner",
        "availability_zone_hints", "extra_dhcp_opts", "binding_profile", "profile",
    )
)  # fmt: skip
"""Columns in which everybody writes what he likes, and nobody looks for an id."""

UNWATCHED = frozenset(("events", "leases", "revocations", "sqlite_sequence", "schema_migrations", "migrations"))
_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


class Victim:
    def __init__(self, cloud: WholeCloud, project: Project) -> None:
        self.cloud = cloud
        self.project = project
        self.ids: dict[str, str] = {}
        """What the id is of -> id."""
        self._tables: dict[str, list[str]] = {}

    async def find(self) -> None:
        """Everything that is his, by what the rows say, and by what is held of him."""
        async with self.cloud.process.parts.store.read() as tx:
            names = await tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (name,) in names:
                if name not in UNWATCHED:
                    self._tables[name] = [str(row[1]) for row in await tx.rows(f"PRAGMA table_info({name})")]
            for table, columns in self._tables.items():
                if {"id", "project_id"} <= set(columns):
                    rows = await tx.rows(f"SELECT id FROM {table} WHERE project_id = ? ORDER BY id", self.project.id)
                    for n, (id,) in enumerate(rows):
                        if _ID.fullmatch(str(id)) and id not in self.ids.values():
                            self.ids[table if n == 0 else f"{table} {n}"] = str(id)
        known = set(self.ids.values())
        for name, id in self.project.held.items():
            if id not in known and _ID.fullmatch(id):
                self.ids[name] = id
                known.add(id)

    async def rows(self) -> set[Row]:
        """His own rows, and every other with one of his ids in it, outside of what are only words."""
        wanted = set(self.ids.values())
        # A port's device may be called anything; what has ports is a server or a router.
        devices = {self.project.held[name] for name in ("server_id", "router_id")}
        found: set[Row] = set()
        async with self.cloud.process.parts.store.read() as tx:
            for table, columns in self._tables.items():
                for row in await tx.rows(f"SELECT {', '.join(columns)} FROM {table}"):
                    held = tuple((name, str(value)) for name, value in zip(columns, row, strict=True))
                    fields = dict(held)
                    own = fields.get("project_id") == self.project.id or fields.get("id") in wanted
                    naming = held if own else tuple(
                        (name, id) for name, value in held if name not in WORDS
                        for id in _ID.findall(value) if id in (devices if name == "device_id" else wanted)
                    )  # fmt: skip
                    if naming:
                        found.add((table, held[0][1], naming))
        return found

    async def told(self) -> Any:
        """What the hosts of his servers are told about them, and what their guests read."""
        async with self.cloud.process.parts.store.read() as tx:
            server_id = self.project.held["server_id"]
            ((host_id,),) = await tx.rows("SELECT host_id FROM servers WHERE id = ?", server_id)
            orders = await order_building.build(tx, [host_id], (server_id,))
            return msgspec.to_builtins((orders, await self._metadata(tx)))

    async def _metadata(self, tx: Tx) -> list[Any]:
        secrets = self.cloud.process.parts.secrets
        port_id = self.project.held["server_port_id"]
        places = await tx.rows("SELECT network_id, ip FROM addresses WHERE port_id = ? ORDER BY ip", port_id)
        return [await metadata.at(tx, network_id, ip, secrets) for network_id, ip in places]


def told_apart(before: set[Row], after: set[Row]) -> list[str]:
    """What has come, gone or changed, in a line each."""
    lines = []
    old = {(table, key): dict(held) for table, key, held in before - after}
    new = {(table, key): dict(held) for table, key, held in after - before}
    for table, key in sorted(old.keys() | new.keys()):
        was, now = old.get((table, key), {}), new.get((table, key), {})
        differs = {name: (was.get(name), now.get(name)) for name in was | now if was.get(name) != now.get(name)}
        lines.append(f"{table} {key} {'changed' if was and now else 'made' if now else 'gone'}: {differs}")
    return lines
