-- expand
-- What is said to a guest while it runs: how often its kernel should have been made to dump, and how often it should have
-- been given a new password, which waits here until it has it.
ALTER TABLE servers ADD COLUMN interrupts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN passwords BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN new_password TEXT;
