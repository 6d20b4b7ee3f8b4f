"""Files, collections and what was understood of them."""
