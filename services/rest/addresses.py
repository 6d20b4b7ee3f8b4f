"""The address that links are built from, where ARCUS_PUBLIC_URL does not tell it."""

from __future__ import annotations

import socket
from functools import cache

from fastapi import Request

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def asked_address(request: Request, allowed_hosts: str) -> str:
    """The scheme and host that the client asked for, if the host is one that we go by: else the socket's own address.

    A Host header is whatever the client wrote. A link with a stranger's host in it would carry its signature there.
    """
    host, port = request.scope.get("server") or ("127.0.0.1", None)
    own = f"[{host}]" if ":" in host else host
    asked = request.headers.get("host", "").lower()
    name, has_port, given_port = asked.rpartition(":") if not asked.endswith("]") else (asked, "", "")
    if not has_port:
        name, given_port = asked, ""
    if name in _names(allowed_hosts) and (not given_port or (given_port.isdecimal() and len(given_port) <= 5)):
        return f"{request.url.scheme}://{asked}"
    ours = {own, *_machine(), *(LOOPBACK if own in LOOPBACK else ())}
    is_ours = name in ours and (given_port or "80") == str(port or 80)
    address = asked if is_ours else own + (f":{port}" if port else "")
    return f"{request.url.scheme}://{address}"


@cache
def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


@cache
def _machine() -> frozenset[str]:
    return frozenset({socket.gethostname().lower()})
