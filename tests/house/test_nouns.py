"""Nouns: the file that serves a route is named after what stands in its path, and has a namesake in domain.

So `git ls-files '*subnets*'` tells where a subnet is read and shown, and where it is decided about. Exceptions are
listed with what is there instead.
"""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from tests.house.house import PATHS, ROOT, SOURCE

from trivet.process import services

NAMED_OTHERWISE = {
    "baremetal/forwarded.py": "all of it, since the engine answers all of it",
    "compute/gone.py": "what nova itself has removed, all in one place",
    "console/pages.py": "pages for people, no resources",
    "host_link/credentials.py": "capacities are approved by who gives credentials",
    "host_link/guests.py": "what a guest asks of its host: metadata, files, consoles",
    "host_link/sessions.py": "a host comes, stays and leaves",
    "host_link/work.py": "orders out, reports in",
    "identity/delegation/application_credentials.py": "and the access rules that they are narrowed to",
    "identity/delegation/ec2.py": "and what signs with such keys, S3",
    "identity/delegation/oauth.py": "OAuth 1; and the token door of OAuth 2, which is refused",
    "identity/federation/identity_providers.py": "and the doors of federation that are not offered",
    "identity/grants/grants.py": "a role that somebody has somewhere",
    "identity/login/auth.py": "and the same lists as federation spells them",
    "identity/login/revocation_events.py": "and the lists of the time before signed tokens",
    "image/info.py": "limits, stores and usage, as /v2/info tells them",
    "key_manager/not_offered.py": "stores and keys of transport, refused in words",
    "monitor/healthz.py": "with its twin /readyz",
    "object/info.py": "what the service can do, and whether it is well",
    "registry/manifests.py": "and the lists of tags and repositories, which manifests make",
    "s3/root.py": "the list of buckets, which is at the root",
    "volume/extensions.py": "and the filters that lists have",
    "volume/not_offered.py": "what is refused in words",
    "volume/quotas.py": "and limits, which show the same numbers",
    "volume/services.py": "and what else is told of back ends",
}
"""api file -> why no word of its path is in its name."""

DECIDED_IN = {
    "alarms/stream.py": "alarms/streams.py",
    "compute/availability_zones.py": "hosts/zones.py",
    "container/availability_zones.py": "hosts/zones.py",
    "container/container_actions.py": "servers/actions.py",
    "container/containers_acts.py": "servers/containers/acts.py",
    "container/containers_inside.py": "servers/containers/asking.py",
    "compute/flavors_access.py": "servers/flavors.py",
    "compute/flavors_extra_specs.py": "servers/extra_specs.py",
    "compute/hypervisors.py": "hosts/hosts.py",
    "compute/server_external_events.py": "servers/volumes.py",
    "compute/servers/details.py": "servers/migrations.py",
    "health/hosts_drain.py": "servers/draining.py",
    "compute/servers/migrate.py": "servers/departures.py",
    "compute/servers/evacuate.py": "servers/evacuation.py",
    "compute/servers/instance_actions.py": "servers/actions.py",
    "compute/servers/interfaces.py": "servers/plugs.py",
    "compute/servers/ips.py": "servers/addresses.py",
    "compute/servers/networking.py": "servers/plugs.py",
    "compute/servers/rebuild.py": "servers/changes.py",
    "compute/servers/refusals.py": "servers/action_table.py",
    "compute/servers/volume_attachments.py": "servers/volumes.py",
    "compute/simple_tenant_usage.py": "servers/usage.py",
    "health/hosts_bmc.py": "health/bmcs.py",
    "health/hosts_health.py": "health/verdict.py",
    "health/hosts_probes.py": "health/probes.py",
    "host_link/guests.py": "servers/metadata.py",
    "host_link/sessions.py": "hosts/pulse.py",
    "host_link/work.py": "host_link/order_building.py",
    "identity/federation/identity_providers.py": "identity/people/federation.py",
    "identity/federation/mappings.py": "identity/people/federation.py",
    "identity/federation/service_providers.py": "identity/people/federation.py",
    "identity/grants/group_users.py": "identity/grants/groups.py",
    "identity/grants/role_inferences.py": "identity/grants/implied_roles.py",
    "identity/login/auth.py": "identity/login/scoping.py",
    "identity/login/auth_tokens.py": "identity/login/methods.py",
    "identity/login/revocation_events.py": "identity/tokens/revocations.py",
    "identity/people/domains.py": "identity/people/projects.py",
    "image/images_actions.py": "images/images.py",
    "image/images_file.py": "images/data.py",
    "image/images_import.py": "images/imports.py",
    "image/images_members.py": "images/members.py",
    "image/images_tags.py": "images/images.py",
    "image/metadefs_items.py": "images/metadefs.py",
    "instance_ha/notifications_vmoves.py": "recovery/vmoves.py",
    "instance_ha/segments_hosts.py": "recovery/members.py",
    "key_manager/quotas.py": "key_manager/limits.py",
    "key_manager/secrets.py": "key_manager/stored_secrets.py",
    "key_manager/secrets_metadata.py": "key_manager/stored_secrets.py",
    "network/availability_zones.py": "hosts/zones.py",
    "network/nets/network_ip_availabilities.py": "network/nets/subnets.py",
    "network/routers/floating_ip_pools.py": "network/nets/subnets.py",
    "placement/reshaper.py": "placement/allocations.py",
    "placement/resource_providers.py": "placement/providers.py",
    "placement/resource_providers_aggregates.py": "placement/providers.py",
    "placement/resource_providers_allocations.py": "placement/allocations.py",
    "placement/resource_providers_inventories.py": "placement/inventories.py",
    "placement/resource_providers_traits.py": "placement/traits.py",
    "placement/resource_providers_usages.py": "placement/allocations.py",
    "placement/usages.py": "placement/allocations.py",
    "registry/token.py": "registry/access.py",
    "s3/buckets.py": "objects/containers.py",
    "s3/root.py": "objects/listing.py",
    "volume/backups_actions.py": "volumes/backups.py",
    "volume/default_types.py": "volumes/types.py",
    "volume/group_types.py": "volumes/groups.py",
    "volume/qos_specs.py": "volumes/qos.py",
    "volume/snapshots_actions.py": "volumes/snapshots.py",
    "volume/types_encryption.py": "volumes/encryption.py",
    "volume/volumes_actions.py": "volumes/acts.py",
    "volume/volumes_encryption.py": "volumes/encryption.py",
}
"""api file -> file of domain, where a noun of a dialect is another one, or part of another one, of ours."""

NOTHING_TO_DECIDE = {
    "baremetal/forwarded.py",
    "compute/extensions.py", "compute/gone.py", "compute/instance_usage_audit_log.py", "console/pages.py",
    "container/capsules.py",
    "image/cache.py", "image/info.py", "image/schemas.py", "key_manager/not_offered.py", "monitor/healthz.py",
    "monitor/metrics.py",
    "monitor/status.py", "network/extensions.py", "object/info.py", "network/service_providers.py", "placement/root.py",
    "volume/extensions.py", "volume/not_offered.py",
}  # fmt: skip
"""What says the same to everybody, or what others have decided."""


def served() -> dict[str, set[str]]:
    """api file -> paths. What volume/paths.py serves once more with the project in front is one and the same."""
    found: dict[str, set[str]] = {}
    for service in services():
        for route in service.routes():
            module = route.handler.__module__
            if module.startswith("trivet.api.") and not module.endswith((".versions", ".volume.paths")):
                file = str(PATHS[module].relative_to(SOURCE / "api"))
                found.setdefault(file, set()).add(route.path)
    return found


SERVED = served()


def words(text: str) -> set[str]:
    """Alike in singular and plural, and however they are joined."""
    found = [word.lower() for word in re.split(r"[-_.:/]", text) if word]
    joined = [one + after for one, after in pairwise(found)]
    return {re.sub(r"(ies|y|s)$", "", word) for word in (*found, *joined)}


def test_a_file_is_named_after_what_stands_in_its_paths() -> None:
    wrong = {}
    for file, paths in SERVED.items():
        own = words(file.removesuffix(".py").partition("/")[2])
        strange = [path for path in paths if path != "/" and not own & words(re.sub(r"[{}]", "", path))]
        if strange and file not in NAMED_OTHERWISE:
            wrong[file] = strange
    assert wrong == {}
    assert NAMED_OTHERWISE.keys() <= SERVED.keys()


@pytest.mark.parametrize("file", SERVED)
def test_what_is_served_is_decided_in_a_file_of_the_same_name(file: str) -> None:
    namesakes = list((SOURCE / "domain").rglob(Path(file).name))
    if file in DECIDED_IN:
        assert (SOURCE / "domain" / DECIDED_IN[file]).exists()
    elif file not in NOTHING_TO_DECIDE:
        assert namesakes, "which file of domain decides about it? Give it the same name, or say it in DECIDED_IN"


@pytest.mark.parametrize("file", SERVED)
def test_what_is_served_is_tried(file: str) -> None:
    """By a path of it, in any test that calls our API."""
    texts = [path.read_text() for path in (ROOT / "tests").rglob("*.py") if path.parent.name != "house"]
    stems = [re.split(r"/\{", path)[0].rsplit("/", 1)[-1] for path in SERVED[file]]
    assert any(stem in text for stem in stems for text in texts)


def test_the_lists_here_name_files_that_serve() -> None:
    assert sorted((DECIDED_IN.keys() | NOTHING_TO_DECIDE | NAMED_OTHERWISE.keys()) - SERVED.keys()) == []
