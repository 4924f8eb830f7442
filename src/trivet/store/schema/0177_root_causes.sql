-- expand
-- What the cloud takes for the cause of alarms and reports, how sure it is, and why.
CREATE TABLE root_causes (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    open_key TEXT UNIQUE,
    component TEXT NOT NULL,
    alarm_id TEXT NOT NULL,
    adopted BIGINT NOT NULL,
    confidence DOUBLE PRECISION NOT NULL,
    seen BIGINT NOT NULL,
    witnesses BIGINT NOT NULL,
    evidence TEXT NOT NULL,
    why_ended TEXT,
    found_at DOUBLE PRECISION NOT NULL,
    changed_at DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION
);
CREATE INDEX root_causes_found ON root_causes (found_at, id);
CREATE INDEX root_causes_alarm ON root_causes (alarm_id);
CREATE INDEX root_causes_ended ON root_causes (ended_at) WHERE ended_at IS NOT NULL;
-- Who has servers' disks on a back end is asked by it.
CREATE INDEX volumes_backend ON volumes (backend_id, project_id) WHERE backend_id IS NOT NULL;
