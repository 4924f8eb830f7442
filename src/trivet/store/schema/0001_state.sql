-- expand
-- The rules of state: the log, leases, capacity and claims. Nothing here knows what a server is.

CREATE TABLE events (
    seq {identity},
    at DOUBLE PRECISION NOT NULL,
    noun TEXT NOT NULL,
    noun_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    revision BIGINT NOT NULL,
    project_id TEXT,
    host_id TEXT,
    detail TEXT
);
CREATE INDEX events_at ON events (at);

CREATE TABLE log_dropped (seq BIGINT NOT NULL);
INSERT INTO log_dropped VALUES (0);

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token BIGINT NOT NULL,
    ends_at DOUBLE PRECISION NOT NULL
);

-- Who can give capacity. `root_id` and `parent_id` make trees (NUMA nodes, NICs, switches below a host).
CREATE TABLE providers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    parent_id TEXT REFERENCES providers (id),
    root_id TEXT NOT NULL,
    generation BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX providers_root ON providers (root_id);
CREATE INDEX providers_parent ON providers (parent_id) WHERE parent_id IS NOT NULL;

-- `capacity` is floor((total - reserved) * allocation_ratio), `free` is capacity - used: kept as columns so that
-- a claim is one conditional update and a search for room walks an index, however many providers there are.
CREATE TABLE inventories (
    provider_id TEXT NOT NULL REFERENCES providers (id),
    class TEXT NOT NULL,
    total BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    min_unit BIGINT NOT NULL,
    max_unit BIGINT NOT NULL,
    step_size BIGINT NOT NULL,
    allocation_ratio DOUBLE PRECISION NOT NULL,
    capacity BIGINT NOT NULL,
    used BIGINT NOT NULL DEFAULT 0,
    free BIGINT NOT NULL,
    PRIMARY KEY (provider_id, class)
);
CREATE INDEX inventories_free ON inventories (class, free, provider_id);

-- Who takes capacity: a server, a port, a volume, or whatever a placement client says.
CREATE TABLE consumers (
    id TEXT PRIMARY KEY,
    generation BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    type TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX consumers_project ON consumers (project_id, user_id);

CREATE TABLE claims (
    consumer_id TEXT NOT NULL REFERENCES consumers (id),
    provider_id TEXT NOT NULL REFERENCES providers (id),
    class TEXT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (consumer_id, provider_id, class)
);
CREATE INDEX claims_provider ON claims (provider_id, class);

CREATE TABLE provider_traits (
    provider_id TEXT NOT NULL REFERENCES providers (id),
    trait TEXT NOT NULL,
    PRIMARY KEY (provider_id, trait)
);
CREATE INDEX provider_traits_trait ON provider_traits (trait, provider_id);

CREATE TABLE provider_aggregates (
    provider_id TEXT NOT NULL REFERENCES providers (id),
    aggregate_id TEXT NOT NULL,
    PRIMARY KEY (provider_id, aggregate_id)
);
CREATE INDEX provider_aggregates_aggregate ON provider_aggregates (aggregate_id, provider_id);

CREATE TABLE custom_traits (name TEXT PRIMARY KEY, created_at DOUBLE PRECISION NOT NULL);
CREATE TABLE custom_classes (name TEXT PRIMARY KEY, created_at DOUBLE PRECISION NOT NULL);

-- What of a limit is taken. The limit itself is identity's; it is compared in the same statement that takes.
CREATE TABLE quota_usages (
    scope_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (scope_id, resource)
);

-- How many members of a server group (or any spread rule) a host carries.
CREATE TABLE spreads (
    rule_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    members BIGINT NOT NULL,
    PRIMARY KEY (rule_id, host_id)
);
