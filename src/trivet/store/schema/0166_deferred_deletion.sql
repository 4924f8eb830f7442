-- expand
-- Servers that were deleted and can still be brought back, until a time.
ALTER TABLE servers ADD COLUMN reclaim_at DOUBLE PRECISION;
CREATE INDEX servers_reclaim ON servers (reclaim_at) WHERE reclaim_at IS NOT NULL;

-- Volumes likewise: the whole record, and what their data still takes of a back end. Nothing else refers to them, so they
-- are no volumes any more.
CREATE TABLE deleted_volumes (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    backend_id TEXT NOT NULL,
    type_id TEXT,
    size_gib BIGINT NOT NULL,
    volume TEXT NOT NULL,
    deleted_at DOUBLE PRECISION NOT NULL,
    purge_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX deleted_volumes_project ON deleted_volumes (project_id, deleted_at, id);
CREATE INDEX deleted_volumes_purge ON deleted_volumes (backend_id, purge_at);
CREATE INDEX deleted_volumes_type ON deleted_volumes (type_id) WHERE type_id IS NOT NULL;
