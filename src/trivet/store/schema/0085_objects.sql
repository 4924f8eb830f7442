-- expand
-- Objects: names and what is said of them. The bytes are blobs.

CREATE TABLE object_accounts (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    metadata TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE object_containers (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT {bytewise} NOT NULL,
    metadata TEXT NOT NULL,
    versioned BIGINT NOT NULL,
    object_count BIGINT NOT NULL,
    bytes_used BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    UNIQUE (project_id, name)
);

CREATE TABLE objects (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    container_id TEXT NOT NULL REFERENCES object_containers (id),
    name TEXT {bytewise} NOT NULL,
    size BIGINT NOT NULL,
    etag TEXT NOT NULL,
    content_type TEXT NOT NULL,
    modified_at DOUBLE PRECISION NOT NULL,
    metadata TEXT NOT NULL,
    blob_key TEXT,
    manifest TEXT,
    delete_at DOUBLE PRECISION,
    version_id TEXT,
    UNIQUE (container_id, name)
);
CREATE INDEX objects_blob ON objects (blob_key) WHERE blob_key IS NOT NULL;
CREATE INDEX objects_expiry ON objects (delete_at) WHERE delete_at IS NOT NULL;

-- What objects of versioned containers were before. A marker has no bytes: it says that the object was deleted.
CREATE TABLE object_versions (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    container_id TEXT NOT NULL REFERENCES object_containers (id),
    name TEXT {bytewise} NOT NULL,
    version_id TEXT {bytewise} NOT NULL,
    marker BIGINT NOT NULL,
    size BIGINT NOT NULL,
    etag TEXT NOT NULL,
    content_type TEXT NOT NULL,
    modified_at DOUBLE PRECISION NOT NULL,
    metadata TEXT NOT NULL,
    blob_key TEXT,
    manifest TEXT,
    UNIQUE (container_id, name, version_id)
);
CREATE INDEX object_versions_blob ON object_versions (blob_key) WHERE blob_key IS NOT NULL;

-- Blobs that are so small that a file would cost more than they do. Their keys begin with a word of their own.
CREATE TABLE object_small (
    blob_key TEXT PRIMARY KEY,
    content TEXT NOT NULL
);

-- Blobs that a row pointed at until a moment ago. They go once no other row does.
CREATE TABLE object_garbage (
    id TEXT PRIMARY KEY,
    blob_key TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL
);
CREATE INDEX object_garbage_at ON object_garbage (at);

-- Bytes that are not what they were when they were taken in.
CREATE TABLE object_damages (
    blob_key TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    object_id TEXT NOT NULL,
    why TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL
);

-- How far the bytes have been looked at.
CREATE TABLE object_scrub (
    id TEXT PRIMARY KEY,
    mark TEXT NOT NULL,
    began_at DOUBLE PRECISION NOT NULL
)
