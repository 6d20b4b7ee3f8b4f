"""Answers that quote what was retrieved."""
