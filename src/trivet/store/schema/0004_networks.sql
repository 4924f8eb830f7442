-- expand
-- Networks and all that hangs on them. Who may see what of others is one table: rbac_policies.

CREATE TABLE networks (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    admin_state_up BIGINT NOT NULL,
    mtu BIGINT NOT NULL,
    network_type TEXT NOT NULL,
    physical_network TEXT,
    segmentation_id BIGINT,
    external BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    port_security_enabled BIGINT NOT NULL,
    dns_domain TEXT NOT NULL,
    availability_zone_hints TEXT NOT NULL,
    subnets TEXT NOT NULL,
    tags TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX networks_project ON networks (project_id);
CREATE INDEX networks_external ON networks (id) WHERE external = 1;

-- A segmentation id is claimed by inserting it; physical_network is '' where there is none.
CREATE TABLE network_segments (
    network_type TEXT NOT NULL,
    physical_network TEXT NOT NULL,
    segmentation_id BIGINT NOT NULL,
    network_id TEXT NOT NULL REFERENCES networks (id),
    PRIMARY KEY (network_type, physical_network, segmentation_id)
);
CREATE INDEX network_segments_network ON network_segments (network_id);

-- object_type: network, subnetpool, address_scope, security_group, address_group. target: a project, or '*'.
CREATE TABLE rbac_policies (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    action TEXT NOT NULL,
    target_tenant TEXT NOT NULL,
    UNIQUE (object_type, object_id, action, target_tenant)
);
CREATE INDEX rbac_policies_target ON rbac_policies (target_tenant, object_type, object_id);

CREATE TABLE network_tags (
    noun TEXT NOT NULL,
    noun_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (noun, noun_id, tag)
);
CREATE INDEX network_tags_tag ON network_tags (noun, tag, noun_id);

CREATE TABLE address_scopes (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    ip_version BIGINT NOT NULL
);

CREATE TABLE subnet_pools (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    ip_version BIGINT NOT NULL,
    prefixes TEXT NOT NULL,
    default_prefixlen BIGINT NOT NULL,
    min_prefixlen BIGINT NOT NULL,
    max_prefixlen BIGINT NOT NULL,
    default_quota BIGINT,
    is_default BIGINT NOT NULL,
    address_scope_id TEXT REFERENCES address_scopes (id),
    tags TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX subnet_pools_scope ON subnet_pools (address_scope_id);

CREATE TABLE subnets (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    network_id TEXT NOT NULL REFERENCES networks (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    ip_version BIGINT NOT NULL,
    cidr TEXT NOT NULL,
    gateway_ip TEXT,
    enable_dhcp BIGINT NOT NULL,
    ipv6_ra_mode TEXT,
    ipv6_address_mode TEXT,
    allocation_pools TEXT NOT NULL,
    dns_nameservers TEXT NOT NULL,
    host_routes TEXT NOT NULL,
    service_types TEXT NOT NULL,
    subnetpool_id TEXT REFERENCES subnet_pools (id),
    segment_id TEXT,
    dns_publish_fixed_ip BIGINT NOT NULL,
    tags TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX subnets_network ON subnets (network_id);
CREATE INDEX subnets_project ON subnets (project_id);
CREATE INDEX subnets_pool ON subnets (subnetpool_id);

-- An address is claimed by inserting it. `next` only grows: addresses below it that came back wait in
-- freed_addresses, oldest first, so that an address is not given out again while caches still know it.
CREATE TABLE addresses (
    subnet_id TEXT NOT NULL REFERENCES subnets (id),
    ip TEXT NOT NULL,
    port_id TEXT NOT NULL,
    network_id TEXT NOT NULL,
    PRIMARY KEY (subnet_id, ip)
);
CREATE INDEX addresses_port ON addresses (port_id);
CREATE INDEX addresses_ip ON addresses (ip);

CREATE TABLE allocation_pools (
    subnet_id TEXT NOT NULL,
    first TEXT NOT NULL,
    size BIGINT NOT NULL,
    next BIGINT NOT NULL,
    PRIMARY KEY (subnet_id, first)
);

CREATE TABLE freed_addresses (
    seq {identity},
    subnet_id TEXT NOT NULL,
    ip TEXT NOT NULL,
    UNIQUE (subnet_id, ip)
);
CREATE INDEX freed_addresses_order ON freed_addresses (subnet_id, seq);

CREATE TABLE ports (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    network_id TEXT NOT NULL REFERENCES networks (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    mac_address TEXT NOT NULL,
    admin_state_up BIGINT NOT NULL,
    status TEXT NOT NULL,
    device_id TEXT NOT NULL,
    device_owner TEXT NOT NULL,
    fixed_ips TEXT NOT NULL,
    security_groups TEXT NOT NULL,
    port_security_enabled BIGINT NOT NULL,
    allowed_address_pairs TEXT NOT NULL,
    extra_dhcp_opts TEXT NOT NULL,
    host_id TEXT,
    vnic_type TEXT NOT NULL,
    binding_profile TEXT NOT NULL,
    dns_name TEXT NOT NULL,
    dns_domain TEXT NOT NULL,
    ip_allocation TEXT NOT NULL,
    propagate_uplink_status BIGINT NOT NULL,
    created_for_server BIGINT NOT NULL,
    tags TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    UNIQUE (network_id, mac_address)
);
CREATE INDEX ports_project ON ports (project_id);
CREATE INDEX ports_device ON ports (device_id);
CREATE INDEX ports_mac ON ports (mac_address);
CREATE INDEX ports_host ON ports (host_id) WHERE host_id IS NOT NULL;

CREATE TABLE security_groups (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    stateful BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    tags TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX security_groups_project ON security_groups (project_id);
CREATE UNIQUE INDEX security_groups_default ON security_groups (project_id) WHERE is_default = 1;

CREATE TABLE address_groups (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    addresses TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE security_group_rules (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    security_group_id TEXT NOT NULL REFERENCES security_groups (id),
    direction TEXT NOT NULL,
    ethertype TEXT NOT NULL,
    protocol TEXT,
    port_range_min BIGINT,
    port_range_max BIGINT,
    remote_ip_prefix TEXT,
    remote_group_id TEXT,
    remote_address_group_id TEXT REFERENCES address_groups (id),
    description TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX security_group_rules_group ON security_group_rules (security_group_id);
CREATE INDEX security_group_rules_remote ON security_group_rules (remote_group_id);
CREATE INDEX security_group_rules_addresses ON security_group_rules (remote_address_group_id);
CREATE INDEX security_group_rules_project ON security_group_rules (project_id);

-- Which groups a port is in; the foreign keys make "in use" a rule of the database, whatever races.
CREATE TABLE port_security_groups (
    port_id TEXT NOT NULL REFERENCES ports (id),
    group_id TEXT NOT NULL REFERENCES security_groups (id),
    PRIMARY KEY (port_id, group_id)
);
CREATE INDEX port_security_groups_group ON port_security_groups (group_id);

CREATE TABLE routers (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    admin_state_up BIGINT NOT NULL,
    status TEXT NOT NULL,
    gateway TEXT,
    gateway_network_id TEXT REFERENCES networks (id),
    gateway_port_id TEXT,
    routes TEXT NOT NULL,
    availability_zone_hints TEXT NOT NULL,
    tags TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX routers_project ON routers (project_id);
CREATE INDEX routers_gateway ON routers (gateway_network_id);

CREATE TABLE floating_ips (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    description TEXT NOT NULL,
    floating_network_id TEXT NOT NULL REFERENCES networks (id),
    floating_ip_address TEXT NOT NULL,
    floating_port_id TEXT NOT NULL,
    port_id TEXT REFERENCES ports (id),
    fixed_ip_address TEXT,
    router_id TEXT REFERENCES routers (id),
    status TEXT NOT NULL,
    dns_name TEXT NOT NULL,
    dns_domain TEXT NOT NULL,
    tags TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX floating_ips_project ON floating_ips (project_id);
CREATE UNIQUE INDEX floating_ips_fixed ON floating_ips (port_id, fixed_ip_address, floating_network_id)
    WHERE port_id IS NOT NULL;
CREATE INDEX floating_ips_port ON floating_ips (port_id);
CREATE INDEX floating_ips_router ON floating_ips (router_id);
CREATE INDEX floating_ips_network ON floating_ips (floating_network_id);
CREATE INDEX floating_ips_floating_port ON floating_ips (floating_port_id);

CREATE TABLE auto_topologies (
    project_id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL,
    router_id TEXT NOT NULL
);

CREATE TABLE network_agents (
    host_id TEXT PRIMARY KEY,
    description TEXT,
    admin_state_up BIGINT NOT NULL
);

CREATE TABLE default_security_group_rules (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    direction TEXT NOT NULL,
    ethertype TEXT NOT NULL,
    protocol TEXT,
    port_range_min BIGINT,
    port_range_max BIGINT,
    remote_ip_prefix TEXT,
    remote_group_id TEXT,
    remote_address_group_id TEXT,
    description TEXT NOT NULL,
    used_in_default_sg BIGINT NOT NULL,
    used_in_non_default_sg BIGINT NOT NULL
);
INSERT INTO default_security_group_rules VALUES
    ('00000000-0000-4000-8000-000000000001', 1, 'egress', 'IPv4', NULL, NULL, NULL, NULL, NULL, NULL,
     'Legacy default SG rule for egress traffic', 1, 1),
    ('00000000-0000-4000-8000-000000000002', 1, 'egress', 'IPv6', NULL, NULL, NULL, NULL, NULL, NULL,
     'Legacy default SG rule for egress traffic', 1, 1),
    ('00000000-0000-4000-8000-000000000003', 1, 'ingress', 'IPv4', NULL, NULL, NULL, NULL, 'PARENT', NULL,
     'Legacy default SG rule for ingress traffic', 1, 0),
    ('00000000-0000-4000-8000-000000000004', 1, 'ingress', 'IPv6', NULL, NULL, NULL, NULL, 'PARENT', NULL,
     'Legacy default SG rule for ingress traffic', 1, 0);
