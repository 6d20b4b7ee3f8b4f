"""The system in virtual time: the product's own policies, with machines that only take as long as the real ones do."""
