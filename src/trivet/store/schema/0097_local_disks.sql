-- expand
-- Empty disks that a server's flavor gives it besides its root disk, on its host.
ALTER TABLE servers ADD COLUMN local_disks TEXT NOT NULL DEFAULT '[]';
