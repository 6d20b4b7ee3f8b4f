"""Who asks, and how much at a time."""
