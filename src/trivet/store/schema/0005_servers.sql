-- expand

CREATE TABLE servers (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    flavor TEXT NOT NULL,
    hostname TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL,
    description TEXT,
    image_id TEXT,
    properties TEXT NOT NULL,
    host_id TEXT,
    zone TEXT,
    group_id TEXT,
    key_name TEXT,
    key_public TEXT,
    user_data TEXT,
    config_drive BIGINT NOT NULL,
    files TEXT NOT NULL,
    admin_password TEXT,
    guest_password TEXT,
    metadata TEXT NOT NULL,
    tags TEXT NOT NULL,
    access_ipv4 TEXT,
    access_ipv6 TEXT,
    disk_config TEXT NOT NULL,
    reservation_id TEXT NOT NULL,
    launch_index BIGINT NOT NULL,
    locked BIGINT NOT NULL,
    locked_reason TEXT,
    locked_by_operator BIGINT NOT NULL,
    trusted_certificates TEXT NOT NULL,
    hints TEXT NOT NULL,
    nic_tags TEXT NOT NULL,
    want TEXT NOT NULL,
    boots BIGINT NOT NULL,
    builds BIGINT NOT NULL,
    grace_s DOUBLE PRECISION NOT NULL,
    snapshot_image_id TEXT,
    old_flavor TEXT,
    status TEXT NOT NULL,
    task TEXT,
    power TEXT NOT NULL,
    fault TEXT,
    deadline_at DOUBLE PRECISION,
    failed_hosts TEXT NOT NULL,
    pinned BIGINT NOT NULL,
    launched_at DOUBLE PRECISION,
    deleted_at DOUBLE PRECISION
);
CREATE INDEX servers_project ON servers (project_id, created_at, id);
CREATE INDEX servers_host ON servers (host_id) WHERE deleted_at IS NULL;
CREATE INDEX servers_status ON servers (status, created_at, id);
CREATE INDEX servers_created ON servers (created_at, id);
CREATE INDEX servers_updated ON servers (updated_at);
CREATE INDEX servers_reservation ON servers (reservation_id);
CREATE INDEX servers_deadline ON servers (deadline_at) WHERE deadline_at IS NOT NULL;
