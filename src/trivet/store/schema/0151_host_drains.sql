-- expand
-- Hosts that give up all that they have. One row a host, of the host's own id.
CREATE TABLE host_drains (
    id TEXT PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION,
    troubles TEXT NOT NULL
);
