-- expand

CREATE TABLE images (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT,
    name TEXT,
    status TEXT NOT NULL,
    visibility TEXT NOT NULL,
    disk_format TEXT,
    container_format TEXT,
    size BIGINT,
    virtual_size BIGINT,
    checksum TEXT,
    os_hash_algo TEXT,
    os_hash_value TEXT,
    min_disk BIGINT NOT NULL,
    min_ram BIGINT NOT NULL,
    protected BIGINT NOT NULL,
    os_hidden BIGINT NOT NULL,
    tags TEXT NOT NULL,
    properties TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    blob_key TEXT,
    staged_key TEXT,
    staged_size BIGINT,
    writing_key TEXT,
    writing_until DOUBLE PRECISION,
    fault TEXT
);
CREATE INDEX images_project ON images (project_id, created_at, id);
CREATE INDEX images_visibility ON images (visibility, created_at, id);
CREATE INDEX images_created ON images (created_at, id);
CREATE INDEX images_name ON images (name);
CREATE INDEX images_writing ON images (writing_until) WHERE writing_until IS NOT NULL;

-- Copies of what the row's JSON says, kept in the same transaction, so that lists can be filtered by them.
CREATE TABLE image_tags (
    image_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (image_id, tag)
);
CREATE INDEX image_tags_tag ON image_tags (tag, image_id);

CREATE TABLE image_properties (
    image_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (image_id, name)
);
CREATE INDEX image_properties_value ON image_properties (name, value, image_id);

CREATE TABLE image_members (
    image_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (image_id, member_id)
);
CREATE INDEX image_members_member ON image_members (member_id, status, image_id);

-- Ids that were in use once. Never emptied: whoever could take over the id of a deleted image could feed
-- servers that still name it. `blob_keys` are bytes that are still to be removed.
CREATE TABLE deleted_images (
    id TEXT PRIMARY KEY,
    deleted_at DOUBLE PRECISION NOT NULL,
    blob_keys TEXT
);
CREATE INDEX deleted_images_blobs ON deleted_images (deleted_at) WHERE blob_keys IS NOT NULL;

-- Work on an image that goes on after the request was answered.
CREATE TABLE image_tasks (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT,
    user_id TEXT NOT NULL,
    image_id TEXT,
    request_id TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    input TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    ends_at DOUBLE PRECISION,
    tries BIGINT NOT NULL,
    runs_until DOUBLE PRECISION
);
CREATE INDEX image_tasks_open ON image_tasks (status, created_at);
CREATE INDEX image_tasks_image ON image_tasks (image_id);
CREATE INDEX image_tasks_project ON image_tasks (project_id, created_at);

CREATE TABLE metadef_namespaces (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT,
    namespace TEXT NOT NULL UNIQUE,
    visibility TEXT NOT NULL,
    protected BIGINT NOT NULL,
    display_name TEXT,
    description TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX metadef_namespaces_project ON metadef_namespaces (project_id);

-- What a namespace holds: objects, properties, tags and the resource types that it is for.
CREATE TABLE metadef_items (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    namespace_id TEXT NOT NULL REFERENCES metadef_namespaces (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    UNIQUE (namespace_id, kind, name)
);
