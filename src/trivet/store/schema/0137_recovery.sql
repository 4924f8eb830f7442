-- expand
-- Which hosts stand in for each other, what was said about failures, and which servers were moved for that.

CREATE TABLE ha_segments (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    number BIGINT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    service_type TEXT NOT NULL,
    recovery_method TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION
);

CREATE TABLE ha_hosts (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    number BIGINT NOT NULL UNIQUE,
    segment_id TEXT NOT NULL REFERENCES ha_segments (id),
    name TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    control_attributes TEXT NOT NULL,
    reserved BIGINT NOT NULL,
    on_maintenance BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION
);
CREATE INDEX ha_hosts_segment ON ha_hosts (segment_id, created_at, id);

CREATE TABLE ha_notifications (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    number BIGINT NOT NULL UNIQUE,
    ha_host_id TEXT NOT NULL,
    type TEXT NOT NULL,
    payload TEXT NOT NULL,
    status TEXT NOT NULL,
    message TEXT,
    generated_at DOUBLE PRECISION NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION
);
CREATE INDEX ha_notifications_created ON ha_notifications (created_at, id);
CREATE INDEX ha_notifications_host ON ha_notifications (ha_host_id, created_at);
CREATE INDEX ha_notifications_waiting ON ha_notifications (created_at) WHERE status IN ('new', 'running');

-- By the notification or, where a host was seen to fail, by the row that tells of that.
CREATE TABLE ha_vmoves (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    number BIGINT NOT NULL UNIQUE,
    notification_id TEXT NOT NULL,
    server_id TEXT NOT NULL,
    server_name TEXT NOT NULL,
    source_host TEXT NOT NULL,
    dest_host TEXT,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    message TEXT,
    start_time DOUBLE PRECISION,
    end_time DOUBLE PRECISION,
    created_at DOUBLE PRECISION NOT NULL,
    UNIQUE (notification_id, server_id)
);
CREATE INDEX ha_vmoves_server ON ha_vmoves (server_id);
