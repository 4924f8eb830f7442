-- expand
-- Default security groups of projects that went while ports were in them: each goes after the last of its ports.
CREATE TABLE left_groups (group_id TEXT PRIMARY KEY);
