"""The catalog of metadata definitions, and the schemas, as clients see them."""

import pytest
from tests.api.image.image_cloud import Cloud, cloud

__all__ = ["cloud"]

NAMESPACES = "/v2/metadefs/namespaces"


async def make(cloud: Cloud, name: str = "OS::Test", **words: object) -> None:
    answer = await cloud.call("POST", NAMESPACES, {"namespace": name, "visibility": "public", **words}, who="admin")
    assert answer.status == 201, answer.raw


async def test_a_namespace_holds_what_was_said_at_once(cloud: Cloud) -> None:
    await make(
        cloud,
        properties={"cores": {"title": "Cores", "type": "integer", "minimum": 1}},
        objects=[{"name": "CPU", "properties": {"x": {"title": "X", "type": "string"}}, "required": ["x"]}],
        tags=[{"name": "fast"}],
        resource_type_associations=[{"name": "OS::Glance::Image", "prefix": "hw_"}],
    )
    found = (await cloud.call("GET", f"{NAMESPACES}/OS::Test")).ok()
    assert found["properties"] == {"cores": {"title": "Cores", "type": "integer", "minimum": 1}}
    assert found["objects"][0]["required"] == ["x"]
    assert found["tags"] == [{"name": "fast"}]
    assert found["resource_type_associations"][0]["prefix"] == "hw_"
    asked = {"resource_type": "OS::Glance::Image"}
    prefixed = (await cloud.call("GET", f"{NAMESPACES}/OS::Test", query=asked)).ok()
    assert list(prefixed["properties"]) == ["hw_cores"]
    one = (await cloud.call("GET", f"{NAMESPACES}/OS::Test/properties/hw_cores", query=asked)).ok()
    assert one["name"] == "cores"
    (listed,) = (await cloud.call("GET", NAMESPACES, query={"resource_types": "OS::Glance::Image"})).ok()["namespaces"]
    assert listed["namespace"] == "OS::Test"
    assert (await cloud.call("GET", NAMESPACES, query={"resource_types": "OS::Nova::Flavor"})).ok()["namespaces"] == []


async def test_only_operators_write_and_private_ones_are_for_them(cloud: Cloud) -> None:
    (await cloud.call("POST", NAMESPACES, {"namespace": "x"})).refused(403)
    await make(cloud, "hidden", visibility="private")
    (await cloud.call("GET", f"{NAMESPACES}/hidden")).refused(404)
    assert (await cloud.call("GET", NAMESPACES)).ok()["namespaces"] == []
    assert len((await cloud.call("GET", NAMESPACES, who="admin")).ok()["namespaces"]) == 1


async def test_a_protected_namespace_loses_nothing(cloud: Cloud) -> None:
    await make(cloud, protected=True, tags=[{"name": "fast"}])
    path = f"{NAMESPACES}/OS::Test"
    (await cloud.call("DELETE", path, who="admin")).refused(403)
    (await cloud.call("DELETE", f"{path}/tags/fast", who="admin")).refused(403)
    words = {"namespace": "OS::Test", "visibility": "public", "protected": False}
    assert (await cloud.call("PUT", path, words, who="admin")).ok()["protected"] is False
    assert (await cloud.call("DELETE", path, who="admin")).status == 204
    (await cloud.call("GET", path)).refused(404)


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("objects", {"name": "a"}, {"name": "b", "description": "new"}),
        ("properties", {"name": "a", "title": "A", "type": "string"}, {"name": "b", "title": "B", "type": "number"}),
    ],
)
async def test_items_are_made_renamed_and_removed(
    cloud: Cloud, kind: str, first: dict[str, str], second: dict[str, str]
) -> None:
    await make(cloud)
    path = f"{NAMESPACES}/OS::Test/{kind}"
    made = await cloud.call("POST", path, first, who="admin")
    assert (made.status, made.body["name"]) == (201, "a")
    (await cloud.call("POST", path, first, who="admin")).refused(409)
    assert (await cloud.call("PUT", f"{path}/a", second, who="admin")).ok()["name"] == "b"
    (await cloud.call("GET", f"{path}/a")).refused(404)
    assert len((await cloud.call("GET", path)).ok()[kind]) == 1
    assert (await cloud.call("DELETE", f"{path}/b", who="admin")).status == 204
    assert len((await cloud.call("GET", path)).ok()[kind]) == 0


async def test_tags_are_replaced_as_a_whole_or_one_by_one(cloud: Cloud) -> None:
    await make(cloud)
    path = f"{NAMESPACES}/OS::Test/tags"

    async def names() -> list[str]:
        return sorted(tag["name"] for tag in (await cloud.call("GET", path)).ok()["tags"])

    body = {"tags": [{"name": "a"}, {"name": "b"}]}
    assert (await cloud.call("POST", path, body, who="admin")).status == 201
    assert (await cloud.call("POST", f"{path}/c", who="admin")).status == 201
    assert await names() == ["a", "b", "c"]
    (await cloud.call("PUT", f"{path}/c", {"name": "d"}, who="admin")).ok()
    (await cloud.call("PUT", f"{path}/d", {"name": "a"}, who="admin")).refused(409)
    assert (await cloud.call("POST", path, {"tags": [{"name": "z"}]}, who="admin")).status == 201
    assert await names() == ["z"]
    (await cloud.call("POST", path, {"tags": [{"name": "z"}, {"name": "z"}]}, who="admin")).refused(400)
    assert (await cloud.call("DELETE", path, who="admin")).status == 204
    assert await names() == []


@pytest.mark.parametrize(
    "name",
    [
        "image", "images", "member", "members", "task", "tasks", "metadefs/namespace", "metadefs/namespaces",
        "metadefs/object", "metadefs/objects", "metadefs/property", "metadefs/properties", "metadefs/tag",
        "metadefs/tags", "metadefs/resource_type", "metadefs/resource_types",
    ],
)  # fmt: skip
async def test_each_thing_has_its_schema(cloud: Cloud, name: str) -> None:
    schema = (await cloud.call("GET", f"/v2/schemas/{name}", who="reader")).ok()
    assert schema["name"]
    assert schema["properties"]


async def test_an_image_is_what_its_schema_says(cloud: Cloud) -> None:
    image = await cloud.active(os_distro="debian")
    schema = (await cloud.call("GET", "/v2/schemas/image")).ok()
    assert image.keys() - schema["properties"].keys() == {"os_distro"}
    (await cloud.call("GET", "/v2/schemas/absent")).refused(404)
