"""Scopes: what a key may be used for. Which call needs which is a table of its transport."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from services.core.errors import invalid


class Scope(StrEnum):
    READ = "read"  # see what is there
    ASK = "ask"  # have answers and searches made, and end or delete them
    INGEST = "ingest"  # upload, and change or delete what was uploaded


ALL_SCOPES = frozenset(Scope)


def scopes_of(names: Iterable[str]) -> frozenset[Scope]:
    """Raises INVALID_ARGUMENT for a name that is none, and where there is no name."""
    given = list(names)
    unknown = [name for name in given if name not in Scope.__members__.values()]
    if unknown or not given:
        raise invalid(f"scopes: choose some of {', '.join(Scope)}.", field="scopes")
    return frozenset(Scope(name) for name in given)


def scopes_text(scopes: Iterable[Scope]) -> str:
    """As they are stored and shown, in one order."""
    given = frozenset(scopes)
    return " ".join(scope for scope in Scope if scope in given)
