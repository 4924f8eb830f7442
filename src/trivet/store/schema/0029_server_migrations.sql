-- expand
-- Resizes of servers, as an operator follows them. `number` is what older clients call it by.
CREATE TABLE server_migrations (
    number {identity},
    id TEXT NOT NULL UNIQUE,
    server_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    target_address TEXT NOT NULL,
    old_flavor_id TEXT NOT NULL,
    new_flavor_id TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX server_migrations_server ON server_migrations (server_id, number);
CREATE INDEX server_migrations_created ON server_migrations (created_at, number);
