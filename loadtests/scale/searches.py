"""Searches of a tenant beside what others store."""

from __future__ import annotations

import statistics

from loadtests import words
from loadtests.scale.figures import Figure
from loadtests.scale.filling import add_tenants, analyse
from loadtests.scale.sizes import Sizes
from services.core.store.database import Database


async def word_rows(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    """A tenant's searches by words, alone and after another tenant has described much."""
    own, other = await add_tenants(database, 2)
    collection = await words.fill_segments(database, own, sizes.own_segments)
    await analyse(database)
    before, hits = await words.searched(database, own, collection, sizes.searches)
    await words.fill_segments(database, other, sizes.their_segments, seed=words.SEED + 1)
    await analyse(database)
    after, hits_after = await words.searched(database, own, collection, sizes.searches)
    moved = sum(one != another for name in hits for one, another in zip(hits[name], hits_after[name], strict=True))
    assert moved == 0, f"{moved} places of hits moved by what another tenant stores"
    figures = []
    for name in words.QUESTIONS:
        alone, beside = statistics.median(before[name]), statistics.median(after[name])
        told = f"words, {name}, {sizes.own_segments} own segments"
        figures += [
            Figure(kind, f"{told}: p50", 1000 * alone, "ms"),
            Figure(kind, f"{told}: p50 beside {sizes.their_segments} ÷ alone", beside / alone, "x", 1.5),
        ]
    return figures
