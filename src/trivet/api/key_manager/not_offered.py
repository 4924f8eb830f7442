"""What this key manager has one of, or none: places where secrets are kept, and keys to seal them with on their way.

It answers as one does that was set up with a single store, and with none of those keys.
"""

from trivet.api.key_manager import paging
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.key_manager import access
from trivet.errors import NotFound
from trivet.ids import is_uuid

resource = Resource()
_STORES = "/v1/secret-stores"


def _one_store() -> NotFound:
    return NotFound(
        "secret_store.single",
        "Not Found. Multiple backends support is not enabled in service configuration.",
    )


def _declare_stores() -> None:
    for path in ("", "/global-default", "/preferred", "/{secret_store_id}"):

        @resource.on("GET", _STORES + path, may="token", decides="key roles", tx="none")
        async def show(request: Request) -> Reply:
            access.need_in_project(request.caller, "reader", access.LOOK, "Secret store retrieval")
            raise _one_store()

    for method in ("POST", "DELETE"):

        @resource.on(method, f"{_STORES}/{{secret_store_id}}/preferred", may="token", decides="key roles", tx="none")
        async def prefer(request: Request) -> Reply:
            """Of one store none is preferred, whoever asks."""
            access.need_in_project(request.caller, "reader", access.LOOK, "Setting preferred secret store")
            raise _one_store()


_declare_stores()


@resource.on("GET", "/v1/transport_keys", may="token", decides="key roles", tx="none")
async def transport_keys(request: Request) -> Reply:
    access.need_in_project(request.caller, "reader", access.LOOK, "Transport Key(s) retrieval")
    return paging.reply(request, "transport_keys", "transport_keys", [], 0)


@resource.on("GET", "/v1/transport_keys/{transport_key_id}", may="token", decides="key roles", tx="none")
async def transport_key(request: Request) -> Reply:
    access.need_in_project(request.caller, "reader", access.LOOK, "Transport Key retrieval")
    if not is_uuid(request.values["transport_key_id"]):
        raise NotFound("transport_key.absent", "Not Found. Provided transport key id is invalid.")
    raise NotFound("transport_key.absent", "Not Found. Transport Key not found.")
