-- expand
-- Identity: who there is, what they may do where, how they prove it, and what the catalog says.

-- A domain is a project that holds others: one tree, so that limits and inherited roles walk one table.
CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL,
    domain_id TEXT REFERENCES projects (id),
    parent_id TEXT REFERENCES projects (id),
    is_domain BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    options TEXT NOT NULL,
    extra TEXT NOT NULL
);
CREATE UNIQUE INDEX projects_name ON projects (COALESCE(domain_id, ''), name);
CREATE INDEX projects_parent ON projects (parent_id);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL,
    domain_id TEXT NOT NULL REFERENCES projects (id),
    enabled BIGINT NOT NULL,
    default_project_id TEXT,
    description TEXT,
    email TEXT,
    passwords TEXT NOT NULL,
    password_ends_at DOUBLE PRECISION,
    federated TEXT NOT NULL,
    options TEXT NOT NULL,
    extra TEXT NOT NULL,
    UNIQUE (domain_id, name)
);

-- Wrong passwords in a row. Apart from users: a guess must not be a change that everybody hears of.
CREATE TABLE failed_logins (
    user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    tries BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL
);

CREATE TABLE used_passcodes (
    credential_id TEXT NOT NULL,
    step BIGINT NOT NULL,
    PRIMARY KEY (credential_id, step)
);

CREATE TABLE user_groups (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL,
    domain_id TEXT NOT NULL REFERENCES projects (id),
    description TEXT NOT NULL,
    extra TEXT NOT NULL,
    UNIQUE (domain_id, name)
);

CREATE TABLE memberships (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX memberships_group ON memberships (group_id);

CREATE TABLE roles (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL,
    domain_id TEXT REFERENCES projects (id),
    description TEXT,
    options TEXT NOT NULL,
    extra TEXT NOT NULL
);
CREATE UNIQUE INDEX roles_name ON roles (COALESCE(domain_id, ''), name);

CREATE TABLE implied_roles (
    prior_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    implied_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    PRIMARY KEY (prior_id, implied_id)
);

-- actor_kind: user, group. target_kind: project, domain, system (whose id is 'all').
CREATE TABLE assignments (
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_id TEXT NOT NULL,
    role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    inherited BIGINT NOT NULL,
    PRIMARY KEY (actor_id, target_id, role_id, inherited, actor_kind, target_kind)
);
CREATE INDEX assignments_target ON assignments (target_id);
CREATE INDEX assignments_role ON assignments (role_id);

CREATE TABLE app_credentials (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    description TEXT,
    role_ids TEXT NOT NULL,
    unrestricted BIGINT NOT NULL,
    ends_at DOUBLE PRECISION,
    access_rule_ids TEXT,
    UNIQUE (user_id, name)
);
CREATE INDEX app_credentials_project ON app_credentials (project_id);

CREATE TABLE access_rules (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    service TEXT NOT NULL,
    path TEXT NOT NULL,
    method TEXT NOT NULL,
    UNIQUE (user_id, service, path, method)
);

CREATE TABLE trusts (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    trustor_id TEXT NOT NULL,
    trustee_id TEXT NOT NULL,
    project_id TEXT,
    impersonation BIGINT NOT NULL,
    ends_at DOUBLE PRECISION,
    remaining_uses BIGINT,
    role_ids TEXT NOT NULL,
    redelegated_from TEXT,
    redelegations_left BIGINT NOT NULL,
    deleted_at DOUBLE PRECISION
);
CREATE INDEX trusts_trustor ON trusts (trustor_id);
CREATE INDEX trusts_trustee ON trusts (trustee_id);
CREATE INDEX trusts_project ON trusts (project_id);

-- `sealed` is encrypted with the cloud's key; an EC2 key is found by the hash of its access key.
CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    project_id TEXT,
    type TEXT NOT NULL,
    sealed TEXT NOT NULL,
    access_hash TEXT UNIQUE,
    extra TEXT NOT NULL
);
CREATE INDEX credentials_user ON credentials (user_id, type);
CREATE INDEX credentials_project ON credentials (project_id);

CREATE TABLE regions (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    parent_id TEXT REFERENCES regions (id),
    description TEXT NOT NULL,
    extra TEXT NOT NULL
);

CREATE TABLE services (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    type TEXT NOT NULL,
    name TEXT,
    description TEXT,
    enabled BIGINT NOT NULL,
    extra TEXT NOT NULL
);

-- A URL that begins with / is ours: what clients see begins with the address of this cloud.
CREATE TABLE endpoints (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    region_id TEXT REFERENCES regions (id),
    interface TEXT NOT NULL,
    url TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    extra TEXT NOT NULL
);
CREATE INDEX endpoints_service ON endpoints (service_id);

CREATE TABLE endpoint_projects (
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, project_id)
);
CREATE INDEX endpoint_projects_project ON endpoint_projects (project_id);

CREATE TABLE endpoint_groups (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    filters TEXT NOT NULL
);

CREATE TABLE endpoint_group_projects (
    endpoint_group_id TEXT NOT NULL REFERENCES endpoint_groups (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    PRIMARY KEY (endpoint_group_id, project_id)
);
CREATE INDEX endpoint_group_projects_project ON endpoint_group_projects (project_id);

CREATE TABLE policies (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    type TEXT NOT NULL,
    blob TEXT NOT NULL,
    extra TEXT NOT NULL
);

-- Of one endpoint, of one service, or of one service in one region; what does not apply is ''.
CREATE TABLE policy_associations (
    policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL,
    service_id TEXT NOT NULL,
    region_id TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, service_id, region_id)
);

CREATE TABLE registered_limits (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    service_id TEXT NOT NULL REFERENCES services (id),
    region_id TEXT REFERENCES regions (id),
    resource_name TEXT NOT NULL,
    default_limit BIGINT NOT NULL,
    description TEXT
);
CREATE UNIQUE INDEX registered_limits_key
    ON registered_limits (resource_name, service_id, COALESCE(region_id, ''));

-- scope_id is the project or the domain.
CREATE TABLE limits (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    scope_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    registered_limit_id TEXT NOT NULL REFERENCES registered_limits (id),
    service_id TEXT NOT NULL,
    region_id TEXT,
    resource_name TEXT NOT NULL,
    resource_limit BIGINT NOT NULL,
    description TEXT,
    UNIQUE (scope_id, registered_limit_id)
);
CREATE INDEX limits_resource ON limits (resource_name, scope_id);

CREATE TABLE domain_configs (
    domain_id TEXT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    sealed TEXT NOT NULL
);

CREATE TABLE identity_providers (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    domain_id TEXT NOT NULL REFERENCES projects (id),
    enabled BIGINT NOT NULL,
    description TEXT,
    remote_ids TEXT NOT NULL,
    authorization_ttl BIGINT
);

CREATE TABLE federation_mappings (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    rules TEXT NOT NULL,
    schema_version TEXT NOT NULL
);

CREATE TABLE federation_protocols (
    idp_id TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    mapping_id TEXT NOT NULL,
    remote_id_attribute TEXT,
    PRIMARY KEY (idp_id, id)
);

CREATE TABLE service_providers (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    auth_url TEXT NOT NULL,
    sp_url TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    description TEXT,
    relay_state_prefix TEXT NOT NULL
);

CREATE TABLE oauth_consumers (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    sealed TEXT NOT NULL,
    description TEXT,
    extra TEXT NOT NULL
);

-- kind: request, access.
CREATE TABLE oauth_tokens (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    kind TEXT NOT NULL,
    consumer_id TEXT NOT NULL REFERENCES oauth_consumers (id) ON DELETE CASCADE,
    sealed TEXT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT,
    role_ids TEXT NOT NULL,
    verifier TEXT,
    ends_at DOUBLE PRECISION
);
CREATE INDEX oauth_tokens_user ON oauth_tokens (user_id);

-- place: next, primary, previous. The private half is encrypted with the cloud's key, if it has one.
CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    place TEXT NOT NULL UNIQUE,
    sealed TEXT NOT NULL,
    public_pem TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);

-- Tokens issued up to `cutoff` that rest on `target` are dead. Kept until the last such token has ended anyway.
CREATE TABLE revocations (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    what TEXT NOT NULL,
    target TEXT NOT NULL,
    cutoff DOUBLE PRECISION NOT NULL
);
CREATE INDEX revocations_cutoff ON revocations (cutoff);

-- flat, strict_two_level.
CREATE TABLE limit_model (model TEXT NOT NULL);
INSERT INTO limit_model VALUES ('flat');
