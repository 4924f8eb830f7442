"""/v1/{account}: a project's containers, and what is said of it."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.object import bulk, door, listings, wire
from trivet.api.object.wire import Headers
from trivet.domain.objects import access, accounts, listing, names
from trivet.domain.objects.access import Right
from trivet.domain.objects.accounts import Account
from trivet.domain.objects.objects import Place
from trivet.errors import Forbidden, Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource()

_PATH = "/v1/{account}"
_SECRET = (f"{accounts.META}temp-url-key", f"{accounts.META}temp-url-key-2", accounts.ACL)
"""For the owner's eyes."""


@resource.on("GET", _PATH, may="shared")
async def get(request: Request) -> Reply:
    place = wire.place(request)
    account, right = await door.account(request.tx, request, place, Right.READ)
    kind = listings.kind_of(request)
    headers = await _headers(request.tx, place, account, right)
    found = await listing.of_account(request.tx, place.project_id, listings.page(request))
    return listings.of_account(kind, f"AUTH_{place.project_id}", found, headers)


@resource.on("HEAD", _PATH, may="shared")
async def head(request: Request) -> Reply:
    place = wire.place(request)
    account, right = await door.account(request.tx, request, place, Right.READ)
    headers = await _headers(request.tx, place, account, right)
    return Reply(204, b"", headers, content_type=listings.kind_of(request))


async def _headers(tx: Tx, place: Place, account: Account, right: Right) -> Headers:
    totals = await accounts.totals(tx, place.project_id)
    shown = {name: value for name, value in account.metadata.items() if right == Right.OWNER or name not in _SECRET}
    counts = {"container-count": totals.containers, "object-count": totals.objects, "bytes-used": totals.bytes}
    shown |= await accounts.quotas_of(tx, place.project_id)
    return [
        *((f"x-account-{what}".encode(), str(count).encode()) for what, count in counts.items()),
        *(
            (f"x-account-storage-policy-{names.POLICY}-{what}".encode(), str(count).encode())
            for what, count in counts.items()
        ),
        (b"x-timestamp", wire.stamp(account.created_at)),
        (b"accept-ranges", b"bytes"),
        *wire.encoded(shown),
    ]


@resource.on("POST", _PATH, may="shared", tx="none", stream=True)
async def post(request: Request) -> Reply:
    if request.asked("bulk-delete") is not None:
        return await bulk.delete(request)
    return await _describe(request, 204)


@resource.on("PUT", _PATH, may="shared", tx="none", stream=True)
async def put(request: Request) -> Reply:
    if request.asked("extract-archive") is not None:
        return await bulk.extract(request)
    return await _refuse(request)


@resource.on("DELETE", _PATH, may="shared", tx="none", stream=True)
async def delete(request: Request) -> Reply:
    if request.asked("bulk-delete") is not None:
        return await bulk.delete(request)
    return await _refuse(request)


async def _refuse(request: Request) -> Reply:
    """Accounts come and go with their projects."""
    async with request.parts.store.read() as tx:
        await door.account(tx, request, wire.place(request), Right.OWNER)
    raise Invalid(
        "method.not_allowed", "The method is not allowed for this resource.", status=405, allow="GET, HEAD, POST"
    )


async def _describe(request: Request, status: int) -> Reply:
    place = wire.place(request)
    changes = wire.said(request, accounts.META, accounts.ACL, *accounts.QUOTAS)
    if accounts.ACL in changes:
        changes[accounts.ACL] = access.cleaned_account(changes[accounts.ACL])
    quotas = {name: changes.pop(name) for name in accounts.QUOTAS if name in changes}
    if quotas and not request.caller.is_operator:
        raise Forbidden("account.quota", "Access was denied to this resource.")

    async def act(tx: Tx) -> None:
        await door.account(tx, request, place, Right.OWNER)
        await accounts.describe(tx, place.project_id, changes)
        await accounts.set_quotas(tx, place.project_id, quotas)

    await transact(request.parts.store, act)
    return wire.done(status)
