"""Security groups, their rules, and the address groups that rules may point at."""
