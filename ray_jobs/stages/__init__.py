"""The steps an ingest takes a video through; each is a plain class that a test can call."""
