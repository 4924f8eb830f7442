"""One record of every kind, made by a member of a project of its own, and where routes name it."""

import asyncio
import dataclasses
from typing import Any

from tests.api.image.container_archives import MANIFEST, Image, digest, tar
from tests.policies.whole_cloud import WholeCloud

SERVERS = "/compute/v2.1/servers"
VOLUMES = "/volume/v3/volumes"


class Project:
    """A project with a user, and what that user has in it."""

    def __init__(self, id: str, user_id: str) -> None:
        self.id = id
        self.user_id = user_id
        self.held: dict[str, str] = {}
        """Name in a path -> value."""

    def tokens(self, cloud: WholeCloud) -> dict[str, str]:
        return {role: cloud.token(role, self.id, self.user_id) for role in ("reader", "member", "manager", "admin")}


async def new_project(cloud: WholeCloud, name: str) -> Project:
    project = await cloud.made("/identity/v3/projects", {"project": {"name": name}}, cloud.admin)
    user = await cloud.made("/identity/v3/users", {"user": {"name": f"of {name}"}}, cloud.admin)
    found = Project(project["id"], user["id"])
    roles = (await cloud.call("GET", "/identity/v3/roles", token=cloud.admin)).body["roles"]
    member = next(role["id"] for role in roles if role["name"] == "member")
    path = f"/identity/v3/projects/{found.id}/users/{found.user_id}/roles/{member}"
    assert (await cloud.call("PUT", path, token=cloud.admin)).status == 204
    return found


async def fill(cloud: WholeCloud, project: Project) -> None:
    """Everything that a member can make."""
    token = project.tokens(cloud)["member"]

    async def made(name: str, path: str, body: Any) -> Any:
        record = await cloud.made(path, body, token)
        project.held[name] = str(record["id"])
        return record

    network = await made("network_id", "/network/v2.0/networks", {"network": {"name": "n"}})
    wanted = {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"}
    subnet = await made("subnet_id", "/network/v2.0/subnets", {"subnet": wanted})
    await made("port_id", "/network/v2.0/ports", {"port": {"network_id": network["id"]}})
    external = (await cloud.call("GET", "/network/v2.0/networks", token=cloud.admin)).body["networks"]
    outside = next(found["id"] for found in external if found["router:external"])
    gateway = {"external_gateway_info": {"network_id": outside}}
    router = await made("router_id", "/network/v2.0/routers", {"router": {"name": "r", **gateway}})
    path = f"/network/v2.0/routers/{router['id']}/add_router_interface"
    assert (await cloud.call("PUT", path, {"subnet_id": subnet["id"]}, token=token)).status == 200
    await made("floatingip_id", "/network/v2.0/floatingips", {"floatingip": {"floating_network_id": outside}})
    group = await made("security_group_id", "/network/v2.0/security-groups", {"security_group": {"name": "g"}})
    rule = {"security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp"}
    await made("security_group_rule_id", "/network/v2.0/security-group-rules", {"security_group_rule": rule})
    await made("address_group_id", "/network/v2.0/address-groups", {"address_group": {"name": "a"}})
    pool = {"name": "p", "prefixes": ["10.9.0.0/16"], "default_prefixlen": 24}
    await made("subnetpool_id", "/network/v2.0/subnetpools", {"subnetpool": pool})
    await made("address_scope_id", "/network/v2.0/address-scopes", {"address_scope": {"name": "s", "ip_version": 4}})
    policy = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    policy["target_tenant"] = project.id
    await made("rbac_policy_id", "/network/v2.0/rbac-policies", {"rbac_policy": policy})

    image = {"name": "i", "disk_format": "raw", "container_format": "bare", "visibility": "shared"}
    answer = await cloud.call("POST", "/image/v2/images", image, token=token)
    assert answer.status == 201, answer.raw
    project.held["image_id"] = answer.body["id"]
    path = f"/image/v2/images/{project.held['image_id']}/file"
    sent = [(b"content-type", b"application/octet-stream")]
    assert (await cloud.call("PUT", path, b"\0" * 512, token=token, headers=sent)).status == 204
    group = {"name": "sg", "policies": ["anti-affinity"]} | {}
    headers = [(b"openstack-api-version", b"compute 2.1")]
    answer = await cloud.call("POST", "/compute/v2.1/os-server-groups", {"server_group": group}, token=token,
                              headers=headers)  # fmt: skip
    assert answer.status == 200, answer.raw
    project.held["server_group_id"] = answer.body["server_group"]["id"]
    body = {"keypair": {"name": "key"}}
    answer = await cloud.call("POST", "/compute/v2.1/os-keypairs", body, token=token, headers=headers)
    assert answer.status in (200, 201), answer.raw
    project.held["keypair"] = "key"
    flavors = (await cloud.call("GET", "/compute/v2.1/flavors", token=token)).body["flavors"]
    server = {"name": "s", "imageRef": project.held["image_id"], "flavorRef": flavors[0]["id"],
              "networks": [{"uuid": network["id"]}]}  # fmt: skip
    await made("server_id", SERVERS, {"server": server})
    await made("volume_id", VOLUMES, {"volume": {"size": 1, "name": "v"}})
    await _available(cloud, f"{VOLUMES}/{project.held['volume_id']}", token)
    wanted = {"volume_id": project.held["volume_id"], "name": "s"}
    await made("snapshot_id", "/volume/v3/snapshots", {"snapshot": wanted})
    await _available(cloud, f"/volume/v3/snapshots/{project.held['snapshot_id']}", token)
    wanted = {"volume_id": project.held["volume_id"], "name": "b"}
    await made("backup_id", "/volume/v3/backups", {"backup": wanted})
    await _available(cloud, f"/volume/v3/backups/{project.held['backup_id']}", token)
    await _available(cloud, f"{VOLUMES}/{project.held['volume_id']}", token)
    await made("deleted_volume_id", VOLUMES, {"volume": {"size": 1, "name": "d"}})
    await _available(cloud, f"{VOLUMES}/{project.held['deleted_volume_id']}", token)
    await _deleted_and_kept(cloud, project.held["deleted_volume_id"], token)
    given = (await made("other_volume_id", VOLUMES, {"volume": {"size": 1, "name": "w"}}))["id"]
    await _available(cloud, f"{VOLUMES}/{given}", token)
    await made("transfer_id", "/volume/v3/os-volume-transfer", {"transfer": {"volume_id": given}})
    newest = [(b"openstack-api-version", b"volume 3.70")]
    said = {"group_type": {"name": f"of {project.id}"}}
    kind = await cloud.call("POST", "/volume/v3/group_types", said, token=cloud.admin, headers=newest)
    together = {"group": {"name": "g", "group_type": kind.body["group_type"]["id"], "volume_types": ["__DEFAULT__"]}}
    answer = await cloud.call("POST", "/volume/v3/groups", together, token=token, headers=newest)
    assert answer.status == 202, answer.raw
    project.held["group_id"] = answer.body["group"]["id"]
    await subscribe(cloud, project, token)
    ill = {"object_type": "server", "object_id": project.held["server_id"], "symptom": "unreachable"}
    await made("fault_report_id", "/v1/fault-reports", {"fault_report": ill})
    await keep(cloud, project, token)
    await _push(cloud, project, token)
    await _put_object(cloud, project, token)
    await _contain(cloud, project, token)
    project.held["floating_ip_id"] = project.held["floatingip_id"]
    project.held["rule_id"] = project.held["security_group_rule_id"]
    project.held["project_id"] = project.held["tenant_id"] = project.id
    project.held["user_id"] = project.user_id
    project.held["member_id"] = project.id


async def subscribe(cloud: WholeCloud, project: Project, token: str) -> None:
    """To alarms, in the style that both doors show."""
    said = {"url": "http://receiver.example/", "secret": "a secret to sign with", "style": "sol003"}
    answer = await cloud.call("POST", "/v1/alarms/subscriptions", {"subscription": said}, token=token)
    assert answer.status == 201, answer.raw
    project.held["alarm_subscription_id"] = str(answer.body["subscription"]["id"])


async def keep(cloud: WholeCloud, project: Project, token: str) -> None:
    """What the key manager has of it."""
    keys = "/key-manager/v1"
    kept = {"name": "k", "payload": "p", "payload_content_type": "text/plain"}
    order = {"type": "key", "meta": {"algorithm": "aes", "bit_length": 128}}
    for name, path, body in (
        ("secret_id", "secrets", kept), ("container_id", "containers", {"type": "generic"}),
        ("order_id", "orders", order),
    ):  # fmt: skip
        ref = str(await cloud.made(f"{keys}/{path}", body, token))
        project.held[name] = ref.rpartition("/")[2]
    path = f"{keys}/secrets/{project.held['secret_id']}/metadata"
    answer = await cloud.call("POST", path, {"key": "x", "value": "y"}, token=token)
    assert answer.status == 201, answer.raw


async def _push(cloud: WholeCloud, project: Project, token: str) -> None:
    """A small image in a repository, and an upload under way."""
    pushed, repository = Image(), f"{project.id}/app"
    held = {"repository": repository, "reference": "1", "digest": digest(pushed.layer)}
    for data in (pushed.config, pushed.layer):
        said = [(b"content-length", str(len(data)).encode())]
        asked = f"digest={digest(data)}".encode()
        path = f"/v2/{repository}/blobs/uploads"
        assert (await cloud.call("POST", path, data, token=token, headers=said, query=asked)).status == 201
    said = [(b"content-type", MANIFEST.encode())]
    path = f"/v2/{repository}/manifests/1"
    assert (await cloud.call("PUT", path, pushed.manifest, token=token, headers=said)).status == 201
    answer = await cloud.call("POST", f"/v2/{repository}/blobs/uploads", token=token)
    assert answer.status == 202, answer.raw
    project.held |= held | {"upload_id": answer.headers["docker-upload-uuid"]}


async def _put_object(cloud: WholeCloud, project: Project, token: str) -> None:
    """An object in a container of the project's account, by names that nobody else uses."""
    account, container, name = f"AUTH_{project.id}", f"box-{project.id}", f"thing-{project.id}"
    path = f"/object-store/v1/{account}/{container}"
    none = [(b"content-length", b"0")]
    assert (await cloud.call("PUT", path, token=token, headers=none)).status == 201
    content = f"of {project.id}".encode()
    said = [(b"content-length", str(len(content)).encode())]
    assert (await cloud.call("PUT", f"{path}/{name}", content, token=token, headers=said)).status == 201
    project.held |= {"account": account, "container": container, "object": name}


async def _deleted_and_kept(cloud: WholeCloud, volume_id: str, token: str) -> None:
    """As where the operator keeps the data of deleted volumes."""
    parts = cloud.process.parts
    before, parts.settings = parts.settings, dataclasses.replace(parts.settings, reclaim_volumes_s=3600)
    assert (await cloud.call("DELETE", f"{VOLUMES}/{volume_id}", token=token)).status == 202
    parts.settings = before


async def _contain(cloud: WholeCloud, project: Project, token: str) -> None:
    """A container, and what was done to it."""
    said = {"name": "c", "disk_format": "oci", "container_format": "docker", "visibility": "private"}
    image = (await cloud.call("POST", "/image/v2/images", said, token=token)).body["id"]
    sent = [(b"content-type", b"application/octet-stream")]
    content = tar(Image(project.id.encode()).oci_members())
    answer = await cloud.call("PUT", f"/image/v2/images/{image}/file", content, token=token, headers=sent)
    assert answer.status == 204, answer.raw
    newest = [(b"openstack-api-version", b"container 1.40")]
    wanted = {"image": image, "nets": [{"network": project.held["network_id"]}], "interactive": True}
    path = "/container/v1/containers"
    answer = await cloud.call("POST", path, wanted, token=token, headers=newest, query=b"run=true")
    assert answer.status == 202, answer.raw
    id = answer.body["uuid"]
    project.held |= {"container_ident": id, "request_ident": answer.headers["x-openstack-request-id"]}
    async with asyncio.timeout(60):
        while (await cloud.call("GET", f"{path}/{id}", token=token, headers=newest)).body["status"] != "Running":
            await asyncio.sleep(0.05)


async def _available(cloud: WholeCloud, path: str, token: str) -> None:
    async with asyncio.timeout(60):
        while True:
            (found,) = (await cloud.call("GET", path, token=token)).body.values()
            if found["status"] == "available":
                return
            await asyncio.sleep(0.05)
