"""Questions over extracted records."""

from __future__ import annotations

from sqlalchemy import select

from loadtests import entity_scale
from loadtests.scale.figures import Figure
from loadtests.scale.sizes import Sizes
from services.core.index.shards import ensure_shards
from services.core.store.database import Database
from services.core.store.schema import shards

GOAL_MS = entity_scale.GOAL_MS[10_000]


async def entity_rows(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    if not await database.fetch(select(shards.c.shard).limit(1)):
        await ensure_shards(database, 1)
    figures = []
    for what in entity_scale.QUESTIONS:
        for each in await entity_scale.asked(kind, database, what, sizes.records):
            goal = GOAL_MS if each.name.endswith(": question") else None
            figures.append(Figure(kind, f"entities, {each.name}", each.value, each.unit, goal))
    return figures
