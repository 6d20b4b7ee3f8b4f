"""Everything that computes: ingest, stages, engines and index shards, deployed on Ray Serve."""
