"""The gRPC transport: arcus.v1 over the same behaviour as the HTTP API."""
