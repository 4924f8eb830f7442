"""Default limits of what the rooms of networking count."""

LIMITS = {
    "network": 100,
    "subnet": 100,
    "port": 500,
    "router": 50,
    "floatingip": 50,
    "security_group": 50,
    "security_group_rule": 500,
    "subnetpool": 100,
    "address_scope": 10,
    "rbac_policy": 10,
    "address_group": 10,
    "trunk": 50,
    "qos-policy": -1,
}
