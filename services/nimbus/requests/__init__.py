"""What a request asks for, read and refused; no database, no engine."""
