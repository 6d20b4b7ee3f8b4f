"""How much is stored, and how often it is asked: in the usual form, in the long one, and in one that only shows that it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    queued: int = 100_000
    tenants: int = 50
    running: int = 200
    claims: int = 300
    turns: int = 400  # of two tenants of different weight
    woken: int = 20
    followed: int = 200
    followers: int = 1_000
    followed_seconds: int = 20
    own_segments: int = 10_000
    their_segments: int = 100_000
    searches: int = 50
    deleted_files: int = 10
    file_segments: int = 300
    collection_files: int = 10_000
    tenant_files: int = 2_000
    stored_segments: int = 100_000  # of other tenants, beside what is deleted
    tenant_collections: int = 1_000  # of a tenant that asks about everything
    asked_files: int = 10_000
    lists_are_small: bool = False
    filtered_segments: int = 100_000  # of which a fifth is kept
    filtered: int = 20  # searches
    waiting_searches: int = 50  # for one row of the log
    records: int = 10_000
    indexed: int = 100_000
    shards: int = 4
    soaked: int = 2_400  # requests
    engines: int = 3  # of other places each
    questions: int = 2_000  # of the quiet tenant
    has_systems: bool = True


USUAL = Sizes()
LONG = replace(USUAL, their_segments=1_000_000, filtered_segments=1_000_000, indexed=1_000_000, soaked=200_000)
SMALL = Sizes(
    queued=1_000,
    tenants=5,
    running=20,
    claims=20,
    turns=40,
    woken=2,
    followed=20,
    followers=100,
    followed_seconds=1,
    own_segments=60,
    their_segments=200,
    searches=3,
    deleted_files=2,
    file_segments=250,
    collection_files=90,
    tenant_files=5,
    stored_segments=300,
    tenant_collections=10,
    asked_files=20,
    lists_are_small=True,
    filtered_segments=500,
    filtered=3,
    waiting_searches=10,
    records=200,
    engines=1,
    questions=100,
    has_systems=False,
)
