-- expand
-- Volumes whose type says that they are sealed, and the secret that opens one.
ALTER TABLE volume_types ADD COLUMN encryption TEXT;
ALTER TABLE volumes ADD COLUMN encryption_key_id TEXT;
