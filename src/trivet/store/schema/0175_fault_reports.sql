-- expand
-- What tenants say is wrong with what is theirs.
CREATE TABLE fault_reports (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    witness TEXT NOT NULL,
    open_key TEXT UNIQUE,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    object_name TEXT NOT NULL,
    symptom TEXT NOT NULL,
    detail TEXT NOT NULL,
    state TEXT NOT NULL,
    times BIGINT NOT NULL,
    cause_id TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    last_at DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION
);
CREATE INDEX fault_reports_project ON fault_reports (project_id, created_at, id);
CREATE INDEX fault_reports_created ON fault_reports (created_at, id);
CREATE INDEX fault_reports_last ON fault_reports (last_at) WHERE ended_at IS NULL;
CREATE INDEX fault_reports_ended ON fault_reports (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX fault_reports_cause ON fault_reports (cause_id) WHERE cause_id IS NOT NULL;

-- What the thing stood on when it was reported, and how well a fault there would explain the symptom. A server that
-- moves on takes its report's evidence nowhere.
CREATE TABLE fault_report_stands (
    report_id TEXT NOT NULL REFERENCES fault_reports (id) ON DELETE CASCADE,
    component TEXT NOT NULL,
    strength DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (report_id, component)
);
CREATE INDEX fault_report_stands_component ON fault_report_stands (component);
