"""What this object store can do, and how much, in the words of Swift's /info."""

from trivet.api.object import temp_urls
from trivet.domain.objects import large, names

_LIKE = "2.34.0"
"""The release of Swift whose words these are."""
_TEMP_URL: dict[str, object] = {
    "allowed_digests": list(temp_urls.DIGESTS),
    "methods": list(temp_urls.METHODS),
    "incoming_allow_headers": [],
    "incoming_remove_headers": ["x-timestamp", "x-open-expired"],
    "outgoing_allow_headers": ["x-object-meta-public-*"],
    "outgoing_remove_headers": ["x-object-meta-*"],
}
ALL: dict[str, dict[str, object]] = {
    "swift": names.CONSTRAINTS | {"version": _LIKE, "policies": [{"name": names.POLICY, "default": True}]},
    "account_quotas": {},
    "bulk_delete": {"max_deletes_per_request": 1000, "max_failed_deletes": 1000},
    "bulk_upload": {"max_containers_per_extraction": 1000, "max_failed_extractions": 1000},
    "container_quotas": {},
    "dlo": {"max_segments": large.DYNAMIC_MAX},
    "object_versioning": {},
    "formpost": {"allowed_digests": list(temp_urls.DIGESTS)},
    "slo": {
        "max_manifest_segments": large.SEGMENTS_MAX,
        "max_manifest_size": large.MANIFEST_BYTES_MAX,
        "min_segment_size": 1,
        "allow_async_delete": False,
    },
    "staticweb": {},
    "symlink": {"symloop_max": 2, "static_links": False},
    "tempurl": _TEMP_URL,
    "versioned_writes": {"allowed_flags": ["x-versions-location", "x-history-location"]},
}
