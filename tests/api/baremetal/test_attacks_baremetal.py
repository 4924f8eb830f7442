"""What an owner or a lessee of a machine said to the engine, which its own rules let him say. The class: what we keep
with the engine, or the engine fetches for whoever names it, is the tenant's to write.
"""

from typing import Any

import pytest
from tests.api.baremetal.test_forwarding import Cloud, cloud
from tests.api.one_service import MINE

from trivet.api.baremetal import owners
from trivet.drivers.metal.nodes import KEPT

__all__ = ["cloud"]
NODE = "/baremetal/v1/nodes/11111111-1111-4111-8111-111111111111"


def test_what_is_ours_in_a_node_has_one_name() -> None:
    assert owners.OURS == KEPT


def step(path: str, value: Any = "x", op: str = "add", **more: str) -> list[dict[str, Any]]:
    return [{"op": op, "path": path, "value": value, **more}]


PATCHES = {
    "the networks of its cards": step(f"/extra/{KEPT}", {"server": "s", "cards": {"p": {"mac": "m", "vlan": 2001}}}),
    "one of them": step(f"/extra/{KEPT}/cards/p/vlan", 2001),
    "all that is kept": step("/extra", {KEPT: {}}, op="replace"),
    "what is kept, from elsewhere": step(f"/extra/{KEPT}", op="move", **{"from": "/extra/mine"}),
    "what is kept, to elsewhere": step("/extra/mine", op="copy", **{"from": f"/extra/{KEPT}"}),
    "what is kept, in other letters": step("/extra/tri~1vet"),
    "nothing of extra": step("/extra/"),
    "no path": step("extra/a"),
    "everything": step("", {"extra": {KEPT: {}}}),
    "whose server it is": step("/instance_uuid"),
    "its image": step("/instance_info/image_source", "0123"),
    "its controller": step("/driver_info/redfish_address", "10.0.0.1"),
    "what it is offered as": step("/resource_class", "GOLD"),
    "its name": step("/name", "host-1"),
    "its processors": step("/properties/cpus", 999),
    "its owner": step("/owner"),
    "its driver": step("/driver"),
}
CALLS = {
    "a card's cable": ("POST", "/baremetal/v1/ports", {"address": "m", "local_link_connection": {"port_id": "eth1"}}),
    "a card's cable, changed": ("PATCH", f"/baremetal/v1/ports/{NODE[-36:]}", step("/local_link_connection/port_id")),
    "virtual media": ("POST", f"{NODE}/vmedia", {"device_type": "cdrom", "image_url": "https://example.org/x.iso"}),
    "the driver's own calls": ("POST", f"{NODE}/vendor_passthru", {}),
    "a config drive from an address": ("PUT", f"{NODE}/states/provision", {"target": "active", "configdrive": "http://10.0.0.1/"}),
    "a file": ("PUT", f"{NODE}/states/provision", {"target": "active", "configdrive": "file:///etc/shadow"}),
    "a step with an address": (
        "PUT", f"{NODE}/states/provision",
        {"target": "clean", "clean_steps": [{"interface": "firmware", "step": "update", "args": {"settings": [{"url": "http://x"}]}}]},
    ),
    "an address as a key": ("PATCH", NODE, step("/extra/a", {"file:///etc/shadow": 1})),
    "an address in other letters": ("PATCH", NODE, step("/extra/a", "HTTP\u003a//10.0.0.1")),
    "an address without slashes": ("PATCH", NODE, step("/extra/a", " File:/etc/shadow")),
    "an address in words": ("PATCH", NODE, step("/description", "see http://10.0.0.1")),
    "a runbook": ("POST", "/baremetal/v1/runbooks", {"name": "CUSTOM_A", "steps": []}),
}  # fmt: skip


@pytest.mark.parametrize("role", ["member", "manager"])
@pytest.mark.parametrize("what", PATCHES)
async def test_of_a_node_a_tenant_changes_words_only(cloud: Cloud, what: str, role: str) -> None:
    answer = await cloud.call("PATCH", NODE, cloud.issue(MINE, role), PATCHES[what])
    assert (answer.status, cloud.engine.asked) == (403, [])


@pytest.mark.parametrize("what", CALLS)
async def test_what_the_engine_would_fetch_or_believe_is_said_by_operators(cloud: Cloud, what: str) -> None:
    method, path, body = CALLS[what]
    answer = await cloud.call(method, path, cloud.issue(MINE, "manager"), body)
    assert (answer.status, cloud.engine.asked) == (403, [])
    assert (await cloud.call(method, path, cloud.issue(MINE, "admin"), body)).status == 200
    assert len(cloud.engine.asked) == 1


async def test_what_a_tenant_may_say_goes_on_as_it_was_looked_at(cloud: Cloud) -> None:
    fine: list[tuple[str, str, Any]] = [
        ("PATCH", NODE, [*step("/description", "a: //b"), *step("/extra/mine", {"a": 1}), *step("/lessee", MINE)]),
        ("PUT", f"{NODE}/states/power", {"target": "power on"}),
        ("PUT", f"{NODE}/states/provision", {"target": "active", "configdrive": "SGVsbG8="}),
        ("DELETE", f"{NODE}/maintenance", None),
        ("POST", "/baremetal/v1/allocations", {"resource_class": "gold"}),
    ]
    for method, path, body in fine:
        assert (await cloud.call(method, path, cloud.member, body)).status == 200
    twice = b'[{"op": "add", "path": "/extra/trivet", "path": "/description", "value": "x"}]'
    assert (await cloud.call("PATCH", NODE, cloud.member, twice)).status == 200
    assert b"trivet" not in cloud.engine.asked[-1][3]
    for odd in (b"{", b"[1]", b'{"op": "add"}', b'[{"op": "add"}]', b"[" * 50_000):
        assert (await cloud.call("PATCH", NODE, cloud.member, odd)).status == 400
