-- expand
-- What of the machines no row of ours can know, as operators declare it: cards, switches, power feeds.
CREATE TABLE topology_links (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    component TEXT NOT NULL,
    stands_on TEXT NOT NULL,
    redundant BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    UNIQUE (component, stands_on)
);
CREATE INDEX topology_links_below ON topology_links (stands_on);

-- And how such a component is, as a monitor outside says.
CREATE TABLE component_states (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    component TEXT NOT NULL UNIQUE,
    value TEXT NOT NULL,
    detail TEXT NOT NULL,
    since DOUBLE PRECISION NOT NULL,
    said_at DOUBLE PRECISION NOT NULL
);
