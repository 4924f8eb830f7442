-- expand
-- Under which tag a guest finds a disk of its host in its metadata; a volume's tag is its attachment's.
ALTER TABLE servers ADD COLUMN disk_tags TEXT NOT NULL DEFAULT '{}';
