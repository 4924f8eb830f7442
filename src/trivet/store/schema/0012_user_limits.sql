-- expand
-- What one user may take of a project's limits: nova's alone, identity knows none.
CREATE TABLE user_limits (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    resource_name TEXT NOT NULL,
    resource_limit BIGINT NOT NULL,
    PRIMARY KEY (project_id, user_id, resource_name)
);
CREATE INDEX user_limits_user ON user_limits (user_id);

-- A number that nova's clients keep; a new cloud registers it at its first start.
INSERT INTO registered_limits (id, revision, service_id, region_id, resource_name, default_limit, description)
    SELECT '0000000000000000000000000000f19d', 1, MIN(id), NULL, 'server_fixed_ips', -1, NULL FROM services
    WHERE type = 'compute' HAVING COUNT(*) > 0;
