"""Arcus beside what else does a part of its work, in one run: a proxy of token streams, stores of vectors."""
