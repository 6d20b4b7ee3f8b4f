"""Evaluations and benchmarks of the whole system and of its parts."""
