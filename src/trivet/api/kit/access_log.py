"""The access log: a line for each request, once it is answered. The path without its query, where secrets may stand."""

import logging
from collections.abc import MutableMapping
from typing import Any

from trivet.api.kit.request import Reply, Request

_logger = logging.getLogger("trivet.access")


def tell(request: Request, reply: Reply, scope: MutableMapping[str, Any], seconds: float) -> None:
    client = scope.get("client")
    said = {
        "client": client[0] if client else "-",
        "user": request.caller.user_id or "-",
        "project": request.caller.project_id or "-",
        "method": request.method,
        "path": request.path,
        "status": reply.status,
        "ms": round(seconds * 1000, 1),
    }
    _logger.info(
        "%(client)s user=%(user)s project=%(project)s %(method)s %(path)r %(status)s %(ms)s ms",
        said,
        extra={"access": said},
    )
