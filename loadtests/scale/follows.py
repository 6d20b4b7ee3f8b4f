"""Followers of responses: what they ask of the database, and how soon they see an event."""

from __future__ import annotations

import statistics

from loadtests import following
from loadtests.scale.figures import Figure
from loadtests.scale.filling import add_tenants
from loadtests.scale.sizes import Sizes
from services.core.store.database import Database


async def follow_rows(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    """Followers in one front of responses that another process writes, an event a second each."""
    (owner,) = await add_tenants(database, 1)
    sights, rate = await following.measure(
        database.url, owner, responses=sizes.followed, followers=sizes.followers, seconds=sizes.followed_seconds
    )
    name = f"follow, {sizes.followers} followers of {sizes.followed} responses"
    delays = sorted(sights.delays)
    return [
        Figure(kind, f"{name}: statements", rate, "/s", 100.0),
        Figure(kind, f"{name}: p50 from write to sight", 1000 * statistics.median(delays), "ms"),
        Figure(kind, f"{name}: p99 from write to sight", 1000 * delays[int(0.99 * len(delays))], "ms", 100.0),
        Figure(kind, f"{name}: events seen", sights.events, "events"),
    ]
