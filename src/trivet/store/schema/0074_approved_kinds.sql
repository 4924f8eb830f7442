-- expand
-- What kinds of servers a host whose agent is elsewhere says that it can run, and which of them the operator lets it.
-- Hosts that are there already keep what they have; of one that has not come yet, what its operator meant is machines
-- and containers.
ALTER TABLE host_capacities ADD COLUMN approved_kinds TEXT NOT NULL DEFAULT '[]';
ALTER TABLE host_capacities ADD COLUMN said_kinds TEXT NOT NULL DEFAULT '[]';
UPDATE host_capacities SET approved_kinds = '["vm","container"]'
    WHERE approved_vcpus > 0 OR approved_memory_mib > 0 OR approved_disk_gib > 0;
UPDATE host_capacities SET
    approved_kinds = (SELECT h.kinds FROM hosts h WHERE h.name = host_capacities.host),
    said_kinds = (SELECT h.kinds FROM hosts h WHERE h.name = host_capacities.host)
    WHERE host IN (SELECT name FROM hosts);
