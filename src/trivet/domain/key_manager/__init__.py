"""The key manager: secrets that tenants keep, sealed at rest, with who may read them and who uses them."""
