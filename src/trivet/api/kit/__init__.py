"""What every dialect is made with: routes, callers, versions, bodies, replies."""
