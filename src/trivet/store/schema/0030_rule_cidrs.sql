-- expand
-- A rule's block as addresses are kept everywhere: rules that mean the same are found and sorted alike. Empty for rules
-- from before, whose block stands as it was written.
ALTER TABLE security_group_rules ADD COLUMN normalized_cidr TEXT;
