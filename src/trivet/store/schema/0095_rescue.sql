-- expand
-- A server in rescue boots from another image, its own disks beside it.
ALTER TABLE servers ADD COLUMN rescue TEXT;
ALTER TABLE servers ADD COLUMN rescue_image_id TEXT;
