"""Where clients of an object store look for what it can do: at the root, whatever its own address is."""

from trivet.api.kit.service import Service
from trivet.api.object import service as object_store

SERVICE = Service(
    package="trivet.api.object_info",
    name="swift-info",
    types=(),
    prefix="/info",
    catalog_path="",
    error_body=object_store.error_body,
    error_text=object_store.error_text,
    reply_headers=object_store.reply_headers,
)
