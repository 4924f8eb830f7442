-- expand
-- What each host is made of inside, and which parts of it a server holds: one row for each size that it holds room for.
CREATE TABLE host_hardware (
    host_id TEXT PRIMARY KEY,
    hardware TEXT NOT NULL
);

CREATE TABLE server_topologies (
    server_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    name TEXT NOT NULL,
    topology TEXT NOT NULL,
    PRIMARY KEY (server_id, host_id, name)
);
CREATE INDEX server_topologies_host ON server_topologies (host_id);
