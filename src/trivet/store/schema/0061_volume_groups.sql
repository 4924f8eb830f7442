-- expand
-- Volumes on their way to another project, and volumes that are looked after together.

CREATE TABLE volume_transfers (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    volume_id TEXT NOT NULL UNIQUE REFERENCES volumes (id),
    name TEXT,
    key_hash TEXT NOT NULL,
    no_snapshots BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX volume_transfers_project ON volume_transfers (project_id, created_at, id);

CREATE TABLE volume_group_types (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    is_public BIGINT NOT NULL,
    group_specs TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE volume_groups (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT,
    description TEXT,
    status TEXT NOT NULL,
    zone TEXT,
    group_type_id TEXT NOT NULL REFERENCES volume_group_types (id),
    type_ids TEXT NOT NULL,
    group_snapshot_id TEXT,
    source_group_id TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX volume_groups_project ON volume_groups (project_id, created_at, id);
CREATE INDEX volume_groups_type ON volume_groups (group_type_id);

CREATE TABLE volume_group_snapshots (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT,
    description TEXT,
    group_id TEXT NOT NULL REFERENCES volume_groups (id),
    group_type_id TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX volume_group_snapshots_project ON volume_group_snapshots (project_id, created_at, id);
CREATE INDEX volume_group_snapshots_group ON volume_group_snapshots (group_id);
CREATE INDEX volume_snapshots_group ON volume_snapshots (group_snapshot_id) WHERE group_snapshot_id IS NOT NULL;
