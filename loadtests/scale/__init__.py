"""What hot paths cost with much stored, beside their goals."""

from loadtests.scale.figures import Figure
from loadtests.scale.filling import add_tenants, analyse, databases, fill, new_id, postgres

__all__ = ["Figure", "add_tenants", "analyse", "databases", "fill", "new_id", "postgres"]
