-- expand
-- What else a revoked token rested on ("user/ID", "trust/ID"): whoever revokes without end has that revoked instead, and
-- thousands of rows make room for one.
ALTER TABLE revocations ADD COLUMN wider TEXT;
CREATE INDEX revocations_wider ON revocations (wider) WHERE wider IS NOT NULL;
