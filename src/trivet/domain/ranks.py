"""Ranks: in which order transactions lock rows. Two that take their locks in one order never wait in a circle.

A row is locked by whoever changes or deletes it, until his transaction ends. Who holds a row of some rank takes rows
of the same or of later ranks only; several of one table he takes by id, and rows that he has made himself lock nobody
out. `docs/decisions/0013-claims.md` says how the order came about. The tests hold every transaction to it
(`tests/lock_order.py`), by the name of the table that came too early.
"""

RANKS: tuple[tuple[str, ...], ...] = (
    # Who may do it at all.
    ("leases", "seeds", "counted_resources", "signing_keys", "pulse", "overlays"),
    # Hosts, and the capacity that servers claim of them: the claimant, then each provider by id with what it has.
    # Before identity: what a project's first servers lack is made with their rooms in hand, and holds the project.
    ("aggregates", "flavors", "flavor_access", "server_groups"),
    ("host_capacities",),
    ("host_failures",),
    ("hosts", "host_credentials", "network_agents"),
    ("host_bmcs", "host_probes", "host_verdicts", "host_drains"),
    # Which hosts stand in for each other, and what was said and done about one that failed, before what is moved.
    ("ha_segments",),
    ("ha_hosts",),
    ("ha_notifications", "ha_vmoves"),
    ("consumers",),
    ("providers", "inventories", "claims", "provider_traits", "provider_aggregates"),
    ("custom_classes", "custom_traits"),
    ("host_hardware", "server_topologies"),
    ("spreads", "host_cards"),
    # Identity: who, where, with which roles, and what was made from them.
    ("limit_model",),
    ("users", "failed_logins", "used_passcodes"),
    ("user_groups",),
    ("memberships",),
    ("projects",),
    ("role_rules", "access_rules"),
    # Under the one row of role_rules, which all who change roles take first, or under the user or project that goes.
    (
        "roles",
        "implied_roles",
        "assignments",
        "app_credentials",
        "credentials",
        "keypairs",
        "oauth_consumers",
        "oauth_nonces",
        "oauth_tokens",
        "trusts",
    ),
    ("identity_providers", "federation_protocols", "federation_mappings", "service_providers"),
    ("endpoints", "endpoint_groups", "endpoint_projects", "endpoint_group_projects"),
    ("services",),
    ("regions",),
    ("policies", "policy_associations"),
    ("registered_limits", "limits", "user_limits", "quota_classes", "domain_configs"),
    # Images before the servers that are saved as one.
    ("metadef_items",),
    ("metadef_namespaces",),
    # What a registry keeps, before the images that its manifests are.
    ("registry_repositories",),
    ("registry_uploads",),
    ("registry_blobs",),
    ("registry_links",),
    ("image_tasks", "images", "image_members"),
    ("image_properties", "image_tags", "deleted_images"),
    ("registry_manifests", "registry_references", "registry_tags"),
    # Networks: what addresses are cut from, the addresses, what has them, and what joins that.
    ("address_groups", "address_scopes", "default_security_group_rules"),
    # The network's controller takes all that it reads at once: rules with their groups.
    ("security_groups", "security_group_rules"),
    ("subnet_pools",),
    ("floating_ips", "ports", "port_security_groups", "addresses", "network_tags"),
    ("routers",),
    ("allocation_pools",),
    ("freed_addresses",),
    ("subnets",),
    ("network_segments",),
    ("networks",),
    ("auto_topologies", "rbac_policies", "left_groups"),
    # Volumes: what is offered, what they belong to, who uses them, they themselves, and the room that they take.
    ("volume_qos",),
    ("volume_types", "volume_type_access", "volume_default_types", "volume_group_types"),
    ("volume_groups", "volume_transfers"),
    ("volume_attachments", "volume_snapshots", "volume_backups"),
    ("deleted_volumes",),
    ("volumes",),
    ("volume_group_snapshots",),
    ("volume_backends",),
    ("volume_messages",),
    # Objects: they themselves and what they were, then what was left behind, what holds them, and whose that is.
    ("objects", "object_versions", "object_uploads"),
    ("object_small", "object_garbage", "object_damages", "object_scrub"),
    ("object_containers",),
    ("object_accounts",),
    # Servers, with what was done to them.
    ("servers", "server_actions", "server_migrations", "console_reads", "console_tokens", "containers"),
    # What the key manager keeps: those above may refer to it, and it to nothing of theirs.
    ("secret_orders",),
    ("secret_containers",),
    ("stored_secrets",),
    ("contained_secrets", "secret_consumers", "secret_acls", "secret_acl_users", "payload_keys"),
    # What is said and told of all of that, and what is concluded from it.
    ("topology_links",),
    ("component_states",),
    ("fault_reports",),
    ("fault_report_stands",),
    ("alarms",),
    ("alarm_subscriptions", "alarm_deliveries"),
    ("root_causes",),
    # Everybody of a project meets here, and whoever counts something.
    ("numbers",),
    ("quota_usages",),
    # Written with the commit.
    ("log_dropped",),
    ("events",),
)
UNRANKED = frozenset(("revocations",))
"""Cut along with whatever is taken away, wherever that is: only who cuts the very same thing waits there."""
RANK = {table: rank for rank, tables in enumerate(RANKS) for table in tables}
