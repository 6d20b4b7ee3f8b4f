"""Records extracted from what was said and shown."""
