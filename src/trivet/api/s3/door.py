"""The door: who signed a request, what its path names in his project, and whether he may."""

import re

import msgspec

from trivet.api.kit.request import Request
from trivet.api.s3 import signatures
from trivet.api.s3.signatures import Signature
from trivet.domain.objects import access, containers
from trivet.domain.objects.access import Right
from trivet.domain.objects.containers import Container
from trivet.domain.objects.names import OBJECT_NAME_MAX
from trivet.domain.objects.objects import Place
from trivet.errors import Forbidden, Invalid
from trivet.store.tx import Tx

_PREFIX = "/s3/"
_BUCKET = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")


class Entered(msgspec.Struct, frozen=True):
    signature: Signature
    place: Place
    """In the signer's project: a bucket of anybody else's is none."""


async def enter(request: Request) -> Entered:
    signature = await signatures.check(request)
    if signature.caller.project_id is None:
        raise Forbidden("s3.key", "The key is for no project.")
    return Entered(signature, named(signature.caller.project_id, request.path.removeprefix(_PREFIX)))


def named(project_id: str, path: str) -> Place:
    bucket, _, key = path.partition("/")
    if "\0" in path or "\ufffd" in path:
        raise Invalid("path.utf8", "The path must be UTF-8, without NULL.")
    if len(key.encode(errors="replace")) > OBJECT_NAME_MAX:
        raise Invalid("key.too_long", "Your key is too long")
    return Place(project_id, bucket, key)


def check_new_bucket(name: str) -> None:
    """As S3 takes them, so that every client can speak of them. What Swift's clients made is found all the same."""
    if not _BUCKET.match(name) or ".." in name:
        raise Invalid("container.name", "The specified bucket is not valid.")


async def bucket(tx: Tx, entered: Entered, needs: Right) -> Container:
    home = await containers.find(tx, entered.place.project_id, entered.place.container)
    await check(tx, entered, home, needs)
    if home is None:
        raise containers.absent()
    return home


async def check(tx: Tx, entered: Entered, home: Container | None, needs: Right) -> None:
    caller = entered.signature.caller
    if access.in_account(caller, entered.place.project_id) >= needs:
        return
    header = containers.READ if needs == Right.READ else containers.WRITE
    shared = needs != Right.OWNER and await access.by_container(tx, caller, home, header, None, lists=True)
    if not shared:
        raise Forbidden("object.forbidden", "Access Denied")
