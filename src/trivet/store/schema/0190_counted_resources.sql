-- expand
-- What the services of this cloud count, as each declares it: for which service a name that several services
-- register is enforced, and what holds where nobody has registered a limit. Written at every start.
CREATE TABLE counted_resources (
    name TEXT PRIMARY KEY,
    service_type TEXT NOT NULL,
    default_limit BIGINT NOT NULL
);
