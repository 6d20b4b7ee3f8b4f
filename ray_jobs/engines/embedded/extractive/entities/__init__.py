"""How a question about entities is read, word by word."""
