-- expand
-- The one network between the hosts, over which servers' packets go: where its centre is, and the authority that signs
-- the hosts' certificates. No row: this cloud has one host.
CREATE TABLE overlays (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    southbound TEXT NOT NULL,
    authority TEXT NOT NULL,
    sealed_key TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
-- Whether what the agent of an invited host says at first counts as approved.
ALTER TABLE host_capacities ADD COLUMN awaited BIGINT NOT NULL DEFAULT 0;
