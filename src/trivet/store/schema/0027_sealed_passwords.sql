-- expand
-- The password that a server was given is kept sealed. What was kept in the clear is forgotten: guests have read it.
ALTER TABLE servers ADD COLUMN sealed_password TEXT;
UPDATE servers SET admin_password = NULL WHERE admin_password IS NOT NULL;
