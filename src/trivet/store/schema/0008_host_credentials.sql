-- expand
-- What an agent on another machine shows: good for one host, and only a digest of it is kept.
CREATE TABLE host_credentials (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    host TEXT NOT NULL,
    digest TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX host_credentials_host ON host_credentials (host);
