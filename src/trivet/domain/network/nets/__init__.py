"""Networks, subnets, and the pools and scopes that subnets are cut from."""
