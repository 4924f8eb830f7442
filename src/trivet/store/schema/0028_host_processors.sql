-- expand
-- What processor a host has, as its agent tells it; JSON.
ALTER TABLE hosts ADD COLUMN cpu_info TEXT;
