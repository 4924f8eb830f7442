-- expand
-- Rows of deleted servers stay for a day, and may be a thousand times as many as those that live: who looks for
-- the living, or for what is to be forgotten, does not walk past them.
CREATE INDEX servers_living ON servers (project_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX servers_living_all ON servers (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX servers_deleted ON servers (deleted_at) WHERE deleted_at IS NOT NULL;
