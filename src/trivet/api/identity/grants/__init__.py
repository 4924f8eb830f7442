"""Groups, role assignments and roles that imply others."""
