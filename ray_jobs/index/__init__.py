"""Index shards: FAISS views of the embedding log."""
