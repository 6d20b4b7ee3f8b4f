"""Answers: retrieval, prompt, generation and the events that tell of it."""
