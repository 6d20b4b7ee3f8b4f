"""What to extract; no database."""
