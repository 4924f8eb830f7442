-- expand
-- What a service brings to every cloud (its place in the catalog, its default limits, its roles) is brought once: what
-- an operator takes away later stays away. A cloud from before this has all that there was then.
CREATE TABLE seeds (name TEXT PRIMARY KEY);
INSERT INTO seeds (name)
    SELECT known.name FROM (
        SELECT 'catalog:identity' AS name
        UNION ALL SELECT 'catalog:compute' AS name
        UNION ALL SELECT 'catalog:image' AS name
        UNION ALL SELECT 'catalog:network' AS name
        UNION ALL SELECT 'catalog:placement' AS name
        UNION ALL SELECT 'role:reader' AS name
        UNION ALL SELECT 'role:member' AS name
        UNION ALL SELECT 'role:manager' AS name
        UNION ALL SELECT 'role:admin' AS name
        UNION ALL SELECT 'role:member implies' AS name
        UNION ALL SELECT 'role:manager implies' AS name
        UNION ALL SELECT 'role:admin implies' AS name
        UNION ALL SELECT 'role:service' AS name
        UNION ALL SELECT 'limit:servers' AS name
        UNION ALL SELECT 'limit:class:VCPU' AS name
        UNION ALL SELECT 'limit:class:MEMORY_MB' AS name
        UNION ALL SELECT 'limit:class:DISK_GB' AS name
        UNION ALL SELECT 'limit:server_key_pairs' AS name
        UNION ALL SELECT 'limit:server_injected_files' AS name
        UNION ALL SELECT 'limit:server_injected_file_content_bytes' AS name
        UNION ALL SELECT 'limit:server_injected_file_path_bytes' AS name
        UNION ALL SELECT 'limit:server_groups' AS name
        UNION ALL SELECT 'limit:server_group_members' AS name
        UNION ALL SELECT 'limit:server_metadata_items' AS name
        UNION ALL SELECT 'limit:server_fixed_ips' AS name
        UNION ALL SELECT 'limit:image_count_total' AS name
        UNION ALL SELECT 'limit:image_size_total' AS name
        UNION ALL SELECT 'limit:network' AS name
        UNION ALL SELECT 'limit:subnet' AS name
        UNION ALL SELECT 'limit:port' AS name
        UNION ALL SELECT 'limit:router' AS name
        UNION ALL SELECT 'limit:floatingip' AS name
        UNION ALL SELECT 'limit:security_group' AS name
        UNION ALL SELECT 'limit:security_group_rule' AS name
        UNION ALL SELECT 'limit:subnetpool' AS name
        UNION ALL SELECT 'limit:rbac_policy' AS name
        UNION ALL SELECT 'limit:address_group' AS name
        UNION ALL SELECT 'limit:trunk' AS name
        UNION ALL SELECT 'limit:qos-policy' AS name
    ) known WHERE EXISTS (SELECT 1 FROM projects);
