"""Services: what the catalog offers, by type. (What runs on hosts is no service: see hosts.py.)"""

from typing import Any

from trivet.store.tables import Record, Table


class Service(Record, frozen=True, kw_only=True):
    type: str
    name: str | None = None
    description: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}


SERVICES = Table("services", Service)
