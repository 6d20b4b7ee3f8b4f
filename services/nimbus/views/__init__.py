"""Descriptions as the API shows them."""
