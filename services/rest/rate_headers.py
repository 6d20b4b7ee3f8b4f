"""How the caller's limits stand, in the headers that OpenAI's clients know; of others, in headers of the same form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.core.tenants.limiter import Standing

UNITS = ("requests", "tokens")
NAMES = tuple(f"x-ratelimit-{part}-{unit}" for unit in UNITS for part in ("limit", "remaining", "reset"))


def rate_headers(standings: Mapping[str, Standing]) -> Iterator[tuple[bytes, bytes]]:
    """Nothing of what has no limit."""
    for unit, standing in standings.items():
        for part, value in (
            ("limit", str(standing.limit)),
            ("remaining", str(standing.remaining)),
            ("reset", duration(standing.reset_seconds)),
        ):
            yield f"x-ratelimit-{part}-{unit}".encode(), value.encode()


def duration(seconds: float) -> str:
    """As OpenAI writes it: 17ms, 1s, 6m0s, 1h0m0s."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
