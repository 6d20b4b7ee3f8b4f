"""Which engine plays which role, and what it needs."""
