"""Logs: standard logging, one line an event, plain or JSON; the request's id is bound at the boundary."""

import json
import logging
import sys

from trivet.api.kit.app import request_id


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        record.request = request_id.get()
        return super().format(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": request_id.get(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said)


def set_up(*, json: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if json else _Plain("%(asctime)s %(levelname)s %(name)s [%(request)s] %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("qemu").setLevel(logging.WARNING)
