"""The door: whether a request may do what it asks, by its token, by a signature in its URL, or by what is shared."""

from trivet.api.kit.request import NOBODY, Request
from trivet.api.object import temp_urls, wire
from trivet.domain.objects import access, accounts, containers
from trivet.domain.objects.access import Right
from trivet.domain.objects.accounts import Account
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Place
from trivet.store.tx import Tx


async def account(tx: Tx, request: Request, place: Place, needs: Right) -> tuple[Account, Right]:
    right = await _right(tx, request, place)
    if right < needs:
        raise access.refusal(request.caller)
    return await accounts.find(tx, place.project_id), right


async def container(tx: Tx, request: Request, place: Place, needs: Right) -> tuple[Container, Right]:
    """One that is there, and that he may look into."""
    home = await containers.find(tx, place.project_id, place.container)
    right = await _right(tx, request, place)
    if right < needs:
        referrer = request.said("referer")
        shared = needs == Right.READ and await access.by_container(
            tx, request.caller, home, containers.READ, referrer, lists=True
        )
        if not shared:
            raise access.refusal(request.caller)
    if home is None:
        raise containers.absent()
    return home, right


async def check_object(tx: Tx, request: Request, place: Place, home: Container | None, needs: Right) -> Right:
    """For one object, to read or to write."""
    right = access.in_account(request.caller, place.project_id)
    if right >= needs and not request.query_string:
        return right
    if temp_urls.is_signed(request):
        if place != wire.place(request):
            # It is for what the URL names, and not for what else the request does.
            raise access.refusal(NOBODY)
        await temp_urls.check(tx, request, place, home)
        return needs
    if right < needs:
        right = await _right(tx, request, place)
    if right < needs:
        header = containers.READ if needs == Right.READ else containers.WRITE
        if not await access.by_container(tx, request.caller, home, header, request.said("referer")):
            raise access.refusal(request.caller)
        return needs
    return right


async def _right(tx: Tx, request: Request, place: Place) -> Right:
    right = access.in_account(request.caller, place.project_id)
    if right < Right.OWNER and request.caller.user_id and place.project_id:
        right = max(right, access.by_account(request.caller, await accounts.find(tx, place.project_id)))
    return right
