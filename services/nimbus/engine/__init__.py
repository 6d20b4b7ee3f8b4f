"""Calls to the engines."""
