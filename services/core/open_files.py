"""How many files and sockets this process may have open."""

from __future__ import annotations

import resource

from services.core.errors import invalid


def raise_open_files(least: int) -> int:
    """Raises the limit to what the system allows, and returns it. Raises INVALID_ARGUMENT where that is under `least`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, 1024**2)
    if hard < least:
        raise invalid(
            f"This process may open {hard} files at most, and needs {least}; raise the hard limit (ulimit -Hn {least}, "
            f"or LimitNOFILE={least} in a systemd unit)."
        )
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
