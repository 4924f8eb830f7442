"""What a server is told about itself, as a tree of files.

One tree serves three doors: the metadata service at 169.254.169.254, the config drive of a VM, and the files
laid into a container. It has the two halves that guests know, `openstack/<version>/` and `ec2/<version>/`.
"""

import base64
import binascii
import hashlib
import posixpath
from collections.abc import Mapping, Sequence

import msgspec

from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.network.nets.networks import NETWORKS
from trivet.domain.network.nets.subnets import SUBNETS
from trivet.domain.network.ports import ports
from trivet.domain.network.routers.floating_ips import FLOATING_IPS
from trivet.domain.secrets import Secrets
from trivet.domain.servers import local_disks
from trivet.domain.servers.network_data import Interface, network_data
from trivet.domain.servers.servers import SERVERS, Server
from trivet.domain.servers.tagged_devices import tagged_devices
from trivet.domain.servers.volumes import of_server
from trivet.store.tx import Tx
from trivet.store.where import Where

# Each with what it brought.
OPENSTACK_VERSIONS = (
    "2012-08-10",
    "2013-04-04",  # random_seed
    "2013-10-17",  # vendor_data.json
    "2015-10-15",  # network_data.json, project_id
    "2016-06-30",  # devices
    "2016-10-06",  # vendor_data2.json
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",  # dedicated_cpus
    "latest",
)
EC2_VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "latest",
)
_SEED_BYTES = 512

Files = dict[str, bytes]


async def files(tx: Tx, server_id: str, secrets: Secrets) -> Files:
    """The metadata files of a server; a config drive also holds what only its owner may read."""
    server = await tx.need(SERVERS, server_id, "server")
    sealed = server.new_password or server.sealed_password
    if server.rescue is not None:
        sealed = server.rescue.sealed_password
    password = None if sealed is None else secrets.open(sealed)
    tree = await _tree(tx, server, seed=_seed(server, secrets), password=password)
    if server.kind == "container":
        # No cloud-init need be in it: what its owner wanted to lie somewhere is laid there.
        tree |= {path: _decoded(content) for path, content in server.files.items() if _is_plain(path)}
    return tree


async def at(tx: Tx, network_id: str, ip: str, secrets: Secrets) -> Files | None:
    """The metadata files of the server that asks: the one that has this source address on this network."""
    server = await _server_at(tx, network_id, ip)
    if server is None:
        return None
    tree = await _tree(tx, server, seed=_seed(server, secrets))
    for version in OPENSTACK_VERSIONS:
        tree[f"openstack/{version}/password"] = (server.guest_password or "").encode()
    return tree


async def keep_password(tx: Tx, network_id: str, ip: str, password: str) -> bool:
    """The guest tells its password, sealed for its owner; it is believed once."""
    server = await _server_at(tx, network_id, ip)
    if server is None or server.guest_password:
        return False
    await tx.update(SERVERS, server, guest_password=password)
    return True


async def _server_at(tx: Tx, network_id: str, ip: str) -> Server | None:
    row = await tx.row(
        "SELECT s.id FROM addresses a JOIN ports p ON p.id = a.port_id"
        " JOIN servers s ON s.id = p.device_id AND s.project_id = p.project_id"
        " WHERE a.ip = ? AND a.network_id = ? AND p.device_owner LIKE 'compute:%'",
        ip,
        network_id,
    )
    server = await tx.get(SERVERS, str(row[0])) if row is not None else None
    return server if server is not None and server.deleted_at is None else None


def _seed(server: Server, secrets: Secrets) -> bytes:
    """One a server, at every door and every read. It is kept nowhere: who reads the database cannot tell it."""
    return hashlib.shake_256(secrets.derived(f"random seed of server {server.id}")).digest(_SEED_BYTES)


async def _tree(tx: Tx, server: Server, *, seed: bytes, password: str | None = None) -> Files:
    interfaces = await _interfaces(tx, server)
    devices = tagged_devices(server, interfaces, await of_server(tx, server.id))
    return build(server, interfaces, seed=seed, password=password, devices=devices)


async def _interfaces(tx: Tx, server: Server) -> list[Interface]:
    found = []
    for port in await ports.of_server(tx, server.id, server.project_id):
        network = await tx.need(NETWORKS, port.network_id, "network")
        subnets = await tx.select(SUBNETS, Where().any_of("id", {fixed.subnet_id for fixed in port.fixed_ips}))
        floating = await tx.select(FLOATING_IPS, Where().equal("port_id", port.id))
        public = tuple(sorted(address.floating_ip_address for address in floating))
        found.append(Interface(port, network.mtu, {subnet.id: subnet for subnet in subnets}, public))
    return found


# -- the tree


def build(
    server: Server,
    interfaces: list[Interface],
    *,
    seed: bytes,
    password: str | None = None,
    devices: Sequence[Mapping[str, object]] = (),
) -> Files:
    tree: Files = {}
    user_data = _decoded(server.user_data)
    for version in OPENSTACK_VERSIONS:
        for name, content in _openstack(server, interfaces, version, seed, password=password, devices=devices).items():
            tree[f"openstack/{version}/{name}"] = msgspec.json.encode(content)
        if user_data:
            tree[f"openstack/{version}/user_data"] = user_data
    for number, content in enumerate(server.files.values()):
        tree[f"openstack/content/{number:04}"] = _decoded(content)
    for version in EC2_VERSIONS:
        tree[f"ec2/{version}/meta-data.json"] = msgspec.json.encode(_ec2(server, interfaces))
        if user_data:
            tree[f"ec2/{version}/user-data"] = user_data
    return tree


def _is_plain(path: str) -> bool:
    return path.startswith("/") and posixpath.normpath(path) == path != "/"


def _decoded(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "")
    except binascii.Error:
        return (text or "").encode()


def _openstack(
    server: Server,
    interfaces: list[Interface],
    version: str,
    seed: bytes,
    *,
    password: str | None,
    devices: Sequence[Mapping[str, object]],
) -> dict[str, object]:
    documents: dict[str, object] = {"meta_data.json": _meta_data(server, version, seed, password, devices)}
    if version >= "2013-10-17":
        documents["vendor_data.json"] = {}
    if version >= "2015-10-15":
        documents["network_data.json"] = network_data(interfaces)
    if version >= "2016-10-06":
        documents["vendor_data2.json"] = {}
    return documents


def _meta_data(
    server: Server, version: str, seed: bytes, password: str | None, devices: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    said: dict[str, object] = {
        "uuid": server.id,
        "name": server.name,
        "hostname": server.hostname,
        "launch_index": server.launch_index,
        "availability_zone": server.zone or DEFAULT_ZONE,
    }
    if server.metadata:
        said["meta"] = server.metadata
    if server.files:
        said["files"] = [
            {"content_path": f"/content/{number:04}", "path": path} for number, path in enumerate(server.files)
        ]
    if server.key_name is not None and server.key_public is not None:
        said["public_keys"] = {server.key_name: server.key_public}
        said["keys"] = [{"name": server.key_name, "type": "ssh", "data": server.key_public}]
    if password is not None:
        said["admin_pass"] = password
    if version >= "2013-04-04":
        said["random_seed"] = base64.b64encode(seed).decode()
    if version >= "2015-10-15":
        said["project_id"] = server.project_id
    if version >= "2016-06-30":
        said["devices"] = devices
    if version >= "2020-10-14":
        said["dedicated_cpus"] = []
    return said


def _ec2(server: Server, interfaces: list[Interface]) -> dict[str, object]:
    fixed = [address.ip_address for interface in interfaces for address in interface.port.fixed_ips]
    local = next((ip for ip in fixed if ":" not in ip), "")
    public = next((ip for interface in interfaces for ip in interface.public_ips), "")
    said: dict[str, object] = {
        "ami-id": _short("ami", server.image_id or server.id),
        "ami-launch-index": str(server.launch_index),
        "ami-manifest-path": "",
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"} | local_disks.devices(server.local_disks),
        "hostname": server.hostname,
        "instance-action": "none",
        "instance-id": _short("i", server.id),
        "instance-type": server.flavor.name,
        "local-hostname": server.hostname,
        "local-ipv4": local,
        "placement": {"availability-zone": server.zone or DEFAULT_ZONE},
        "public-hostname": server.hostname,
        "public-ipv4": public,
        "reservation-id": server.reservation_id,
    }
    if server.key_name is not None and server.key_public is not None:
        said["public-keys"] = {"0": {"_name": f"0={server.key_name}", "openssh-key": server.key_public}}
    return said


def _short(kind: str, id: str) -> str:
    """EC2's ids have eight digits; the first eight of ours do as well as a number drawn for the purpose."""
    return f"{kind}-{id[:8]}"
