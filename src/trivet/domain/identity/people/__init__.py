"""People: users, projects and domains, and the roles that users can have."""
