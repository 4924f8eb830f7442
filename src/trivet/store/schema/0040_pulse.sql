-- expand
-- How long a host has been silent, counted and not measured: no clock that may jump says whether it lives.

-- One row. `tick` goes on while somebody counts; `beat` does not while nobody at all is heard, which `quiet` counts.
CREATE TABLE pulse (
    id BIGINT PRIMARY KEY,
    tick BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    quiet BIGINT NOT NULL
);
INSERT INTO pulse VALUES (1, 1, 1, 0);

-- The tick and the beat at which the host was heard last. `counted_at` is the `agent_seen_at` that has been counted:
-- processes of earlier versions write only that one, and that it changed is a sign of life.
ALTER TABLE hosts ADD COLUMN silent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE hosts ADD COLUMN heard_tick BIGINT NOT NULL DEFAULT 0;
ALTER TABLE hosts ADD COLUMN heard_beat BIGINT NOT NULL DEFAULT 0;
ALTER TABLE hosts ADD COLUMN counted_at DOUBLE PRECISION NOT NULL DEFAULT 0;
