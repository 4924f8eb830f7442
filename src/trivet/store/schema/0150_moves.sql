-- expand
-- A server that moves is on two hosts until it is decided where it stays; at most one of them may run it.
ALTER TABLE servers ADD COLUMN other_host_id TEXT;
ALTER TABLE servers ADD COLUMN move TEXT;
ALTER TABLE servers ADD COLUMN builds_made BIGINT NOT NULL DEFAULT 0;
CREATE INDEX servers_other_host ON servers (other_host_id) WHERE other_host_id IS NOT NULL;
