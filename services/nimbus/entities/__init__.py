"""Questions about extracted records, by SQL."""
