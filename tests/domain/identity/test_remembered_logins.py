"""A login that comes again is answered from memory, and yet sees at once what another process has changed.

The second process has heard of everything up to here, and of nothing that follows.
"""

import pytest
from tests.api.identity.identity_cloud import Cloud
from tests.domain.identity.test_login_races import two

from trivet.domain.identity.tokens import revocations
from trivet.domain.identity.tokens.revocations import IdentityListener
from trivet.store import log
from trivet.store.follower import Follower

__all__ = ["two"]

V3 = "/identity/v3"
ON_PROJECT = V3 + "/projects/{project}/{actor}/roles/{role}"
FROM_ABOVE = V3 + "/OS-INHERIT/domains/{domain}/users/{user}/roles/{role}/inherited_to_projects"
CHANGES: dict[str, tuple[str, str, object]] = {
    "the password": ("PATCH", V3 + "/users/{user}", {"user": {"password": "new"}}),
    "the user disabled": ("PATCH", V3 + "/users/{user}", {"user": {"enabled": False}}),
    "the user renamed": ("PATCH", V3 + "/users/{user}", {"user": {"name": "eve"}}),
    "the user gone": ("DELETE", V3 + "/users/{user}", None),
    "the project disabled": ("PATCH", V3 + "/projects/{project}", {"project": {"enabled": False}}),
    "the project renamed": ("PATCH", V3 + "/projects/{project}", {"project": {"name": "q"}}),
    "the project gone": ("DELETE", V3 + "/projects/{project}", None),
    "the domain disabled": ("PATCH", V3 + "/domains/{domain}", {"domain": {"enabled": False}}),
    "a role given": ("PUT", V3 + "/projects/{project}/users/{user}/roles/{other}", None),
    "a role taken": ("DELETE", V3 + "/projects/{project}/users/{user}/roles/{own}", None),
    "a role given from above": ("PUT", FROM_ABOVE.replace("{role}", "{other}"), None),
    "a role taken above": ("DELETE", FROM_ABOVE.replace("{role}", "{above}"), None),
    "a group joined": ("PUT", V3 + "/groups/{empty}/users/{user}", None),
    "a group left": ("DELETE", V3 + "/groups/{group}/users/{user}", None),
    "a group gone": ("DELETE", V3 + "/groups/{group}", None),
    "a role given to a group": ("PUT", V3 + "/projects/{project}/groups/{group}/roles/{other}", None),
    "a role taken from a group": ("DELETE", V3 + "/projects/{project}/groups/{group}/roles/{shared}", None),
    "a role implied": ("PUT", V3 + "/roles/{own}/implies/{other}", None),
    "a role implied no more": ("DELETE", V3 + "/roles/{own}/implies/{implied}", None),
    "a role renamed": ("PATCH", V3 + "/roles/{own}", {"role": {"name": "renamed"}}),
    "a role gone": ("DELETE", V3 + "/roles/{own}", None),
}


async def furnish(cloud: Cloud) -> dict[str, str]:
    """A user with roles of every origin, on a project in a domain."""
    domain = (await cloud.make("domain", "domains", name="d"))["id"]
    project = (await cloud.make("project", "projects", name="p", domain_id=domain))["id"]
    user = (await cloud.make("user", "users", name="ann", password="pw"))["id"]
    ids = {"domain": domain, "project": project, "user": user}
    for name in ("own", "other", "above", "shared", "implied"):
        ids[name] = (await cloud.make("role", "roles", name=name))["id"]
    for name in ("group", "empty"):
        ids[name] = (await cloud.make("group", "groups", name=name))["id"]
    for path in (
        "/projects/{project}/users/{user}/roles/{own}",
        "/projects/{project}/groups/{group}/roles/{shared}",
        "/projects/{project}/groups/{empty}/roles/{other}",
        "/groups/{group}/users/{user}",
        "/roles/{own}/implies/{implied}",
        "/OS-INHERIT/domains/{domain}/users/{user}/roles/{above}/inherited_to_projects",
    ):
        answer = await cloud.call("PUT", (V3 + path).format(**ids))
        assert answer.status in (201, 204), answer.raw
    return ids


async def outcome(cloud: Cloud, ids: dict[str, str]) -> object:
    scope = {"project": {"name": "p", "domain": {"id": ids["domain"]}}}
    answer = await cloud.login("ann", "pw", scope=scope)
    return sorted(role["name"] for role in answer.body["token"]["roles"]) if answer.status == 201 else answer.status


async def hear(cloud: Cloud) -> None:
    async with cloud.store.read() as tx:
        await revocations.fill(tx, cloud.parts.tokens, cloud.parts.identity_memory)


@pytest.mark.parametrize("what", CHANGES)
async def test_what_another_process_has_changed_is_seen_by_the_next_login(two: tuple[Cloud, Cloud], what: str) -> None:
    here, late = two
    ids = await furnish(here)
    await hear(late)
    before = await outcome(late, ids)
    assert await outcome(late, ids) == before == ["above", "implied", "own", "shared"]
    method, path, body = CHANGES[what]
    answer = await here.call(method, path.format(**ids), body)
    assert answer.status in (200, 201, 204), answer.raw
    now = await outcome(late, ids)
    assert now != before
    assert now == await outcome(here, ids)


async def test_who_comes_again_is_answered_from_memory(two: tuple[Cloud, Cloud]) -> None:
    """Shown by a change that no request can make: one behind the log's back."""
    here, late = two
    ids = await furnish(here)
    follower = Follower(late.store)
    parts = late.parts
    listener = IdentityListener(late.store, parts.tokens, parts.identity_memory, parts.secrets, 3600)
    follower.listen("identity", listener.on_events, listener.on_resync)
    await follower.start()
    await hear(late)
    for heard in ("when it started", "from the log"):
        if heard == "from the log":
            answer = await here.call("PATCH", f"{V3}/users/{ids['user']}", {"user": {"description": heard}})
            assert answer.status == 200
            await follower.step()
        before = await outcome(late, ids)
        for enabled in (0, 1):
            async with here.store.write() as tx:
                await tx.run("UPDATE users SET enabled = ? WHERE id = ?", enabled, ids["user"])
            assert await outcome(late, ids) == before


async def test_a_database_that_was_put_back_is_read_anew(two: tuple[Cloud, Cloud]) -> None:
    """Its log ends before what was heard last."""
    here, late = two
    ids = await furnish(here)
    await hear(late)
    await outcome(late, ids)
    async with here.store.write() as tx:
        await tx.run("UPDATE users SET enabled = 0 WHERE id = ?", ids["user"])
        await tx.run("DELETE FROM events WHERE seq = ?", await log.head(tx))
    assert await outcome(late, ids) == 401
