"""What a language model is asked in each role, and what is made of its answers, whichever model it is."""
