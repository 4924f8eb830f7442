-- expand
-- Lists of versions go by name, and the newest of each first.
CREATE INDEX object_versions_newest ON object_versions (container_id, name, modified_at DESC, version_id DESC);
