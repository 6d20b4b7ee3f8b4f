"""The front: accepts requests, stores, retrieves, prompts and streams. Imports neither ray nor torch."""
