"""An engine of two towers, of the operator's: pictures and texts as vectors of one space."""
