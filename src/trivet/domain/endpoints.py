"""Endpoints: where a service answers.

A URL that begins with / is ours and follows the address of this cloud, so that changing the address (or
putting a balancer before it) needs no change of rows.
"""

from typing import Any, Literal

from trivet.store.tables import Record, Table

Interface = Literal["public", "internal", "admin"]


class Endpoint(Record, frozen=True, kw_only=True):
    service_id: str
    region_id: str | None
    interface: Interface
    url: str
    enabled: bool = True
    extra: dict[str, Any] = {}


ENDPOINTS = Table("endpoints", Endpoint)


def address(url: str, cloud_url: str) -> str:
    return cloud_url + url if url.startswith("/") else url
