"""Regions: where endpoints are. They form a tree."""

from typing import Any

from trivet.store.tables import Record, Table


class Region(Record, frozen=True, kw_only=True):
    parent_id: str | None = None
    description: str = ""
    extra: dict[str, Any] = {}


REGIONS = Table("regions", Region)
