-- expand
-- Faults that somebody is told about, and who wants to be told.

CREATE TABLE alarms (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT,
    open_key TEXT UNIQUE,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    object_name TEXT NOT NULL,
    severity TEXT NOT NULL,
    event_type TEXT NOT NULL,
    probable_cause TEXT NOT NULL,
    detail TEXT NOT NULL,
    root_id TEXT,
    acknowledged_at DOUBLE PRECISION,
    acknowledged_by TEXT,
    raised_at DOUBLE PRECISION NOT NULL,
    changed_at DOUBLE PRECISION NOT NULL,
    cleared_at DOUBLE PRECISION
);
CREATE INDEX alarms_project ON alarms (project_id, raised_at, id);
CREATE INDEX alarms_raised ON alarms (raised_at, id);
CREATE INDEX alarms_root ON alarms (root_id) WHERE root_id IS NOT NULL;
CREATE INDEX alarms_cleared ON alarms (cleared_at) WHERE cleared_at IS NOT NULL;

-- Of a project, or with none the operator's, who hears of everything.
CREATE TABLE alarm_subscriptions (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT,
    user_id TEXT NOT NULL,
    style TEXT NOT NULL,
    url TEXT NOT NULL,
    sealed_secret TEXT NOT NULL,
    filter TEXT NOT NULL,
    failures BIGINT NOT NULL,
    last_error TEXT,
    created_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX alarm_subscriptions_project ON alarm_subscriptions (project_id, created_at, id);

CREATE TABLE alarm_deliveries (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    subscription_id TEXT NOT NULL REFERENCES alarm_subscriptions (id) ON DELETE CASCADE,
    alarm_id TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    tries BIGINT NOT NULL,
    due_at DOUBLE PRECISION NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX alarm_deliveries_due ON alarm_deliveries (due_at, id);
CREATE INDEX alarm_deliveries_subscription ON alarm_deliveries (subscription_id, created_at, id);
