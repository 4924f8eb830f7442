"""What hostile tenants push. The class: what names one another is walked along, and there are more ways than things."""

import json
from typing import Any

import pytest
from tests.api.image.container_archives import MANIFEST, Image, descriptor, digest
from tests.api.one_service import THEIRS
from tests.api.registry.registry_cloud import APP, INDEX, Cloud, cloud

from trivet.store.tx import Tx

__all__ = ["cloud"]

WIDE = 12


def index(level: int, number: int, below: list[bytes]) -> bytes:
    named = [descriptor(INDEX if level else "application/vnd.oci.image.manifest.v1+json", one) for one in below]
    said = {"schemaVersion": 2, "mediaType": INDEX, "manifests": named, "annotations": {"n": f"{level}.{number}"}}
    return json.dumps(said).encode()


async def test_manifests_that_name_one_another_are_looked_at_once_each(cloud: Cloud) -> None:
    image, shown = Image(), Image(b"shown")
    await cloud.push("bottom", image=image)
    await cloud.push("shown", image=shown)
    below = [image.manifest]
    for level in range(3):
        below = [index(level, number, below) for number in range(WIDE)]
        for one in below:
            assert (await cloud.push_manifest(one, digest(one), kind=INDEX)).status == 201
    seen = (await cloud.images())["app:shown"]
    await cloud.patch(seen["id"], visibility="shared")
    member = json.dumps({"member": THEIRS}).encode()
    await cloud.call("POST", f"/image/v2/images/{seen['id']}/members", member, kind="application/json")
    asked = 0
    async with cloud.store.read() as tx:
        plain_row, plain_rows = type(tx).row, type(tx).rows

    def counting(plain: Any) -> Any:
        async def listening(self: Tx, sql: str, *values: Any) -> Any:
            nonlocal asked
            asked += 1
            return await plain(self, sql, *values)

        return listening

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(tx), "row", counting(plain_row))
        patch.setattr(type(tx), "rows", counting(plain_rows))
        assert (await cloud.pull("bottom", who="stranger")).status == 404
        pulled, asked = asked, 0
        tags = await cloud.call("GET", f"/v2/{APP}/tags/list", who="stranger")
        assert tags.body["tags"] == ["shown"]
    # 36 things: 1 + 12 + 12 * 12 + 12 * 12 * 12 ways to them.
    assert pulled < 400, pulled
    assert asked < 400, asked


async def test_annotations_that_lists_tell_are_not_megabytes(cloud: Cloud) -> None:
    """Fifty of them are read at once, as objects that take ten times the room of their text."""
    image = await cloud.push()
    config = b"{}"
    await cloud.push_blob(config)
    described = descriptor("application/vnd.oci.empty.v1+json", config)
    for number, status in ((2_000, 201), (200_000, 400)):
        said = {
            "schemaVersion": 2, "mediaType": MANIFEST, "config": described,
            "layers": [], "subject": descriptor(MANIFEST, image.manifest),
            "annotations": {f"{n:x}": "v" for n in range(number)},
        }  # fmt: skip
        text = json.dumps(said).encode()
        assert (await cloud.push_manifest(text, digest(text))).status == status
    found = await cloud.call("GET", f"/v2/{APP}/referrers/{digest(image.manifest)}")
    assert len(found.body["manifests"]) == 1
