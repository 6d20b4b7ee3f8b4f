"""Filters, full text and stored searches."""
