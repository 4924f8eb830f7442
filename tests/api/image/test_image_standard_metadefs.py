"""The standard metadata definitions are there from the first start, as a cloud with Glance has them."""

import msgspec
from tests.api.image.image_cloud import Cloud, cloud

from trivet.api.image import metadef_words as words
from trivet.domain.images import standard_metadefs
from trivet.store.store import transact

__all__ = ["cloud"]


async def test_dashboards_find_what_may_be_said_of_images_flavors_and_servers(cloud: Cloud) -> None:
    await transact(cloud.store, standard_metadefs.load)
    for type, count in (("OS::Glance::Image", 20), ("OS::Nova::Flavor", 15), ("OS::Nova::Server", 3)):
        found = (await cloud.call("GET", "/v2/metadefs/namespaces", query={"resource_types": type, "limit": 100})).ok()
        assert len(found["namespaces"]) >= count
    path = "/v2/metadefs/namespaces/OS::Compute::Watchdog?resource_type=OS::Nova::Flavor"
    shown = (await cloud.call("GET", path)).ok()
    assert (shown["visibility"], shown["protected"]) == ("public", True)
    assert "reset" in shown["properties"]["hw:watchdog_action"]["enum"]
    quota = (await cloud.call("GET", "/v2/metadefs/namespaces/OS::Compute::Quota")).ok()
    assert {"CPU Limits", "Disk QoS"} <= {entry["name"] for entry in quota["objects"]}


async def test_each_of_them_could_have_been_said_by_a_client(cloud: Cloud) -> None:
    await transact(cloud.store, standard_metadefs.load)
    await transact(cloud.store, standard_metadefs.load)
    found = (await cloud.call("GET", "/v2/metadefs/namespaces", query={"limit": 100})).ok()["namespaces"]
    assert len(found) > 30
    for namespace in found:
        path = f"/v2/metadefs/namespaces/{namespace['namespace']}"
        for name, property in (await cloud.call("GET", f"{path}/properties")).ok()["properties"].items():
            msgspec.convert(property | {"name": name}, words.NamedProperty)
        for entry in (await cloud.call("GET", f"{path}/objects")).ok()["objects"]:
            msgspec.convert(entry, words.Object)
