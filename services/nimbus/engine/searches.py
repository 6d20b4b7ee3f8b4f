"""Searches that share a call of a shard: those that differ by their vectors alone are sent together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import accumulate
from struct import unpack
from typing import Any, Literal, NamedTuple

from arcus.engine.v1 import engine_pb2 as pb

from services.telemetry.tracing import Metadata

Distinct = Literal["embedding", "segment", "file"]
DISTINCT: dict[Distinct, Any] = {
    "embedding": pb.DISTINCT_EMBEDDING,
    "segment": pb.DISTINCT_SEGMENT,
    "file": pb.DISTINCT_FILE,
}


class VectorHit(NamedTuple):
    embedding_id: int
    collection_id: str
    score: float


class Search(NamedTuple):
    """vector: float32 little-endian, unit length; carried: its place in a trace."""

    tenant_id: str
    collection_ids: tuple[str, ...]
    vector: bytes
    limit: int
    min_sequence: int
    distinct: Distinct
    space: str
    carried: Metadata

    def request(self, file_ids: Collection[str] = (), segment_ids: Collection[str] = ()) -> pb.SearchRequest:
        return pb.SearchRequest(
            tenant_id=self.tenant_id,
            collection_ids=self.collection_ids,
            vector=self.vector,
            limit=self.limit,
            min_sequence=self.min_sequence,
            file_ids=file_ids,
            segment_ids=segment_ids,
            distinct=DISTINCT[self.distinct],
            space=self.space,
        )


class Found(NamedTuple):
    """moved_sequence: the last row by which a file left for another shard."""

    hits: list[VectorHit]
    moved_sequence: int


def found(response: pb.SearchResponse) -> Found:
    hits = [VectorHit(hit.embedding_id, hit.collection_id, hit.score) for hit in response.hits]
    return Found(hits, response.moved_sequence)


class Groups:
    """Searches of one call by what they share, which is all but their vectors: a tenant's stay with its collections."""

    def __init__(self, searches: Sequence[Search]) -> None:
        self._searches = searches
        groups: dict[Any, list[int]] = defaultdict(list)
        for number, search in enumerate(searches):
            tenant_id, collection_ids, vector, limit, _, distinct, space, _ = search
            groups[tenant_id, collection_ids, len(vector), limit, distinct, space].append(number)
        self._numbers = list(groups.values())

    def request(self) -> pb.SearchManyRequest:
        groups = []
        for numbers in self._numbers:
            searches = [self._searches[number] for number in numbers]
            group = searches[0].request()
            group.vector = b"".join([search.vector for search in searches])
            group.min_sequence = max(search.min_sequence for search in searches)
            group.count = len(searches)
            groups.append(group)
        return pb.SearchManyRequest(groups=groups)

    def found(self, answer: pb.GroupHits) -> list[Found]:
        """Of each search, in their order."""
        hits = len(answer.embedding_ids) // 8
        ids = unpack(f"<{hits}Q", answer.embedding_ids)
        places = unpack(f"<{hits}I", answer.collections)
        scores = unpack(f"<{hits}f", answer.scores)
        ends = accumulate(unpack(f"<{len(answer.counts) // 4}I", answer.counts))
        asked = [number for numbers in self._numbers for number in numbers]
        moved_sequence, start = answer.moved_sequence, 0
        each: dict[int, Found] = {}
        for number, end in zip(asked, ends, strict=True):
            names = self._searches[number].collection_ids
            of_hits = [names[place] for place in places[start:end]]
            nearest = list(map(VectorHit, ids[start:end], of_hits, scores[start:end]))
            each[number], start = Found(nearest, moved_sequence), end
        return [each[number] for number in range(len(self._searches))]
