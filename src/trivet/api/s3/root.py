"""GET /: the buckets of the signer's project."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.s3 import documents, door
from trivet.domain.objects import access, listing
from trivet.domain.objects.access import Right
from trivet.domain.objects.listing import Page
from trivet.domain.objects.multipart import BESIDE
from trivet.errors import Forbidden

resource = Resource()


@resource.on("GET", "/", may="shared", tx="none", stream=True)
async def list_buckets(request: Request) -> Reply:
    entered = await door.enter(request)
    caller, project_id = entered.signature.caller, entered.place.project_id
    if access.in_account(caller, project_id) < Right.READ:
        raise Forbidden("object.forbidden", "Access Denied")
    async with request.parts.store.read() as tx:
        found = await listing.of_account(tx, project_id, Page())
    shown = [
        ("Bucket", [("Name", one.name), ("CreationDate", documents.moment(one.created_at))])
        for one in found
        if not isinstance(one, str) and not one.name.endswith(BESIDE)
    ]
    owner = [("ID", project_id), ("DisplayName", project_id)]
    return documents.reply("ListAllMyBucketsResult", [("Owner", owner), ("Buckets", shown)])
