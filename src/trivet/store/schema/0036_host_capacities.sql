-- expand
-- Of a host whose agent is elsewhere: what its agent says that it has, and what of that the operator lets it sell. No
-- approval is none. Hosts that are there already keep what they have.
CREATE TABLE host_capacities (
    host TEXT PRIMARY KEY,
    approved_vcpus BIGINT NOT NULL,
    approved_memory_mib BIGINT NOT NULL,
    approved_disk_gib BIGINT NOT NULL,
    said_vcpus BIGINT NOT NULL,
    said_memory_mib BIGINT NOT NULL,
    said_disk_gib BIGINT NOT NULL
);
INSERT INTO host_capacities
    SELECT DISTINCT h.name, h.vcpus, h.memory_mib, h.disk_gib, h.vcpus, h.memory_mib, h.disk_gib
    FROM hosts h JOIN host_credentials c ON c.host = h.name;
