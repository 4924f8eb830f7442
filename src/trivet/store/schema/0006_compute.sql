-- expand
-- Hosts and the small things of compute.

CREATE TABLE hosts (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    kinds TEXT NOT NULL,
    vcpus BIGINT NOT NULL,
    memory_mib BIGINT NOT NULL,
    disk_gib BIGINT NOT NULL,
    hypervisor_type TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    hypervisor_version BIGINT NOT NULL,
    address TEXT NOT NULL,
    api_url TEXT NOT NULL,
    zone TEXT,
    enabled BIGINT NOT NULL,
    disabled_reason TEXT,
    forced_down BIGINT NOT NULL,
    agent_seen_at DOUBLE PRECISION NOT NULL,
    booted_at DOUBLE PRECISION
);

CREATE TABLE flavors (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    vcpus BIGINT NOT NULL,
    ram_mib BIGINT NOT NULL,
    disk_gib BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    ephemeral_gib BIGINT NOT NULL,
    swap_mib BIGINT NOT NULL,
    rxtx_factor DOUBLE PRECISION NOT NULL,
    is_public BIGINT NOT NULL,
    disabled BIGINT NOT NULL,
    description TEXT,
    extra_specs TEXT NOT NULL
);

CREATE TABLE flavor_access (
    flavor_id TEXT NOT NULL REFERENCES flavors (id),
    project_id TEXT NOT NULL,
    PRIMARY KEY (flavor_id, project_id)
);
CREATE INDEX flavor_access_project ON flavor_access (project_id);

CREATE TABLE keypairs (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    public_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    UNIQUE (user_id, name)
);

CREATE TABLE server_groups (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    policy TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    max_per_host BIGINT
);
CREATE INDEX server_groups_project ON server_groups (project_id, created_at, id);

-- `number` is the id that nova's clients use for an aggregate; placement knows it by `id`.
CREATE TABLE aggregates (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    number BIGINT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION,
    metadata TEXT NOT NULL,
    hosts TEXT NOT NULL
);

-- The last number given out, by what is numbered: none comes twice.
CREATE TABLE numbers (
    name TEXT PRIMARY KEY,
    last BIGINT NOT NULL
);
