"""The key manager through clients that people have: openstack, python-barbicanclient, castellan and the SDK."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Up, trivet
from tests.ports import free_port
from tests.programs import BIN, PATIENCE_S, clean

BARBICAN = """
import base64, json, os
from barbicanclient import client
from openstack.config import OpenStackConfig

session = OpenStackConfig().get_one(cloud="trivet").get_session()
keys = client.Client(session=session, interface="public")
secret = keys.secrets.create(name="door", payload="open sesame")
secret.store()
found = keys.secrets.get(secret.secret_ref)
assert (found.name, found.payload, found.content_types["default"]) == ("door", "open sesame", "text/plain")
raw = keys.secrets.create(name="raw", payload=bytes(range(32)), algorithm="aes", bit_length=256)
raw.store()
assert keys.secrets.get(raw.secret_ref).payload == bytes(range(32))
assert [one.name for one in keys.secrets.list(name="raw")] == ["raw"]
later = keys.secrets.create(name="later")
later.store()
later.payload = "then"
later.update()
assert keys.secrets.get(later.secret_ref).payload == "then"
order = keys.orders.create_key(name="made", algorithm="aes", bit_length=256, mode="cbc")
order.submit()
made = keys.orders.get(order.order_ref)
assert made.status == "ACTIVE" and len(keys.secrets.get(made.secret_ref).payload) == 32
acl = keys.acls.create(entity_ref=secret.secret_ref, users=["somebody"], project_access=False)
acl.submit()
assert keys.acls.get(entity_ref=secret.secret_ref).read.users == ["somebody"]
box = keys.containers.create(name="box", secrets={"door": secret, "raw": raw})
box.store()
shown = keys.containers.get(box.container_ref)
assert {name: one.payload for name, one in shown.secrets.items()}["door"] == "open sesame"
consumers = keys.containers.register_consumer(box.container_ref, "lb", "https://lb.example/1")
assert consumers.consumers == [{"name": "lb", "URL": "https://lb.example/1"}]
keys.secrets.register_consumer(raw.secret_ref, "image", "images", "i1")
assert keys.secrets.list_consumers(raw.secret_ref)[0].resource_id == "i1"
keys.secrets.remove_consumer(raw.secret_ref, "image", "images", "i1")
box.delete()
for one in (secret, raw, later):
    one.delete()
print("done")
"""
CASTELLAN = """
import sys
from castellan import key_manager, options
from castellan.common.credentials import keystone_password
from castellan.common.objects import passphrase, symmetric_key
from oslo_config import cfg

url, name, password = sys.argv[1:]
conf = cfg.ConfigOpts()
conf([], project="test")
options.set_defaults(conf, backend="barbican", auth_endpoint=url, barbican_endpoint=None)
context = keystone_password.KeystonePassword(
    password, username=name, user_domain_id="default", project_name="admin", project_domain_id="default", auth_url=url
)
keys = key_manager.API(conf)
made = keys.create_key(context, algorithm="aes", length=256)
assert len(keys.get(context, made).get_encoded()) == 32
kept = keys.store(context, passphrase.Passphrase(b"open sesame", name="p"))
assert keys.get(context, kept).get_encoded() == b"open sesame"
own = keys.store(context, symmetric_key.SymmetricKey("aes", 128, bytes(16)))
assert keys.get(context, own).get_encoded() == bytes(16)
assert made in [one.id for one in keys.list(context)]
for id in (made, kept, own):
    keys.delete(context, id)
print("done")
"""
SDK = """
import openstack

cloud = openstack.connect(cloud="trivet")
keys = cloud.key_manager
secret = keys.create_secret(name="of the sdk", payload="open sesame", payload_content_type="text/plain")
found = keys.get_secret(secret.secret_id)
assert (found.name, found.payload) == ("of the sdk", "open sesame")
assert [one.name for one in keys.secrets(name="of the sdk")] == ["of the sdk"]
order = keys.create_order(type="key", meta={"algorithm": "aes", "bit_length": 256, "mode": "cbc", "name": "k"})
assert keys.get_order(order.order_id).status == "ACTIVE"
box = keys.create_container(name="box", type="generic", secret_refs=[{"name": "d", "secret_ref": secret.secret_ref}])
assert keys.get_container(box.container_id).secret_refs[0]["name"] == "d"
keys.delete_container(box.container_id)
keys.delete_order(order.order_id)
keys.delete_secret(secret.secret_id)
assert list(keys.secrets(name="of the sdk")) == []
print("done")
"""


class Cloud:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "cloud"

    @property
    def auth(self) -> dict[str, str]:
        text = (self.data / "clouds.yaml").read_text().partition("\n")[2]
        found: dict[str, str] = json.loads(text)["clouds"]["trivet"]["auth"]
        return found

    def run(self, *words: str) -> str:
        where = {"OS_CLIENT_CONFIG_FILE": str(self.data / "clouds.yaml"), "OS_CLOUD": "trivet"}
        made = subprocess.run(
            words, env=clean() | where, cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=PATIENCE_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert made.returncode == 0, f"{words[:4]}: {made.stdout}\n{made.stderr}"
        return made.stdout

    def openstack(self, *words: str) -> Any:
        said = self.run(str(BIN / "openstack"), *words, "-f", "json")
        return json.loads(said)

    def program(self, text: str, *words: str) -> None:
        assert self.run(sys.executable, "-c", text, *words).strip() == "done"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("keys")
    up = Up(folder, "up", "--sim", "--listen", f"127.0.0.1:{free_port()}", "--data", "cloud")
    try:
        up.ready()
        yield Cloud(folder)
    finally:
        up.stop()


def test_barbicanclient_works_unchanged(cloud: Cloud) -> None:
    cloud.program(BARBICAN)


def test_castellan_works_unchanged(cloud: Cloud) -> None:
    auth = cloud.auth
    cloud.program(CASTELLAN, auth["auth_url"], auth["username"], auth["password"])


def test_the_sdk_works_unchanged(cloud: Cloud) -> None:
    cloud.program(SDK)


def test_the_openstack_command_keeps_a_secret(cloud: Cloud) -> None:
    made = cloud.openstack("secret", "store", "--name", "typed", "--payload", "open sesame")
    ref = made["Secret href"]
    assert cloud.openstack("secret", "get", ref, "--payload") == {"Payload": "open sesame"}
    assert [one["Name"] for one in cloud.openstack("secret", "list", "--name", "typed")] == ["typed"]
    order = cloud.openstack("secret", "order", "create", "key", "--name", "k", "--algorithm", "aes", "--bit-length",
                            "256", "--mode", "cbc")  # fmt: skip
    assert cloud.openstack("secret", "order", "get", order["Order href"])["Status"] == "ACTIVE"
    cloud.openstack("acl", "user", "add", "--user", "somebody", "--operation-type", "read", ref)
    cloud.openstack("secret", "container", "create", "--name", "box", "--secret", f"door={ref}")
    cloud.run(str(BIN / "openstack"), "secret", "delete", ref)


def test_the_keys_of_what_is_kept_are_made_new_beside_a_cloud_that_runs(cloud: Cloud) -> None:
    ref = cloud.openstack("secret", "store", "--name", "old", "--payload", "from before")["Secret href"]
    done = trivet(cloud.folder, "rotate", "--payloads", "--data", "cloud")
    assert done.returncode == 0 and "are sealed with new keys" in done.stdout, (done.stdout, done.stderr)
    assert cloud.openstack("secret", "get", ref, "--payload") == {"Payload": "from before"}
