"""Controllers of servers: deadlines, and questions to consoles."""
