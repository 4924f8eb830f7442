-- expand
-- Secrets that tenants keep, what they are put together in, and how they were made.

-- Each project's secrets are sealed by keys of its own, which are sealed by the cloud's.
CREATE TABLE payload_keys (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX payload_keys_project ON payload_keys (project_id, created_at, id);

CREATE TABLE stored_secrets (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    creator_id TEXT NOT NULL,
    name TEXT,
    secret_type TEXT NOT NULL,
    algorithm TEXT,
    bit_length BIGINT,
    mode TEXT,
    expires_at DOUBLE PRECISION,
    content_type TEXT,
    payload_key_id TEXT REFERENCES payload_keys (id),
    sealed TEXT,
    metadata TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX stored_secrets_project ON stored_secrets (project_id, created_at, id);
CREATE INDEX stored_secrets_name ON stored_secrets (project_id, name);
CREATE INDEX stored_secrets_expired ON stored_secrets (project_id, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX stored_secrets_payload_key ON stored_secrets (payload_key_id) WHERE payload_key_id IS NOT NULL;

CREATE TABLE secret_containers (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    creator_id TEXT NOT NULL,
    name TEXT,
    type TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX secret_containers_project ON secret_containers (project_id, created_at, id);

CREATE TABLE contained_secrets (
    container_id TEXT NOT NULL REFERENCES secret_containers (id) ON DELETE CASCADE,
    secret_id TEXT NOT NULL REFERENCES stored_secrets (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (container_id, secret_id, name)
);
CREATE INDEX contained_secrets_secret ON contained_secrets (secret_id);

CREATE TABLE secret_orders (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    creator_id TEXT NOT NULL,
    type TEXT NOT NULL,
    meta TEXT NOT NULL,
    status TEXT NOT NULL,
    secret_id TEXT,
    container_id TEXT,
    error_status TEXT,
    error_reason TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX secret_orders_project ON secret_orders (project_id, created_at, id);

-- Who reads a secret or a container beside, or in place of, its project. The id is that of what is read.
CREATE TABLE secret_acls (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_access BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE TABLE secret_acl_users (
    acl_id TEXT NOT NULL REFERENCES secret_acls (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    PRIMARY KEY (acl_id, user_id)
);
CREATE INDEX secret_acl_users_user ON secret_acl_users (user_id);

-- What uses a secret or a container: a service and a thing of it, or a name and a URL.
CREATE TABLE secret_consumers (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    target_id TEXT NOT NULL,
    service TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    UNIQUE (target_id, service, resource_type, resource_id)
);
CREATE INDEX secret_consumers_project ON secret_consumers (project_id);
