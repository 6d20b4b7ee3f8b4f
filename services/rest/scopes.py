"""Which scope of a key a route needs: by what it is of, and by whether it only reads."""

from __future__ import annotations

from services.core.tenants.scopes import Scope

READING = ("GET", "HEAD")
CHANGES = {  # by the name behind /v1/
    "files": Scope.INGEST,
    "collections": Scope.INGEST,
    "responses": Scope.ASK,
    "chat": Scope.ASK,
    "search": Scope.ASK,
    "models": None,
    "usage": None,
}


def scope_of(method: str, path: str) -> Scope | None:
    """None: nothing is known of the route, and a key needs every scope."""
    noun = path.split("/", 3)[2]
    return Scope.READ if method in READING and noun in CHANGES else CHANGES.get(noun)
