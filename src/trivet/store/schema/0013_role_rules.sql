-- expand
-- Counts the changes of roles and of what they imply. Who remembers these compares at each login.
CREATE TABLE role_rules (version BIGINT NOT NULL);
INSERT INTO role_rules VALUES (1);
