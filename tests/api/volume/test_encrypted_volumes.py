"""Encrypted volumes: types that say so, a key for each volume, and whose it is."""

from typing import Any

from tests.api.volume.volume_cloud import THEIRS, VolumeCloud, cloud

__all__ = ["cloud"]
LUKS = {"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 512, "control_location": "front-end"}


async def sealed_type(cloud: VolumeCloud, name: str = "sealed", **words: Any) -> str:
    body = {"volume_type": {"name": name}}
    type_id = (await cloud.call("POST", "/types", body, token=cloud.admin)).ok("volume_type")["id"]
    said = {"encryption": LUKS | words}
    (await cloud.call("POST", f"/types/{type_id}/encryption", said, token=cloud.admin)).ok("encryption")
    return str(type_id)


async def secret(cloud: VolumeCloud, id: str, token: str) -> Any:
    return await cloud.whole.call("GET", f"/key-manager/v1/secrets/{id}", token=token)


async def payload(cloud: VolumeCloud, id: str, token: str) -> bytes:
    path = f"/key-manager/v1/secrets/{id}/payload"
    headers = [(b"accept", b"application/octet-stream")]
    answer = await cloud.whole.call("GET", path, token=token, headers=headers)
    assert answer.status == 200, answer.raw
    return bytes(answer.raw)


async def test_a_type_says_how_its_volumes_are_encrypted_until_one_is_there(cloud: VolumeCloud) -> None:
    type_id = await sealed_type(cloud)
    path = f"/types/{type_id}/encryption"
    found = (await cloud.call("GET", path, token=cloud.admin)).ok()
    assert {name: found[name] for name in LUKS} == LUKS
    assert found["volume_type_id"] == type_id
    (await cloud.call("POST", path, {"encryption": LUKS}, token=cloud.admin)).refused(400)
    (await cloud.call("GET", path)).refused(403)
    key = f"{path}/{found['encryption_id']}"
    (await cloud.call("PUT", key, {"encryption": {"control_location": "nowhere"}}, token=cloud.admin)).refused(400)
    volume = {"volume": {"size": 1, "volume_type": "sealed"}}
    for wrong in ({"provider": "plain"}, {"key_size": 17}, {"cipher": "rot13"}):
        (await cloud.call("PUT", key, {"encryption": wrong}, token=cloud.admin)).ok()
        (await cloud.call("POST", "/volumes", volume)).refused(400)
        (await cloud.call("PUT", key, {"encryption": LUKS}, token=cloud.admin)).ok()
    changed = {"encryption": {"key_size": 256}}
    assert (await cloud.call("PUT", key, changed, token=cloud.admin)).ok() == changed
    assert (await cloud.call("GET", f"{path}/key_size", token=cloud.admin)).ok() == {"key_size": 256}
    await cloud.volume(volume_type="sealed")
    (await cloud.call("PUT", key, changed, token=cloud.admin)).refused(400)
    (await cloud.call("DELETE", key, token=cloud.admin)).refused(400)
    other = await sealed_type(cloud, "other")
    assert (await cloud.call("DELETE", f"/types/{other}/encryption/x", token=cloud.admin)).status == 202
    assert (await cloud.call("GET", f"/types/{other}/encryption", token=cloud.admin)).ok() == {}


async def test_an_encrypted_volume_has_a_key_that_goes_with_it(cloud: VolumeCloud) -> None:
    await sealed_type(cloud)
    volume = await cloud.volume(volume_type="sealed")
    assert volume["encrypted"] is True
    key_id = volume["encryption_key_id"]
    assert "encryption_key_id" not in await cloud.show(volume["id"], version="3.63")
    said = (await cloud.call("GET", f"/volumes/{volume['id']}/encryption")).ok()
    assert (said["encryption_key_id"], said["cipher"]) == (key_id, "aes-xts-plain64")
    assert (await cloud.call("GET", f"/volumes/{volume['id']}/encryption/key_size")).raw == b"512"
    assert len(await payload(cloud, key_id, cloud.mine)) == 64
    assert (await secret(cloud, key_id, cloud.theirs)).status == 403
    server = await cloud.server()
    await cloud.attach(server["id"], volume["id"])
    found = (await cloud.call("GET", "/attachments/detail")).ok("attachments")
    assert found[0]["connection_info"]["encrypted"] is True
    path = f"/servers/{server['id']}/os-volume_attachments/{volume['id']}"
    assert (await cloud.compute("DELETE", path)).status == 202
    await cloud.until(volume["id"], "available")
    assert (await cloud.call("DELETE", f"/volumes/{volume['id']}")).status == 202
    await cloud.gone(f"/volumes/{volume['id']}")
    assert (await secret(cloud, key_id, cloud.mine)).status == 404


async def test_a_copy_has_a_key_of_its_own_with_the_same_in_it(cloud: VolumeCloud) -> None:
    await sealed_type(cloud)
    volume = await cloud.volume(volume_type="sealed")
    snapshot = await cloud.snapshot(volume["id"])
    copies = [await cloud.volume(snapshot_id=snapshot["id"], size=2), await cloud.volume(source_volid=volume["id"])]
    keys = {one["encryption_key_id"] for one in (volume, *copies)}
    assert len(keys) == 3
    assert len({await payload(cloud, id, cloud.mine) for id in keys}) == 1
    for source in ({"snapshot_id": snapshot["id"]}, {"source_volid": volume["id"]}):
        body = {"volume": {"size": 2, "volume_type": "__DEFAULT__"} | source}
        (await cloud.call("POST", "/volumes", body)).refused(400)
    plain = await cloud.volume()
    body = {"volume": {"size": 2, "volume_type": "sealed", "source_volid": plain["id"]}}
    (await cloud.call("POST", "/volumes", body)).refused(400)
    from_image = await cloud.volume(imageRef=cloud.image_id, volume_type="sealed")
    assert from_image["encrypted"] is True


async def test_what_becomes_of_a_volume_and_would_open_it_is_refused(cloud: VolumeCloud) -> None:
    await sealed_type(cloud)
    volume, plain = await cloud.volume(volume_type="sealed"), await cloud.volume()
    retype = {"new_type": "__DEFAULT__", "migration_policy": "on-demand"}
    (await cloud.act(volume["id"], "os-retype", retype)).refused(400)
    (await cloud.act(plain["id"], "os-retype", retype | {"new_type": "sealed"})).refused(400)
    image = {"image_name": "i", "disk_format": "raw", "container_format": "bare"}
    (await cloud.act(volume["id"], "os-volume_upload_image", image)).refused(400)


async def test_the_key_goes_along_when_a_volume_is_given_away(cloud: VolumeCloud) -> None:
    await sealed_type(cloud)
    volume = await cloud.volume(volume_type="sealed")
    before = await payload(cloud, volume["encryption_key_id"], cloud.mine)
    said = {"transfer": {"volume_id": volume["id"]}}
    (await cloud.call("POST", "/volume-transfers", said, version="3.69")).refused(400)
    made = (await cloud.call("POST", "/volume-transfers", said)).ok("transfer")
    accept = {"accept": {"auth_key": made["auth_key"]}}
    answer = await cloud.call("POST", f"/volume-transfers/{made['id']}/accept", accept, token=cloud.theirs)
    assert answer.status == 202, answer.raw
    found = await cloud.show(volume["id"], token=cloud.theirs)
    assert found["encryption_key_id"] != volume["encryption_key_id"]
    assert await payload(cloud, found["encryption_key_id"], cloud.theirs) == before
    assert (await secret(cloud, volume["encryption_key_id"], cloud.mine)).status == 404
    assert (await cloud.rows("SELECT project_id FROM stored_secrets")) == [(THEIRS,)]


async def test_a_volume_whose_key_was_taken_away_says_so_and_can_be_deleted(cloud: VolumeCloud) -> None:
    await sealed_type(cloud)
    volume, server = await cloud.volume(volume_type="sealed"), await cloud.server()
    path = f"/key-manager/v1/secrets/{volume['encryption_key_id']}"
    assert (await cloud.whole.call("DELETE", path, token=cloud.mine)).status == 204
    await cloud.attach(server["id"], volume["id"], until=None)
    await cloud.until(volume["id"], "available")
    query = f"resource_uuid={volume['id']}"
    found = (await cloud.call("GET", "/messages", query=query)).ok("messages")
    assert "key" in found[0]["user_message"]
    assert (await cloud.call("DELETE", f"/volumes/{volume['id']}")).status == 202
    await cloud.gone(f"/volumes/{volume['id']}")
