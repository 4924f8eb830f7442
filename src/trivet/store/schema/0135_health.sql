-- expand
-- How hosts are: what each signal says of them, how their power is cut, and what became of those that failed.

-- Where the host is on the network for management, as its agent sees itself; the other address is between the hosts.
ALTER TABLE hosts ADD COLUMN management_address TEXT NOT NULL DEFAULT '';
-- Found dead by more than its agent's silence.
ALTER TABLE hosts ADD COLUMN dead BIGINT NOT NULL DEFAULT 0;

CREATE TABLE host_probes (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    host_id TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    value TEXT NOT NULL,
    detail TEXT NOT NULL,
    since DOUBLE PRECISION NOT NULL,
    seen_at DOUBLE PRECISION NOT NULL,
    detects_in_s DOUBLE PRECISION,
    UNIQUE (host_id, name)
);

-- One row a host, of the host's own id.
CREATE TABLE host_verdicts (
    id TEXT PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    why TEXT NOT NULL,
    since DOUBLE PRECISION NOT NULL
);

CREATE TABLE host_bmcs (
    id TEXT PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    url TEXT NOT NULL,
    username TEXT NOT NULL,
    sealed_password TEXT NOT NULL,
    certificate TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE host_failures (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    host_id TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    why TEXT NOT NULL,
    suspected_at DOUBLE PRECISION NOT NULL,
    confirmed_at DOUBLE PRECISION,
    fenced_at DOUBLE PRECISION,
    recovered_at DOUBLE PRECISION,
    ended_at DOUBLE PRECISION
);
CREATE INDEX host_failures_host ON host_failures (host_id, suspected_at);
CREATE INDEX host_failures_open ON host_failures (suspected_at) WHERE ended_at IS NULL;
CREATE INDEX host_failures_fenced ON host_failures (fenced_at) WHERE fenced_at IS NOT NULL;
