"""The log that index shards follow."""
