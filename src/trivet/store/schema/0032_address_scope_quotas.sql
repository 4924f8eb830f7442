-- expand
-- Address scopes are counted from here on; those that are there count, too.
INSERT INTO quota_usages (scope_id, resource, used)
    SELECT project_id, 'address_scope', COUNT(*) FROM address_scopes GROUP BY project_id;
