"""The nearest embeddings of some collections, wherever among the shards they are."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence

from services.core.coalescing import Coalescer
from services.core.errors import ArcusError, Reason
from services.core.index.embedding_log import EmbeddingLog, Placement
from services.nimbus.engine.client import Distinct, EngineClient, MovedError, VectorHit

MAX_LOOKS = 5
PLACED = 64  # searches whose collections are looked up by one query


class ShardSearch:
    def __init__(self, engine: EngineClient, log: EmbeddingLog) -> None:
        self._engine = engine
        self._log = log
        self._placing: Coalescer[Sequence[str], list[Placement]] = Coalescer(
            "placements", self._placements, max_items=PLACED, max_calls=1
        )

    async def find(
        self,
        tenant_id: str,
        collection_ids: Sequence[str],
        vector: bytes,
        limit: int,
        *,
        file_ids: Collection[str] = (),
        segment_ids: Collection[str] = (),
        distinct: Distinct = "embedding",
        space: str = "",
        placements: Sequence[Placement] | None = None,
    ) -> list[VectorHit]:
        """Best first: `limit` of each shard, each of another `distinct`. Reflects all that was written before the call.

        space: that the vector is of. placements: where the collections are, if that was read just now.
        """
        for _ in range(MAX_LOOKS):
            if placements is None:
                placements = self._log.placements_now(collection_ids)
            if placements is None:
                placements = await self._placing.put(collection_ids)
            by_shard: dict[int, list[str]] = defaultdict(list)
            for placement in placements:
                by_shard[placement.shard].append(placement.collection_id)
            sequences = {placement.shard: placement.last_sequence for placement in placements}
            calls = [
                self._engine.search(
                    shard,
                    tenant_id,
                    ids,
                    vector,
                    limit,
                    sequences[shard],
                    file_ids=file_ids,
                    segment_ids=segment_ids,
                    distinct=distinct,
                    space=space,
                )
                for shard, ids in by_shard.items()
            ]
            try:
                answers = [await calls[0]] if len(calls) == 1 else await asyncio.gather(*calls)
            except MovedError:
                placements = None
                continue
            return sorted((hit for answer in answers for hit in answer), key=lambda hit: -hit.score)
        raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The index is being rearranged; try again.")

    async def _placements(self, asked: list[Sequence[str]]) -> list[list[Placement]]:
        found: dict[str, list[Placement]] = defaultdict(list)
        for placement in await self._log.placements({id for ids in asked for id in ids}):
            found[placement.collection_id].append(placement)
        return [[placement for id in dict.fromkeys(ids) for placement in found[id]] for ids in asked]
