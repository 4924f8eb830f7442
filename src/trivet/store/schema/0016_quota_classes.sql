-- expand
-- Numbers that an operator keeps under a name of his own; they bind nobody (the class `default` is the registered limits).
CREATE TABLE quota_classes (
    name TEXT NOT NULL,
    resource_name TEXT NOT NULL,
    resource_limit BIGINT NOT NULL,
    PRIMARY KEY (name, resource_name)
);
