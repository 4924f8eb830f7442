-- expand
-- A shelved server waits as an image, and leaves its host at a time.
ALTER TABLE servers ADD COLUMN shelved_image_id TEXT;
ALTER TABLE servers ADD COLUMN offload_at DOUBLE PRECISION;
CREATE INDEX servers_offload ON servers (offload_at) WHERE offload_at IS NOT NULL;
