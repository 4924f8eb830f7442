-- expand
-- Objects that come in many parts: begun, and not complete yet. The parts are objects of a container beside.
CREATE TABLE object_uploads (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    container_id TEXT NOT NULL REFERENCES object_containers (id) ON DELETE CASCADE,
    name TEXT {bytewise} NOT NULL,
    user_id TEXT NOT NULL,
    content_type TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX object_uploads_name ON object_uploads (container_id, name, id);
CREATE INDEX object_versions_time ON object_versions (container_id, name, modified_at);
