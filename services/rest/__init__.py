"""The HTTP transport: parses requests, calls the one behaviour behind it, renders replies."""
