"""Signed images: on their way in, before a server starts from one, and before a volume is made of one."""

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.api.image.signing import Signer
from tests.api.one_service import Answer
from tests.api.volume.volume_cloud import MINE, VolumeCloud, cloud

__all__ = ["cloud"]

DATA = b"\x01bytes of a disk\0" * 100
FAILED = "Signature verification for the image failed"


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer("who signs")


async def keep(cloud: VolumeCloud, certificate: bytes, *, kind: str = "certificate", token: str | None = None) -> str:
    """The id of the secret that a certificate is kept as."""
    secret = {
        "name": "certificate", "secret_type": kind, "payload": base64.b64encode(certificate).decode(),
        "payload_content_type": "application/octet-stream", "payload_content_encoding": "base64",
    }  # fmt: skip
    answer = await cloud.whole.call("POST", "/key-manager/v1/secrets", secret, token=token or cloud.mine)
    assert answer.status == 201, answer.raw
    return str(answer.body["secret_ref"]).rpartition("/")[2]


async def new(cloud: VolumeCloud, words: dict[str, str]) -> str:
    image = {"name": "signed", "disk_format": "raw", "container_format": "bare", "visibility": "private"} | words
    answer = await cloud.whole.call("POST", "/image/v2/images", image, token=cloud.mine)
    assert answer.status == 201, answer.raw
    return str(answer.body["id"])


async def put(cloud: VolumeCloud, id: str, data: bytes = DATA, *, to: str = "file") -> Answer:
    sent = [(b"content-type", b"application/octet-stream")]
    return await cloud.whole.call("PUT", f"/image/v2/images/{id}/{to}", data, token=cloud.mine, headers=sent)


async def shown(cloud: VolumeCloud, id: str) -> Any:
    return (await cloud.whole.call("GET", f"/image/v2/images/{id}", token=cloud.mine)).body


async def patch(cloud: VolumeCloud, id: str, **words: str) -> None:
    body = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in words.items()]
    sent = [(b"content-type", b"application/openstack-images-v2.1-json-patch")]
    answer = await cloud.whole.call("PATCH", f"/image/v2/images/{id}", body, token=cloud.mine, headers=sent)
    assert answer.status == 200, answer.raw


async def signed(cloud: VolumeCloud, signer: Signer, method: str = "SHA-256") -> str:
    id = await new(cloud, signer.words(DATA, await keep(cloud, signer.der()), method))
    assert (await put(cloud, id)).status == 204
    return id


async def blob_keys(cloud: VolumeCloud) -> set[str]:
    return await cloud.whole.process.parts.blobs.keys("image")


# -- on their way in


@pytest.mark.parametrize("kind", ["RSA-PSS", "DSA", "ECC_SECP384R1", "ECC_SECP521R1"])
@pytest.mark.parametrize("method", ["SHA-224", "SHA-256", "SHA-384", "SHA-512"])
async def test_bytes_that_were_signed_come_in_and_others_do_not(cloud: VolumeCloud, kind: str, method: str) -> None:
    signer = Signer("who signs", kind=kind)
    before = await blob_keys(cloud)
    words = signer.words(DATA, await keep(cloud, signer.pem()), method)
    id = await new(cloud, words)
    answer = await put(cloud, id, DATA + b"and more")
    assert (answer.status, FAILED in answer.raw.decode()) == (400, True)
    assert (await shown(cloud, id))["status"] == "queued"
    assert await blob_keys(cloud) == before
    assert (await put(cloud, id)).status == 204
    assert (await shown(cloud, id))["status"] == "active"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"img_signature": "no base64!"}, "base64"),
        ({"img_signature_hash_method": "MD5"}, "hash method"),
        ({"img_signature_key_type": "RSA-PKCS"}, "key type"),
        ({"img_signature_key_type": "DSA"}, "public key type"),
        ({"img_signature_certificate_uuid": "5" * 8 + "-0000-0000-0000-" + "0" * 12}, "Certificate not found"),
        ({"img_signature_certificate_uuid": "x"}, "Certificate not found"),
    ],
)
async def test_words_that_cannot_be_checked_let_nothing_in(
    cloud: VolumeCloud, signer: Signer, changed: dict[str, str], why: str
) -> None:
    id = await new(cloud, signer.words(DATA, await keep(cloud, signer.der())) | changed)
    answer = await put(cloud, id)
    assert (answer.status, why in answer.raw.decode()) == (400, True), answer.raw


async def test_an_image_that_lacks_one_of_the_words_is_not_signed(cloud: VolumeCloud, signer: Signer) -> None:
    words = signer.words(b"others", await keep(cloud, signer.der()))
    id = await new(cloud, {name: value for name, value in words.items() if name != "img_signature_key_type"})
    assert (await put(cloud, id)).status == 204


async def test_somebody_elses_certificate_is_read_by_who_is_in_its_access_list(
    cloud: VolumeCloud, signer: Signer
) -> None:
    certificate_id = await keep(cloud, signer.der(), token=cloud.theirs)
    id = await new(cloud, signer.words(DATA, certificate_id))
    answer = await put(cloud, id)
    assert (answer.status, "not yours to read" in answer.raw.decode()) == (400, True)
    acl = {"read": {"users": ["wei"], "project-access": True}}
    path = f"/key-manager/v1/secrets/{certificate_id}/acl"
    assert (await cloud.whole.call("PUT", path, acl, token=cloud.theirs)).status == 200
    assert (await put(cloud, id)).status == 204


async def test_a_secret_that_is_no_certificate_is_none(cloud: VolumeCloud, signer: Signer) -> None:
    for kind, content in (("opaque", signer.der()), ("certificate", b"no certificate")):
        id = await new(cloud, signer.words(DATA, await keep(cloud, content, kind=kind)))
        answer = await put(cloud, id)
        assert (answer.status, "certificate" in answer.raw.decode()) == (400, True)


async def test_an_import_is_checked_with_what_its_caller_could_read(cloud: VolumeCloud, signer: Signer) -> None:
    certificate_id = await keep(cloud, signer.der())
    for data, status in ((DATA, "active"), (b"others", "queued")):
        id = await new(cloud, signer.words(DATA, certificate_id))
        assert (await put(cloud, id, data, to="stage")).status == 204
        said = {"method": {"name": "glance-direct"}}
        answer = await cloud.whole.call("POST", f"/image/v2/images/{id}/import", said, token=cloud.mine)
        assert answer.status == 202, answer.raw

        async def done(id: str = id) -> Any:
            found = await shown(cloud, id)
            return found if found["status"] != "importing" else None

        found = await cloud.eventually(done, "imported")
        assert found["status"] == status
        assert (FAILED in found.get("trivet_fault", "")) == (status == "queued")
        tasks = (await cloud.whole.call("GET", f"/image/v2/images/{id}/tasks", token=cloud.mine)).body["tasks"]
        assert "check" not in tasks[0]["input"]


async def test_what_openssl_signed_is_let_in(cloud: VolumeCloud, tmp_path: Path) -> None:
    key, certificate, disk, signature = (tmp_path / name for name in ("key", "crt", "disk", "sig"))
    disk.write_bytes(DATA)
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -subj /CN=ann -days 3"
    subprocess.run(made.split(), check=True, capture_output=True)
    pss = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:max"
    made = f"openssl dgst -sha256 -sign {key} {pss} -out {signature} {disk}"
    subprocess.run(made.split(), check=True, capture_output=True)
    words = {
        "img_signature": base64.b64encode(signature.read_bytes()).decode(),
        "img_signature_hash_method": "SHA-256",
        "img_signature_key_type": "RSA-PSS",
        "img_signature_certificate_uuid": await keep(cloud, certificate.read_bytes()),
    }
    id = await new(cloud, words)
    assert (await put(cloud, id)).status == 204


# -- before a server starts


async def becomes(cloud: VolumeCloud, image_id: str, **words: Any) -> tuple[str, str]:
    """A new server's state, and why it is in error."""
    server = {"name": "s", "flavorRef": cloud.flavor_id, "imageRef": image_id, "networks": "none"} | words
    if "block_device_mapping_v2" in words:
        del server["imageRef"]
    made = (await cloud.compute("POST", "/servers", {"server": server})).ok("server")

    async def settled() -> Any:
        found = (await cloud.compute("GET", f"/servers/{made['id']}")).ok("server")
        return found if found["status"] != "BUILD" else None

    found = await cloud.eventually(settled, "a server")
    return found["status"], found.get("fault", {}).get("message", "")


async def test_a_server_starts_from_what_is_signed_and_not_when_its_signature_was_changed(
    cloud: VolumeCloud, signer: Signer
) -> None:
    id = await signed(cloud, signer)
    assert (await becomes(cloud, id))[0] == "ACTIVE"
    await patch(cloud, id, img_signature=signer.words(b"others", "")["img_signature"])
    status, why = await becomes(cloud, id)
    assert (status, FAILED in why) == ("ERROR", True)


async def test_a_signature_that_came_after_the_bytes_needs_a_digest_that_is_known(
    cloud: VolumeCloud, signer: Signer
) -> None:
    certificate_id = await keep(cloud, signer.der())
    for method, status in (("SHA-512", "ACTIVE"), ("SHA-384", "ERROR")):
        id = await cloud.new_image("plain", cloud.mine, DATA)
        words = signer.words(DATA, certificate_id, method)
        body = [{"op": "add", "path": f"/{name}", "value": value} for name, value in words.items()]
        sent = [(b"content-type", b"application/openstack-images-v2.1-json-patch")]
        await cloud.whole.call("PATCH", f"/image/v2/images/{id}", body, token=cloud.mine, headers=sent)
        assert (await becomes(cloud, id))[0] == status


async def chain(cloud: VolumeCloud, **how: Any) -> tuple[str, list[str]]:
    """An image that was signed under two authorities, and their certificates."""
    root = Signer("root", ca=True)
    middle = Signer("middle", by=root, ca=True, **how)
    image_id = await signed(cloud, Signer("who signs", by=middle))
    return image_id, [await keep(cloud, root.pem()), await keep(cloud, middle.der())]


async def test_who_trusts_the_whole_chain_gets_a_server(cloud: VolumeCloud) -> None:
    image_id, trusted = await chain(cloud)
    assert await becomes(cloud, image_id, trusted_image_certificates=trusted) == ("ACTIVE", "")
    disk = {
        "boot_index": 0, "source_type": "image", "destination_type": "volume", "volume_size": 1, "uuid": image_id
    }  # fmt: skip
    mapped: dict[str, Any] = {"trusted_image_certificates": trusted, "block_device_mapping_v2": [disk]}
    assert await becomes(cloud, image_id, **mapped) == ("ACTIVE", "")


@pytest.mark.parametrize("by_volume", [False, True])
async def test_an_untrusted_chain_finds_no_host_and_takes_none(cloud: VolumeCloud, *, by_volume: bool) -> None:
    image_id, trusted = await chain(cloud)
    before = await cloud.rows("SELECT COUNT(*) FROM claims")
    words: dict[str, Any] = {"trusted_image_certificates": trusted[:1]}
    if by_volume:
        disk = {"boot_index": 0, "source_type": "image", "destination_type": "volume", "volume_size": 1}
        words["block_device_mapping_v2"] = [disk | {"uuid": image_id}]
    status, why = await becomes(cloud, image_id, **words)
    assert (status, "Certificate chain building failed" in why) == ("ERROR", True)
    assert await cloud.rows("SELECT COUNT(*) FROM claims") == before
    assert await cloud.rows("SELECT id FROM volumes") == []


async def test_authorities_that_may_not_sign_or_are_over_are_not_trusted(cloud: VolumeCloud) -> None:
    for how in ({"ca": False}, {"days": -1}):
        root = Signer("root", **({"ca": True} | how))
        image_id = await signed(cloud, Signer("who signs", by=root))
        trusted = [await keep(cloud, root.pem())]
        status, why = await becomes(cloud, image_id, trusted_image_certificates=trusted)
        assert (status, "chain" in why) == ("ERROR", True)


async def test_a_chain_longer_than_its_authority_allows_is_not_trusted(cloud: VolumeCloud) -> None:
    root = Signer("root", ca=True, length=0)
    middle = Signer("middle", by=root, ca=True)
    image_id = await signed(cloud, Signer("who signs", by=middle))
    trusted = [await keep(cloud, root.pem()), await keep(cloud, middle.pem())]
    status, why = await becomes(cloud, image_id, trusted_image_certificates=trusted)
    assert (status, "sufficient length" in why) == ("ERROR", True)


async def test_authorities_that_signed_each_other_have_no_end_and_are_not_trusted(cloud: VolumeCloud) -> None:
    one, other = Signer("one", ca=True), Signer("other", ca=True)
    crossed = Signer("other", by=one, ca=True)
    back = Signer("one", by=crossed, ca=True)
    one_by_other = Signer("one", by=other, ca=True)
    image_id = await signed(cloud, Signer("who signs", by=crossed))
    ids = [await keep(cloud, each.pem()) for each in (crossed, back, one_by_other)]
    status, why = await becomes(cloud, image_id, trusted_image_certificates=ids)
    assert (status, "chain" in why) == ("ERROR", True)


async def test_who_trusts_certificates_gets_no_unsigned_image_and_no_volume_that_is_there(cloud: VolumeCloud) -> None:
    status, why = await becomes(cloud, cloud.image_id, trusted_image_certificates=["5"])
    assert (status, "is not signed" in why) == ("ERROR", True)
    volume = await cloud.volume(imageRef=cloud.image_id)
    disk = {"boot_index": 0, "source_type": "volume", "destination_type": "volume", "uuid": volume["id"]}
    server = {"name": "s", "flavorRef": cloud.flavor_id, "networks": "none", "block_device_mapping_v2": [disk]}
    body = {"server": server | {"trusted_image_certificates": ["5"]}}
    answer = await cloud.compute("POST", "/servers", body)
    assert (answer.status, "not supported when booting from volume" in answer.raw.decode()) == (400, True)


async def test_a_rebuild_trusts_what_the_server_trusts_or_what_is_said(cloud: VolumeCloud, signer: Signer) -> None:
    image_id, trusted = await chain(cloud)
    server = await cloud.server(imageRef=image_id, trusted_image_certificates=trusted)
    path = f"/servers/{server['id']}/action"
    answer = await cloud.compute("POST", path, {"rebuild": {"imageRef": await signed(cloud, signer)}})
    assert (answer.status, FAILED in answer.raw.decode()) == (400, True)
    said = {"imageRef": await signed(cloud, signer), "trusted_image_certificates": None}
    assert (await cloud.compute("POST", path, {"rebuild": said})).status == 202


async def test_an_image_of_a_server_is_not_signed_by_who_signed_the_first_one(
    cloud: VolumeCloud, signer: Signer
) -> None:
    server = await cloud.server(imageRef=await signed(cloud, signer))
    answer = await cloud.compute("POST", f"/servers/{server['id']}/action", {"createImage": {"name": "copy"}})
    image = await shown(cloud, answer.body["image_id"])
    assert not [name for name in image if name.startswith("img_signature")]


# -- before a volume is made


async def message(cloud: VolumeCloud, volume_id: str) -> Any:
    found = (await cloud.call("GET", "/messages")).ok("messages")
    return next(one for one in found if one["resource_uuid"] == volume_id)


async def test_a_volume_says_that_the_signature_of_its_image_was_good(cloud: VolumeCloud, signer: Signer) -> None:
    image_id = await signed(cloud, signer)
    volume = await cloud.volume(imageRef=image_id)
    assert volume["volume_image_metadata"]["signature_verified"] == "True"
    copied = (await cloud.act(volume["id"], "os-volume_upload_image", {"image_name": "copy"})).ok()
    image = await shown(cloud, copied["os-volume_upload_image"]["image_id"])
    assert not {"signature_verified", "img_signature"} & image.keys()


async def test_no_volume_is_made_when_the_signature_was_changed(cloud: VolumeCloud, signer: Signer) -> None:
    image_id = await signed(cloud, signer)
    await patch(cloud, image_id, img_signature=signer.words(b"others", "")["img_signature"])
    volume = await cloud.volume(imageRef=image_id, until="error")
    found = await message(cloud, volume["id"])
    assert (found["event_id"], FAILED in found["user_message"]) == ("VOLUME_VOLUME_005_011", True)
    assert "signature_verified" not in volume["volume_image_metadata"]
    answer = await cloud.act((await cloud.volume())["id"], "os-reimage", {"image_id": image_id})
    assert (answer.status, FAILED in answer.raw.decode()) == (400, True)


async def test_no_volume_is_made_of_bytes_that_were_changed_behind_our_back(cloud: VolumeCloud, signer: Signer) -> None:
    image_id = await signed(cloud, signer)
    ((key,),) = await cloud.rows("SELECT blob_key FROM images WHERE id = ?", image_id)
    path = Path(cloud.whole.process.parts.blobs.local_path(key) or "")
    path.chmod(0o600)
    path.write_bytes(DATA[:-1] + b"!")
    volume = await cloud.volume(imageRef=image_id, until="error")
    found = await message(cloud, volume["id"])
    assert (found["event_id"], "not those that were signed" in found["user_message"]) == ("VOLUME_VOLUME_005_011", True)
    assert (await cloud.used(MINE))["volumes"] == 1
