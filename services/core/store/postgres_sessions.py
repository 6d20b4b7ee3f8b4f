"""What PostgreSQL is told of each connection."""

from __future__ import annotations

# In seconds: a client whose host is gone is looked for, and what its transaction locked is let go after 12 s.
LOST_CLIENT = {"tcp_keepalives_idle": "6", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}


def session_settings(statement_seconds: float) -> dict[str, str]:
    """The longest that a statement runs, that it waits for a lock, and that its transaction stands still; 0 means no end."""
    milliseconds = str(int(statement_seconds * 1000))
    limits = dict.fromkeys(("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"), milliseconds)
    # PostgreSQL compiles what it guesses to be dear: a claim that runs in 16 ms took 130 more for that.
    return {"application_name": "arcus", "jit": "off", **limits, **LOST_CLIENT}
