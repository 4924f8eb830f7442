-- expand
-- Who made a change, and by which request. Changes that the cloud made by itself have neither.

ALTER TABLE events ADD COLUMN user_id TEXT;
ALTER TABLE events ADD COLUMN request_id TEXT;
