-- expand
-- Disks that outlive their servers.

CREATE TABLE volume_backends (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    host_id TEXT,
    zone TEXT NOT NULL,
    driver TEXT NOT NULL,
    abilities TEXT NOT NULL,
    total_gib BIGINT NOT NULL,
    free_gib BIGINT NOT NULL,
    allocated_gib BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    disabled_reason TEXT,
    frozen BIGINT NOT NULL,
    seen_at DOUBLE PRECISION NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE volume_types (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    is_public BIGINT NOT NULL,
    extra_specs TEXT NOT NULL,
    qos_id TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX volume_types_qos ON volume_types (qos_id) WHERE qos_id IS NOT NULL;

CREATE TABLE volume_type_access (
    type_id TEXT NOT NULL REFERENCES volume_types (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    PRIMARY KEY (type_id, project_id)
);

-- The type of volumes whose maker names none, where a project has one of its own.
CREATE TABLE volume_default_types (
    project_id TEXT PRIMARY KEY,
    type_id TEXT NOT NULL REFERENCES volume_types (id)
);
CREATE INDEX volume_default_types_type ON volume_default_types (type_id);

CREATE TABLE volume_qos (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    consumer TEXT NOT NULL,
    specs TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE volumes (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT,
    description TEXT,
    size_gib BIGINT NOT NULL,
    status TEXT NOT NULL,
    previous_status TEXT,
    bootable BIGINT NOT NULL,
    multiattach BIGINT NOT NULL,
    read_only BIGINT,
    type_id TEXT,
    zone TEXT NOT NULL,
    backend_id TEXT,
    snapshot_id TEXT,
    source_volume_id TEXT,
    image_id TEXT,
    group_id TEXT,
    metadata TEXT NOT NULL,
    image_metadata TEXT,
    task TEXT,
    migration_status TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    launched_at DOUBLE PRECISION
);
CREATE INDEX volumes_project ON volumes (project_id, created_at, id);
CREATE INDEX volumes_created ON volumes (created_at, id);
CREATE INDEX volumes_name ON volumes (project_id, name);
CREATE INDEX volumes_status ON volumes (status, created_at, id);
CREATE INDEX volumes_type ON volumes (type_id);
CREATE INDEX volumes_group ON volumes (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX volumes_snapshot ON volumes (snapshot_id) WHERE snapshot_id IS NOT NULL;
CREATE INDEX volumes_source ON volumes (source_volume_id) WHERE source_volume_id IS NOT NULL;
CREATE INDEX volumes_work ON volumes (backend_id, id)
    WHERE task IS NOT NULL AND status IN ('creating', 'deleting', 'extending', 'uploading', 'reverting', 'retyping');

CREATE TABLE volume_attachments (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    volume_id TEXT NOT NULL REFERENCES volumes (id),
    server_id TEXT,
    instance_id TEXT,
    status TEXT NOT NULL,
    mode TEXT NOT NULL,
    device TEXT,
    connector TEXT,
    connection TEXT,
    boots BIGINT NOT NULL,
    position BIGINT NOT NULL,
    delete_on_termination BIGINT NOT NULL,
    tag TEXT,
    undone BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    attached_at DOUBLE PRECISION,
    deadline_at DOUBLE PRECISION
);
CREATE INDEX volume_attachments_volume ON volume_attachments (volume_id, created_at, id);
CREATE INDEX volume_attachments_server ON volume_attachments (server_id, position, id);
CREATE INDEX volume_attachments_project ON volume_attachments (project_id, created_at, id);
CREATE INDEX volume_attachments_deadline ON volume_attachments (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE INDEX volume_attachments_work ON volume_attachments (volume_id)
    WHERE status = 'gone' OR (connection IS NULL AND status <> 'reserved');

CREATE TABLE volume_snapshots (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    volume_id TEXT NOT NULL REFERENCES volumes (id),
    name TEXT,
    description TEXT,
    size_gib BIGINT NOT NULL,
    status TEXT NOT NULL,
    works BIGINT NOT NULL,
    progress TEXT NOT NULL,
    metadata TEXT NOT NULL,
    group_snapshot_id TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX volume_snapshots_project ON volume_snapshots (project_id, created_at, id);
CREATE INDEX volume_snapshots_created ON volume_snapshots (created_at, id);
CREATE INDEX volume_snapshots_volume ON volume_snapshots (volume_id);
CREATE INDEX volume_snapshots_work ON volume_snapshots (volume_id) WHERE works = 1;

-- What went wrong with a tenant's volumes, in words for the tenant.
CREATE TABLE volume_messages (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    ends_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX volume_messages_project ON volume_messages (project_id, created_at, id);
CREATE INDEX volume_messages_ends ON volume_messages (ends_at);
