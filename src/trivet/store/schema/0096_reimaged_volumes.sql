-- expand
-- A server that boots from a volume is rebuilt: once its machine is gone, the volume is made anew from this image.
ALTER TABLE servers ADD COLUMN reimage_id TEXT;
CREATE INDEX volumes_downloading ON volumes (backend_id, id) WHERE task IS NOT NULL AND status = 'downloading';
