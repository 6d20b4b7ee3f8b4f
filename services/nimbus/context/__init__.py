"""What an answer may lean on."""
