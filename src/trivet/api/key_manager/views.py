"""Secrets, containers and the rest as clients read them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from trivet.api.kit.request import Request
from trivet.domain.key_manager.consumers import Consumer
from trivet.domain.key_manager.containers import Container, Held
from trivet.domain.key_manager.orders import Order
from trivet.domain.key_manager.stored_secrets import StoredSecret


def time(at: float) -> str:
    """In UTC, which it does not say."""
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat()


def ref(request: Request, collection: str, id: str) -> str:
    return f"{request.url}/v1/{collection}/{id}"


def _dated(found: StoredSecret | Container | Order | Consumer) -> dict[str, Any]:
    return {"created": time(found.created_at), "updated": time(found.updated_at)}


def secret(request: Request, found: StoredSecret, consumers: Sequence[Consumer] | None = None) -> dict[str, Any]:
    view = _dated(found) | {
        "status": "ACTIVE",
        "name": found.name,
        "secret_type": found.secret_type,
        "expiration": time(found.expires_at) if found.expires_at is not None else None,
        "algorithm": found.algorithm,
        "bit_length": found.bit_length,
        "mode": found.mode,
        "creator_id": found.creator_id,
        "secret_ref": ref(request, "secrets", found.id),
    }
    if found.content_type is not None:
        view["content_types"] = {"default": found.content_type}
    if consumers is not None:
        view["consumers"] = [secret_consumer(one) for one in consumers]
    return view


def secret_consumer(one: Consumer) -> dict[str, Any]:
    return {"service": one.service, "resource_type": one.resource_type, "resource_id": one.resource_id}


def container_consumer(one: Consumer) -> dict[str, Any]:
    return {"name": one.service, "URL": one.resource_id}


def dated_consumer(found: Consumer, view: dict[str, Any]) -> dict[str, Any]:
    return _dated(found) | {"status": "ACTIVE"} | view


def container(
    request: Request, found: Container, held: Sequence[Held], consumers: Sequence[Consumer]
) -> dict[str, Any]:
    return _dated(found) | {
        "status": "ACTIVE",
        "name": found.name,
        "type": found.type,
        "creator_id": found.creator_id,
        "container_ref": ref(request, "containers", found.id),
        "secret_refs": [{"name": one.name, "secret_ref": ref(request, "secrets", one.secret_id)} for one in held],
        "consumers": [container_consumer(one) for one in consumers],
    }


def order(request: Request, found: Order) -> dict[str, Any]:
    view = _dated(found) | {
        "status": found.status,
        "type": found.type,
        "meta": found.meta,
        "creator_id": found.creator_id,
        "order_ref": ref(request, "orders", found.id),
    }
    if found.secret_id is not None:
        view["secret_ref"] = ref(request, "secrets", found.secret_id)
    if found.container_id is not None:
        view["container_ref"] = ref(request, "containers", found.container_id)
    if found.error_status is not None:
        view |= {"error_status_code": found.error_status, "error_reason": found.error_reason}
    else:
        view |= {"sub_status": "Unknown", "sub_status_message": "Unknown"}
    return view
