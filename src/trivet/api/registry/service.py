"""The registry as the catalog names it, its way of saying no, and how its callers show who they are."""

from typing import Any

from trivet.api.kit import callers
from trivet.api.kit.request import Request
from trivet.api.kit.service import Service, request_id_headers
from trivet.domain.callers import Caller
from trivet.domain.registry import access
from trivet.errors import Forbidden, OverQuota, TrivetError

SERVICE_NAME = "registry"

_CODES = {
    "repository.absent": "NAME_UNKNOWN",
    "repository.name": "NAME_INVALID",
    "manifest.absent": "MANIFEST_UNKNOWN",
    "manifest.blob_absent": "MANIFEST_BLOB_UNKNOWN",
    "manifest.size": "SIZE_INVALID",
    "manifest.size_other": "SIZE_INVALID",
    "blob.absent": "BLOB_UNKNOWN",
    "blob.used": "UNSUPPORTED",
    "upload.absent": "BLOB_UPLOAD_UNKNOWN",
    "upload.size": "SIZE_INVALID",
    "digest.invalid": "DIGEST_INVALID",
    "digest.other": "DIGEST_INVALID",
    "tag.invalid": "TAG_INVALID",
}
"""Our codes that the specification has a word for; of others it is told by what they begin with, or by their status."""
_BEGINNINGS = {"manifest.": "MANIFEST_INVALID", "upload.": "BLOB_UPLOAD_INVALID"}
_STATUSES = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 405: "UNSUPPORTED", 429: "TOOMANYREQUESTS"}


def error_body(error: TrivetError, request_id: str) -> object:
    code = _CODES.get(error.code)
    code = code or next((word for start, word in _BEGINNINGS.items() if error.code.startswith(start)), None)
    if isinstance(error, OverQuota):
        code = "DENIED"
    code = code or _STATUSES.get(error.http_status, "UNSUPPORTED" if error.http_status < 500 else "UNKNOWN")
    details: dict[str, Any] = {"code": error.code, "request_id": request_id}
    return {"errors": [{"code": code, "message": error.message, "detail": details}]}


class RegistryDoor:
    """By a token of the registry's own, which its clients fetch; or by any other, as everywhere in this cloud."""

    def admit(self, request: Request) -> Caller:
        shown = request.header("authorization")
        if shown is None:
            return callers.by_token(request)
        kind, _, token = shown.partition(" ")
        if kind.lower() != "bearer":
            raise Forbidden("registry.token", "Fetch a token where WWW-Authenticate says, and show that.", status=401)
        caller = request.parts.tokens.of_registry(token.strip())
        return access.at(request.parts, caller, request.values.get("repository") or self._catalog(request))

    def _catalog(self, request: Request) -> str | None:
        return ":".join(access.CATALOG[:2]) if request.path.rstrip("/").endswith("/_catalog") else None

    def challenge(self, request: Request) -> str:
        said = f'Bearer realm="{request.url}/token",service="{SERVICE_NAME}"'
        repository = request.values.get("repository", "")
        if repository and '"' not in repository and repository.isascii() and repository.isprintable():
            actions = access.PULL if request.method in ("GET", "HEAD") else f"{access.PULL},{access.PUSH}"
            if request.method == "DELETE":
                actions += f",{access.DELETE}"
            said += f',scope="repository:{repository}:{actions}"'
        elif self._catalog(request):
            said += f',scope="{":".join(access.CATALOG)}"'
        if request.header("authorization") is not None:
            said += ',error="insufficient_scope"'
        return said


SERVICE = Service(
    package="trivet.api.registry",
    name="registry",
    types=("container-registry",),
    prefix="/v2",
    catalog_path="",
    error_body=error_body,
    door=RegistryDoor(),
    reply_headers=lambda id: [
        *request_id_headers(id),
        (b"docker-distribution-api-version", b"registry/2.0"),
    ],
)
