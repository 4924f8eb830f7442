"""Networks, subnets, subnet pools and address scopes."""
