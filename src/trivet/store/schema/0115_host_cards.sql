-- expand
-- The network cards of a host that is itself the server: which physical network each is cabled to, and the VLANs that
-- its switch may give to tenants there.
CREATE TABLE host_cards (
    host_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    mac TEXT NOT NULL,
    fabric TEXT NOT NULL,
    first_vlan BIGINT NOT NULL,
    last_vlan BIGINT NOT NULL,
    PRIMARY KEY (host_id, number)
);
