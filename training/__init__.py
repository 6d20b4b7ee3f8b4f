"""What the embedded engine learned from committed examples, and the scripts that make its weights again."""
