-- expand
-- What was done to servers, and by whom; and the tokens that open their consoles.

CREATE TABLE server_actions (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    server_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    host_id TEXT,
    started_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    finished_at DOUBLE PRECISION,
    error TEXT
);
CREATE INDEX server_actions_server ON server_actions (server_id, started_at);
CREATE INDEX server_actions_open ON server_actions (server_id) WHERE finished_at IS NULL;

-- `id` is a digest of the token: who reads the table cannot open a console.
CREATE TABLE console_tokens (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    server_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    type TEXT NOT NULL,
    ends_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX console_tokens_ends ON console_tokens (ends_at);
CREATE INDEX console_tokens_server ON console_tokens (server_id);

-- Somebody waits for the newest output of a console; the agent of the host answers. Rows live for seconds.
CREATE TABLE console_reads (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    server_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    limit_bytes BIGINT NOT NULL,
    asked_at DOUBLE PRECISION NOT NULL,
    output TEXT,
    error TEXT
);
CREATE INDEX console_reads_host ON console_reads (host_id);
