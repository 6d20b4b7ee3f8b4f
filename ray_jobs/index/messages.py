"""Searches and hits as the front and a shard send them."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import Any

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.index.replica import BATCH_QUERIES, Answer
from ray_jobs.index.shard import Query
from services.core.errors import invalid
from services.core.index.shards import MAX_HITS

MAX_COLLECTIONS = 1000
MAX_DIMENSIONS = 8_192
MAX_NAMED = 200_000  # files or segments that a search is narrowed to
DISTINCT: dict[int, Any] = {
    pb.DISTINCT_EMBEDDING: "embedding",
    pb.DISTINCT_SEGMENT: "segment",
    pb.DISTINCT_FILE: "file",
}


def queries(request: pb.SearchRequest, dimensions: int, count: int = 1) -> list[Query]:
    """Of a search, or of the `count` of a group; `dimensions`: of vectors that name no space.

    Raises INVALID_ARGUMENT where the index does not take them.
    """
    if not 1 <= count <= BATCH_QUERIES:
        raise invalid(f"At most {BATCH_QUERIES} searches can be made in one call.", field="searches")
    vector, space, limit = request.vector, request.space, request.limit
    width, rest = divmod(len(vector), count)
    if space and (rest or width % 4 or not 4 <= width <= 4 * MAX_DIMENSIONS):
        raise invalid(f"The vector must be 1 to {MAX_DIMENSIONS} float32 values.", field="vector")
    if not space and (rest or width != 4 * dimensions):
        raise invalid(f"The vector must be {dimensions} float32 values.", field="vector")
    if not 1 <= limit <= MAX_HITS:
        raise invalid(f"limit must be from 1 to {MAX_HITS}.", field="limit")
    collection_ids, file_ids, segment_ids = map(tuple, (request.collection_ids, request.file_ids, request.segment_ids))
    if len(collection_ids) > MAX_COLLECTIONS:
        raise invalid(f"At most {MAX_COLLECTIONS} collections can be searched.", field="collection_ids")
    if max(len(file_ids), len(segment_ids)) > MAX_NAMED:
        raise invalid(f"At most {MAX_NAMED} files or segments can be named.", field="file_ids")
    tenant_id, distinct = request.tenant_id, DISTINCT.get(request.distinct, "embedding")
    return [
        Query(tenant_id, collection_ids, each, limit, file_ids, segment_ids, distinct, space)
        for each in np.frombuffer(vector, "<f4").reshape(count, -1)
    ]


def response(answer: Answer) -> pb.SearchResponse:
    return pb.SearchResponse(
        hits=[
            pb.Hit(embedding_id=hit.embedding_id, collection_id=hit.collection_id, score=hit.score)
            for hit in answer.hits
        ],
        sequence=answer.sequence,
        moved_sequence=answer.moved_sequence,
    )


def group_hits(asked: Sequence[Query], answers: Sequence[Answer]) -> pb.GroupHits:
    """The answers of one pass, of at least one query."""
    counts = [len(answer.hits) for answer in answers]
    places: list[int] = []
    for query, answer in zip(asked, answers, strict=True):
        if len(query.collection_ids) == 1:
            places += [0] * len(answer.hits)
        else:
            place = {id: number for number, id in enumerate(query.collection_ids)}
            places += [place[hit.collection_id] for hit in answer.hits]
    return pb.GroupHits(
        counts=pack(f"<{len(counts)}I", *counts),
        embedding_ids=pack(f"<{len(places)}Q", *[hit.embedding_id for answer in answers for hit in answer.hits]),
        collections=pack(f"<{len(places)}I", *places),
        scores=pack(f"<{len(places)}f", *[hit.score for answer in answers for hit in answer.hits]),
        sequence=answers[0].sequence,
        moved_sequence=answers[0].moved_sequence,
    )
