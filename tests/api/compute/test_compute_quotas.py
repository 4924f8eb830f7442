"""Quotas in nova's words: of projects, of one user in a project, and of everybody (the class `default`)."""

from typing import Any

from tests.api.compute.server_cloud import Cloud, cloud

__all__ = ["cloud"]

USER = "u" * 32


def admin(cloud: Cloud) -> str:
    return cloud.token("admin")


async def project_of(cloud: Cloud, *user_ids: str) -> str:
    async with cloud.store.write() as tx:
        for id in user_ids:
            await tx.run(
                "INSERT INTO users (id, revision, name, domain_id, enabled, passwords, federated, options, extra)"
                " VALUES (?, 1, ?, 'default', 1, '[]', '[]', '{}', '{}')",
                id,
                id,
            )
        row = await tx.row("SELECT id FROM projects WHERE name = 'admin'")
    assert row is not None
    return str(row[0])


async def put(cloud: Cloud, path: str, **limits: Any) -> Any:
    body = {"quota_set": limits}
    return await cloud.call("PUT", f"/os-quota-sets/{path}", body, token=admin(cloud), version="2.1")


async def get(cloud: Cloud, path: str, version: str = "2.1") -> Any:
    answer = await cloud.call("GET", f"/os-quota-sets/{path}", token=admin(cloud), version=version)
    return answer.ok()["quota_set"]


async def test_a_users_limit_is_shown_to_who_asks_for_that_user_and_to_nobody_else(cloud: Cloud) -> None:
    project = await project_of(cloud, USER)
    (await put(cloud, project, ram=5120, cores=8)).ok()
    changed = (await put(cloud, f"{project}?user_id={USER}", ram=2048)).ok()["quota_set"]
    assert (changed["ram"], changed["cores"]) == (2048, 8)
    assert (await get(cloud, project))["ram"] == 5120
    for version in ("2.1", "2.36", "2.57", "2.104"):
        assert (await get(cloud, f"{project}?user_id={USER}", version))["ram"] == 2048
    assert (await get(cloud, f"{project}/detail?user_id={USER}"))["ram"] == {"limit": 2048, "in_use": 0, "reserved": 0}
    assert (await get(cloud, f"{project}?user_id={'o' * 32}"))["ram"] == 5120


async def test_a_users_limit_lies_between_what_that_one_uses_and_what_the_project_has_left(cloud: Cloud) -> None:
    other = "o" * 32
    project = await project_of(cloud, USER, other)
    (await put(cloud, project, cores=8)).ok()
    (await put(cloud, f"{project}?user_id={other}", cores=5)).ok()
    (await put(cloud, f"{project}?user_id={USER}", cores=4)).refused(400)
    (await put(cloud, f"{project}?user_id={USER}", cores=-1)).refused(400)
    (await put(cloud, f"{project}?user_id={USER}", cores=3)).ok()
    (await put(cloud, f"{project}?user_id={USER}", cores=4, force=True)).ok()
    (await put(cloud, project, cores=8)).refused(400)
    (await put(cloud, project, cores=9)).ok()


async def test_a_users_limit_goes_with_a_reset_of_that_user_or_of_the_project(cloud: Cloud) -> None:
    other = "o" * 32
    project = await project_of(cloud, USER, other)
    before = (await get(cloud, project))["ram"]
    for id in (USER, other):
        (await put(cloud, f"{project}?user_id={id}", ram=1024)).ok()
    path = f"/os-quota-sets/{project}"
    assert (await cloud.call("DELETE", f"{path}?user_id={USER}", token=admin(cloud))).status == 202
    assert (await get(cloud, f"{project}?user_id={USER}"))["ram"] == before
    assert (await get(cloud, f"{project}?user_id={other}"))["ram"] == 1024
    assert (await cloud.call("DELETE", path, token=admin(cloud))).status == 202
    assert (await get(cloud, f"{project}?user_id={other}"))["ram"] != 1024


async def test_a_user_that_does_not_exist_and_what_no_user_has_are_refused(cloud: Cloud) -> None:
    project = await project_of(cloud, USER)
    (await put(cloud, f"{project}?user_id={'o' * 32}", ram=1024)).refused(400)
    (await put(cloud, f"{project}?user_id={USER}", floating_ips=3)).refused(400)
    theirs = cloud.token(project_id=project)
    path = f"/os-quota-sets/{project}?user_id={USER}"
    assert (await cloud.call("PUT", path, {"quota_set": {"ram": 1}}, token=theirs)).status == 403


async def test_fixed_ips_are_a_number_that_is_kept_where_it_is_shown(cloud: Cloud) -> None:
    project = await project_of(cloud)
    assert (await put(cloud, project, fixed_ips=10)).ok()["quota_set"]["fixed_ips"] == 10
    assert (await get(cloud, project, "2.35"))["fixed_ips"] == 10
    assert "fixed_ips" not in await get(cloud, project, "2.36")
    path = "/os-quota-class-sets/default"
    before = (await cloud.call("GET", path, token=admin(cloud), version="2.1")).ok()["quota_class_set"]
    assert before.pop("id") == "default"
    raised = {name: limit + 100 for name, limit in before.items()}
    body = {"quota_class_set": raised}
    changed = (await cloud.call("PUT", path, body, token=admin(cloud), version="2.1")).ok()["quota_class_set"]
    assert changed == raised
    shown = (await cloud.call("GET", path, token=admin(cloud), version="2.1")).ok()["quota_class_set"]
    assert shown == raised | {"id": "default"}


# -- what binds


async def test_a_user_gets_no_more_servers_than_were_set_for_that_one_and_others_do(cloud: Cloud) -> None:
    project = await project_of(cloud, USER)
    (await put(cloud, f"{project}?user_id={USER}", instances=2)).ok()
    theirs, others = cloud.token(project_id=project, user_id=USER), cloud.token(project_id=project, user_id="o" * 32)
    first = (await cloud.create(token=theirs, networks="none")).ok()["server"]["id"]
    (await cloud.create(token=theirs, networks="none", min_count=2, max_count=2)).refused(403)
    made = await cloud.create(token=theirs, networks="none", min_count=1, max_count=5)
    assert made.status == 202
    (await cloud.create(token=theirs, networks="none")).refused(403)
    assert (await cloud.create(token=others, networks="none")).status == 202
    detail = (await get(cloud, f"{project}/detail?user_id={USER}"))["instances"]
    assert (detail["limit"], detail["in_use"]) == (2, 2)
    (await put(cloud, f"{project}?user_id={USER}", instances=1)).refused(400)
    await cloud.settle()
    assert (await cloud.call("DELETE", f"/servers/{first}", token=theirs)).status == 204
    await cloud.settle()
    assert (await cloud.create(token=theirs, networks="none")).status == 202


async def test_a_users_limits_bind_groups_key_pairs_and_metadata_too(cloud: Cloud) -> None:
    project = await project_of(cloud, USER)
    (await put(cloud, f"{project}?user_id={USER}", server_groups=1, key_pairs=1, metadata_items=1)).ok()
    theirs = cloud.token(project_id=project, user_id=USER)
    others = cloud.token(project_id=project, user_id="o" * 32)
    for number, status in ((1, 200), (2, 403)):
        group = {"server_group": {"name": f"g{number}", "policy": "affinity"}}
        assert (await cloud.call("POST", "/os-server-groups", group, token=theirs)).status == status
        keypair = {"keypair": {"name": f"k{number}"}}
        made = await cloud.call("POST", "/os-keypairs", keypair, token=theirs, version="2.1")
        assert made.status == status
        assert (await cloud.call("POST", "/os-server-groups", group, token=others)).status == 200
    assert (await cloud.create(token=theirs, networks="none", metadata={"a": "1", "b": "2"})).status in (400, 403)
    assert (await cloud.create(token=others, networks="none", metadata={"a": "1", "b": "2"})).status == 202
