-- expand
-- Address scopes are counted from here on; those that are there count, too. A new cloud registers the limit itself.
INSERT INTO registered_limits (id, revision, service_id, resource_name, default_limit)
    SELECT '5b0c2f6d1e8a4b7f9d3c0a6e2f4b8d17', 1, id, 'address_scope', 10
    FROM services WHERE type = 'network' ORDER BY id LIMIT 1;
INSERT INTO quota_usages (scope_id, resource, used)
    SELECT project_id, 'address_scope', COUNT(*) FROM address_scopes GROUP BY project_id;
