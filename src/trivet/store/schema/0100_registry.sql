-- expand
-- A registry of container images: what is pushed there is an image of the cloud, and its layers are kept once a project.

CREATE TABLE registry_repositories (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    UNIQUE (project_id, name)
);

-- Uploads under way. `parts` are the blobs that have arrived; `used_at` is when somebody last came with more.
CREATE TABLE registry_uploads (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    repository_id TEXT NOT NULL,
    parts TEXT NOT NULL,
    writing_key TEXT,
    promised_mib BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    used_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX registry_uploads_used ON registry_uploads (used_at);
CREATE INDEX registry_uploads_repository ON registry_uploads (repository_id);

-- What a project keeps by its digest: a blob, or a part of one (of the archive of an image that was uploaded whole).
CREATE TABLE registry_blobs (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    size BIGINT NOT NULL,
    blob_key TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    UNIQUE (project_id, digest)
);
CREATE INDEX registry_blobs_key ON registry_blobs (blob_key);
CREATE INDEX images_blob ON images (blob_key);

-- In which repositories a blob is: that it is in another is nobody's business there.
CREATE TABLE registry_links (
    repository_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    used_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX registry_links_digest ON registry_links (digest);

-- Each is an image of the cloud, and gone when that is gone.
CREATE TABLE registry_manifests (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    repository_id TEXT NOT NULL,
    image_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    artifact_type TEXT,
    subject TEXT,
    annotations TEXT NOT NULL,
    size BIGINT NOT NULL,
    blob_key TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    UNIQUE (repository_id, digest)
);
CREATE INDEX registry_manifests_image ON registry_manifests (image_id);
CREATE INDEX registry_manifests_subject ON registry_manifests (repository_id, subject) WHERE subject IS NOT NULL;

-- What a manifest names by digest: blobs, and other manifests of its repository.
CREATE TABLE registry_references (
    manifest_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (manifest_id, digest)
);
CREATE INDEX registry_references_digest ON registry_references (digest);

CREATE TABLE registry_tags (
    repository_id TEXT NOT NULL,
    name TEXT NOT NULL,
    manifest_id TEXT NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (repository_id, name)
);
CREATE INDEX registry_tags_manifest ON registry_tags (manifest_id);
