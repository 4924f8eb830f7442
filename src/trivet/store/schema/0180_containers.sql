-- expand
-- What a container has and other servers have not, and what somebody asks of a running one besides its console.

ALTER TABLE servers ADD COLUMN exit_code BIGINT;
ALTER TABLE servers ADD COLUMN health TEXT;
ALTER TABLE servers ADD COLUMN own_group_id TEXT;
ALTER TABLE servers ADD COLUMN ends_with_program BIGINT NOT NULL DEFAULT 0;

ALTER TABLE console_reads ADD COLUMN question TEXT;

-- By the id of the server.
CREATE TABLE containers (
    id TEXT PRIMARY KEY REFERENCES servers (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    image TEXT NOT NULL,
    image_driver TEXT NOT NULL,
    image_pull_policy TEXT,
    program TEXT NOT NULL,
    restart_policy TEXT,
    labels TEXT NOT NULL,
    exposed_ports TEXT NOT NULL,
    auto_heal BIGINT NOT NULL,
    runtime TEXT,
    cpu_policy TEXT
);
