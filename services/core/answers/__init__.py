"""Stored answers and their events."""
