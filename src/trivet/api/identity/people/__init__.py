"""Users, projects, domains and roles."""
