-- expand
-- Roles that are inherited from above are few, even for somebody who has a role on each of thousands of projects.
CREATE INDEX assignments_inherited ON assignments (actor_id, target_id, role_id) WHERE inherited = 1;
