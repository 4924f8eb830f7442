"""Logs: standard logging, one line an event, plain or JSON; the request's id is bound at the boundary."""

import json
import logging
import sys
import traceback
from collections.abc import Iterator

from trivet.api.kit.app import request_id

_REMEMBERED = 500
_REMEMBERED_S = 3600.0


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
        said |= getattr(record, "access", {})
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said)


class Once(logging.Filter):
    """A traceback is told in full once; the same one again, within an hour, in one line."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[object, ...], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        key = (record.msg, type(error), *_places(error))
        if record.created - self._told.get(key, -_REMEMBERED_S) < _REMEMBERED_S:
            record.msg = f"{record.getMessage()} ({type(error).__name__} again, told in full before)"
            record.args, record.exc_info, record.exc_text = (), None, None
        else:
            if len(self._told) >= _REMEMBERED:
                self._told.clear()
            self._told[key] = record.created
        return True


def _places(error: BaseException) -> Iterator[tuple[str, int]]:
    """The places in the code that errors came through, one error after the other."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield frame.f_code.co_filename, line
    for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _places(one)


def set_up(*, json: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if json else _Plain("%(asctime)s %(levelname)s %(name)s [%(request)s] %(message)s"))
    handler.addFilter(Once())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("qemu").setLevel(logging.WARNING)
