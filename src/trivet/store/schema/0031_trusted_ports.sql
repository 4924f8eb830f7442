-- expand
-- Whether a port's device may do what only a trusted one may, as the operator says; empty where nobody said.
ALTER TABLE ports ADD COLUMN trusted BIGINT;
