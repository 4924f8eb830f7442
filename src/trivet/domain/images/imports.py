"""Imports: an image's bytes fetched or moved by us, after the request was answered.

Here is only what is asked for; controllers/images.py does it. A failed import leaves the image queued, so
that its owner can try again, with the reason on it.
"""

from urllib.parse import urlsplit

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.images import images, signatures
from trivet.domain.images import tasks as image_tasks
from trivet.domain.images.images import Image
from trivet.domain.images.layered import is_layered
from trivet.domain.images.signatures import Check
from trivet.domain.images.tasks import ImageTask
from trivet.domain.secrets import Secrets
from trivet.errors import Conflict, Invalid
from trivet.store.tx import Tx

COPY = "copy-image"
METHODS = ("glance-direct", "web-download", COPY)
SCHEMES = ("http", "https", "docker")

_HASH_LENGTHS = {"sha512": 128}
"""What is made of all bytes that come, and can be held against what was said."""
_URI_MAX = 2048


class ImportWish(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    uri: str | None = None
    stores: tuple[str, ...] = ()
    all_must_succeed: bool = True
    all_stores: bool = False
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    """What the bytes must hash to, if the client knows."""


async def request(
    tx: Tx,
    secrets: Secrets,
    caller: Caller,
    image_id: str,
    wanted: ImportWish,
    *,
    request_id: str,
    said: dict[str, object],
) -> ImageTask:
    """Ask for an import. `said` is the body as it came, for the task to show. What the bytes are checked with is read
    now, while the caller is here who may read it."""
    _check(wanted)
    image = await images.owned(tx, caller, image_id)
    _check_image(image, wanted)
    if wanted.method == COPY:
        wanted = _missing(image, wanted)
        check = None
    else:
        check = await signatures.check_of(tx, secrets, caller, image.properties)
    status = image.status if wanted.method == COPY else "importing"
    await images.write(
        tx, image, status=status, importing_to=wanted.stores, failed_stores=(), fault=None, updated_at=tx.clock.now()
    )  # fmt: skip
    backend = list(wanted.stores)
    task_input = {"image_id": image_id, "import_req": said, "backend": backend, "wanted": msgspec.to_builtins(wanted)}
    if check is not None:
        task_input["check"] = msgspec.to_builtins(check)
    return await image_tasks.request(tx, caller, "api_image_import", image_id, request_id=request_id, said=task_input)


def _check_copy(image: Image) -> None:
    if image.status != "active" or image.blob_key is None:
        raise Conflict("image.not_active", "Only images with status active can be targeted for copying")
    if is_layered(image.blob_key):
        raise Conflict("image.layered", "An image of the registry lies where its layers lie, and is not copied.")


def _missing(image: Image, wanted: ImportWish) -> ImportWish:
    """Where it is not yet. Who names a store where it is has made a mistake, unless it may go wrong."""
    missing = tuple(store for store in wanted.stores if store not in image.kept)
    if not missing or (wanted.all_must_succeed and len(missing) < len(wanted.stores) and not wanted.all_stores):
        there = ", ".join(store for store in wanted.stores if store in image.kept)
        raise Conflict("store.there", f"Image {image.id} is already in: {there}.")
    return msgspec.structs.replace(wanted, stores=missing)


def wanted_of(task: ImageTask) -> ImportWish:
    return msgspec.convert(task.input["wanted"], ImportWish)


def check_of(task: ImageTask, image: Image) -> Check | None:
    """With the certificate that was read when the import was asked for."""
    check = msgspec.convert(task.input["check"], Check) if "check" in task.input else None
    if (check.signature if check is not None else None) != signatures.signature_of(image.properties):
        raise Conflict("import.signature", "The image was signed anew after the import was asked for; ask again.")
    return check


def said_by(task: ImageTask) -> dict[str, object]:
    """What the caller said, for clients to see."""
    return {name: value for name, value in task.input.items() if name not in ("wanted", "check")}


def _check(wanted: ImportWish) -> None:
    if wanted.method not in METHODS:
        raise Invalid("import.method", f"Unknown import method name '{wanted.method[:64]}'.")
    if wanted.method == "web-download":
        _check_uri(wanted.uri)
    if wanted.os_hash_algo is not None or wanted.os_hash_value is not None:
        _check_hash(wanted.os_hash_algo, wanted.os_hash_value)


def _check_uri(uri: str | None) -> None:
    if not uri:
        raise Invalid("import.uri", "The method web-download needs the 'uri' to download from.")
    try:
        parts = urlsplit(uri)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise Invalid("import.uri", f"The URI {uri[:200]!r} cannot be read.") from None
    sane = len(uri) <= _URI_MAX and uri.isprintable() and " " not in uri
    if parts.scheme not in SCHEMES or not parts.hostname or not port_is_good or not sane:
        raise Invalid(
            "import.uri",
            f"The URI {uri[:200]!r} does not pass filtering: it is http://, https:// or docker:// and a host.",
        )
    if parts.username is not None or parts.password is not None:
        raise Invalid("import.uri", "The URI must not hold a user name or password.")


def _check_hash(algorithm: str | None, value: str | None) -> None:
    length = _HASH_LENGTHS.get(algorithm or "")
    if length is None:
        raise Invalid("import.hash", f"os_hash_algo must be one of {', '.join(_HASH_LENGTHS)}.")
    if value is None or len(value) != length or any(digit not in "0123456789abcdef" for digit in value):
        raise Invalid("import.hash", f"os_hash_value is not a {algorithm} in hexadecimal digits.")


def _check_image(image: Image, wanted: ImportWish) -> None:
    if image.importing_to and image.status != "importing":
        raise Conflict(
            "import.under_way", f"Image {image.id} is being copied to {', '.join(image.importing_to)}; wait."
        )
    if wanted.method == COPY:
        _check_copy(image)
        return
    if image.status == "active":
        raise Conflict("image.active", "Image with status active cannot be target for import")
    if wanted.method == "web-download" and image.status != "queued":
        raise Conflict("image.status", "Image needs to be in 'queued' state to use 'web-download' method")
    if wanted.method == "glance-direct" and (image.status != "uploading" or image.staged_key is None):
        raise Conflict("image.status", "Image needs to be staged before 'glance-direct' method can be used")
    for name in ("container_format", "disk_format"):
        if getattr(image, name) is None:
            raise Conflict("image.format_unset", f"'{name}' needs to be set before import")
    if (wanted.uri or "").startswith("docker:") and not image.is_oci:
        raise Conflict(
            "image.format_other",
            "An image from a registry has container_format docker (or disk_format oci): set it before the import.",
        )
