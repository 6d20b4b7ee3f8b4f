"""Copies of what is stored, and whether what is stored fits together."""
