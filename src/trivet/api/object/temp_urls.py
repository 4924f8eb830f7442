"""Temporary URLs: a signature in the URL, made with a key of the account or of the container, in place of a token.

It is good for one method (and HEAD, where it is good for anything), one object or all that begin alike, until it ends,
and, if it says so, from some addresses only.
"""

import binascii
import hmac
import re
from base64 import b64decode
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from trivet.api.kit.request import Request
from trivet.domain.numbers import whole_number
from trivet.domain.objects import accounts, containers
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Place
from trivet.errors import Forbidden
from trivet.store.tx import Tx

DIGESTS = ("sha1", "sha256", "sha512")
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
_BY_LENGTH = {40: "sha1", 64: "sha256", 128: "sha512"}
_KEYS = ("temp-url-key", "temp-url-key-2")
_TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")
_KEYED = re.compile(r"^(sha1|sha256|sha512):([A-Za-z0-9+/=_-]{1,128})\Z")


def is_signed(request: Request) -> bool:
    return b"temp_url_" in request.query_string and (
        request.asked("temp_url_sig") is not None or request.asked("temp_url_expires") is not None
    )


async def check(tx: Tx, request: Request, place: Place, home: Container | None) -> bool:
    """Refuses a signature that is not good; whether it is good for the whole account: a container's key opens no
    other container."""
    signature, ends = request.asked("temp_url_sig"), _ends(request.asked("temp_url_expires"))
    if signature is None or ends is None or ends <= tx.clock.now() or request.method not in METHODS:
        raise _invalid()
    digest, given = read(signature)
    words = [f"{method}\n{ends}" for method in _signed_for(request.method)]
    addresses = request.asked("temp_url_ip_range")
    if addresses is not None:
        if not _is_from(request, addresses):
            raise _invalid()
        words = [f"ip={addresses}\n{said}" for said in words]
    subjects = _subjects(request, place)
    of_account, of_container = await keys_of(tx, place, home)
    for key in [*of_account, *of_container]:
        for said in words:
            for subject in subjects:
                made = hmac.digest(key.encode(), f"{said}\n{subject}".encode(), digest)
                if hmac.compare_digest(made, given):
                    return key in of_account
    raise _invalid()


def _signed_for(method: str) -> tuple[str, ...]:
    return ("HEAD", "GET", "PUT", "POST") if method == "HEAD" else (method,)


def _subjects(request: Request, place: Place) -> list[str]:
    """The path as the client knows it, and as it is without where this cloud has put the service."""
    prefix = request.asked("temp_url_prefix")
    path = request.path
    if prefix is not None:
        if not place.name.startswith(prefix):
            raise _invalid()
        path = path[: len(path) - len(place.name)] + prefix
    shown = "prefix:" if prefix is not None else ""
    return [shown + path, f"{shown}/v1/{path.partition('/v1/')[2]}"]


async def keys_of(tx: Tx, place: Place, home: Container | None) -> tuple[list[str], list[str]]:
    """The account's, and the container's."""
    account = await accounts.find(tx, place.project_id)
    said = home.metadata if home is not None else {}
    of_account = [account.metadata.get(accounts.META + name, "") for name in _KEYS]
    of_container = [said.get(containers.META + name, "") for name in _KEYS]
    return [key for key in of_account if key], [key for key in of_container if key]


def _ends(text: str | None) -> int | None:
    if text is None:
        return None
    seconds = whole_number(text)
    if seconds is not None:
        return seconds
    for form in _TIMES:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())
        except ValueError:
            continue
    return None


def read(signature: str) -> tuple[str, bytes]:
    """Which digest it is, and the digest."""
    keyed = _KEYED.match(signature)
    try:
        if keyed is not None:
            text = keyed[2].replace("-", "+").replace("_", "/")
            return keyed[1], b64decode(text + "=" * (-len(text) % 4))
        return _BY_LENGTH[len(signature)], binascii.unhexlify(signature)
    except (KeyError, ValueError) as error:
        raise _invalid() from error


def _is_from(request: Request, addresses: str) -> bool:
    try:
        return request.client is not None and ip_address(request.client[0]) in ip_network(addresses, strict=False)
    except ValueError:
        return False


def _invalid() -> Forbidden:
    return Forbidden("temp_url.invalid", "Temp URL invalid", status=401)
