"""From a request to its events."""
