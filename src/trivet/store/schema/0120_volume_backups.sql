-- expand
-- What a volume held, in objects of its project's; the rows say which, and hold the digest of what lists them.
CREATE TABLE volume_backups (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    volume_id TEXT NOT NULL,
    snapshot_id TEXT,
    parent_id TEXT REFERENCES volume_backups (id),
    restored_id TEXT,
    backend_id TEXT,
    zone TEXT NOT NULL,
    name TEXT,
    description TEXT,
    container TEXT NOT NULL,
    prefix TEXT NOT NULL,
    index_digest TEXT,
    size_gib BIGINT NOT NULL,
    status TEXT NOT NULL,
    works BIGINT NOT NULL,
    object_count BIGINT NOT NULL,
    fail_reason TEXT,
    metadata TEXT NOT NULL,
    request_id TEXT NOT NULL,
    data_at DOUBLE PRECISION NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX volume_backups_project ON volume_backups (project_id, created_at, id);
CREATE INDEX volume_backups_created ON volume_backups (created_at, id);
CREATE INDEX volume_backups_volume ON volume_backups (volume_id, project_id, data_at);
CREATE INDEX volume_backups_parent ON volume_backups (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX volume_backups_work ON volume_backups (id) WHERE works = 1;
