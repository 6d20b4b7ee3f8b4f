"""The part of a collection that a shard holds: its rows, its vectors, and inverted lists where there are many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Literal, NamedTuple

import numpy as np

from ray_jobs.index.device import Device
from ray_jobs.index.lists import Lists, candidate_count
from ray_jobs.index.rows import Rows
from services.core.index.embedding_log import LogRow

PIECES = 4  # embeddings looked at for each segment or file wanted, at first
DEEPER = 8  # times as many, while there are too few
MOST_DEAD = 64  # removed rows that a search looks past at first
GROWN = 2  # lists are made anew, or tried again, when there are so many times the vectors
Distinct = Literal["embedding", "segment", "file"]


class Query(NamedTuple):
    """A search. vector: float32 [dimensions], unit length, of `space`; limit: most hits wanted, each of another `distinct`.

    Where files or segments are named, only what belongs to both counts.
    """

    tenant_id: str
    collection_ids: tuple[str, ...]
    vector: np.ndarray
    limit: int
    file_ids: tuple[str, ...] = ()
    segment_ids: tuple[str, ...] = ()
    distinct: Distinct = "embedding"
    space: str = ""

    @property
    def is_narrowed(self) -> bool:
        return bool(self.file_ids or self.segment_ids)

    @property
    def depth(self) -> int:
        """Embeddings to look at first."""
        return self.limit if self.distinct == "embedding" else self.limit * PIECES


class Hit(NamedTuple):
    embedding_id: int
    collection_id: str
    score: float


Candidate = tuple[Hit, Any]  # a hit with what it must be distinct by


class SubIndex:
    """Exact while it has no lists. Rows that were removed are passed over until the sub-index is compacted."""

    def __init__(self, collection_id: str, device: Device, *, lists_from: int) -> None:
        self.collection_id = collection_id
        self.device = device
        self.rows = Rows()
        self.vectors = device.vectors()
        self.lists: Lists | None = None
        self.lists_from = lists_from  # rows from which lists are worth another try

    @property
    def looked_at(self) -> int:
        return self.vectors.looked_at

    @property
    def to_look_at(self) -> float:
        """Vectors and centroids that a search scores, about; infinity where the CPU doesn't score them."""
        if not self.device.is_quick:
            return math.inf
        return self.lists.to_look_at if self.lists else self.vectors.count

    def add(self, rows: Sequence[LogRow]) -> None:
        new = self.rows.add(rows)
        if new:
            self.append(np.frombuffer(b"".join(new), "<f4").reshape(len(new), self.device.dimensions))

    def append(self, vectors: np.ndarray, assigned: np.ndarray | None = None) -> None:
        """Takes vectors whose rows are known, or will be before anything is searched."""
        self.vectors.add(vectors)
        if self.lists is not None:
            self.lists.add(vectors, assigned)

    def use_lists(self, lists: Lists, probes: int) -> None:
        """From now on, searches read the lists; they hold every vector there is."""
        lists.probes = probes
        self.lists = lists
        self.vectors.drop_bytes()
        self.try_lists_later()

    def try_lists_later(self) -> None:
        """Not before there are many more vectors than now."""
        self.lists_from = max(self.lists_from, GROWN * self.vectors.count)

    def nearest(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """The hits of each query that is not narrowed; they share a pass."""
        if not queries:
            return []
        answers = []
        looked = self._look(queries)
        ids = self.rows.ids[np.concatenate([rows for _, rows in looked]) if len(looked) > 1 else looked[0][1]].tolist()
        end = 0
        for query, (scores, rows) in zip(queries, looked, strict=True):
            start, end = end, end + len(rows)
            is_plain = query.distinct == "embedding" and not self.rows.dead_count
            hits = self._plain_hits(query, scores, ids[start:end]) if is_plain else self._hits(query, scores, rows)
            answers.append(hits if self._is_enough(query, hits, rows) else self._look_deeper(query))
        return answers

    def nearest_of_some(self, query: Query) -> list[Candidate]:
        """The hits among the rows that a query is narrowed to: exact, as no other row is scored."""
        return self._exact(query, self.rows.kept(query.file_ids, query.segment_ids))

    def _look(self, queries: Sequence[Query]) -> list[tuple[np.ndarray, np.ndarray]]:
        vectors = np.stack([query.vector for query in queries]) if len(queries) > 1 else queries[0].vector[None]
        depth = max(query.depth for query in queries) + min(self.rows.dead_count, MOST_DEAD)
        return self._look_in_lists(vectors, depth) if self.lists else self.vectors.search(vectors, depth)

    def _look_in_lists(self, vectors: np.ndarray, depth: int) -> list[tuple[np.ndarray, np.ndarray]]:
        assert self.lists is not None
        found, looked_at = self.lists.nearest(vectors, depth, self.vectors)
        self.vectors.looked_at += looked_at
        return found

    def _is_enough(self, query: Query, hits: Sequence[Candidate], rows: np.ndarray) -> bool:
        return len(hits) >= query.limit or len(rows) == self.vectors.count

    def _look_deeper(self, query: Query) -> list[Candidate]:
        if self.lists:
            ((scores, rows),) = self._look_in_lists(query.vector[None], candidate_count(query.depth))
            candidates = self._hits(query, scores, rows)
            if self._is_enough(query, candidates, rows):
                return candidates
        if self.rows.dead_count:
            return self._exact(query, self.rows.alive)
        depth = query.depth
        hits: list[Candidate] = []
        while len(hits) < query.limit and depth < self.vectors.count:
            depth = min(depth * DEEPER, self.vectors.count)
            ((scores, rows),) = self.vectors.search(query.vector[None], depth)
            hits = self._hits(query, scores, rows)
        return hits

    def _exact(self, query: Query, kept: np.ndarray) -> list[Candidate]:
        total = int(kept.sum())
        depth = min(query.depth, total)
        while depth:
            scores, rows = self.vectors.search_some(query.vector, depth, kept)
            hits = self._hits(query, scores, rows)
            if len(hits) >= query.limit or depth == total:
                return hits
            depth = min(depth * DEEPER, total)
        return []

    def _hits(self, query: Query, scores: np.ndarray, rows: np.ndarray) -> list[Candidate]:
        """Of rows that are alive, best first, each of another `distinct`, as many as are wanted."""
        if self.rows.dead_count:
            alive = self.rows.alive[rows]
            scores, rows = scores[alive], rows[alive]
        if query.distinct == "embedding":
            return self._plain_hits(query, scores, self.rows.ids[rows[: query.limit]].tolist())
        column = self.rows.segments if query.distinct == "segment" else self.rows.files
        best: dict[int, Candidate] = {}
        names = self.rows.names(query.distinct)
        for score, number, id in zip(scores.tolist(), column[rows].tolist(), self.rows.ids[rows].tolist(), strict=True):
            if number not in best:
                best[number] = (Hit(id, self.collection_id, score), names(number))
                if len(best) == query.limit:
                    break
        return list(best.values())

    def _plain_hits(self, query: Query, scores: np.ndarray, ids: list[int]) -> list[Candidate]:
        """Of rows that are alive, best first: each is another embedding."""
        best = ids[: query.limit]
        return list(zip(map(Hit, best, repeat(self.collection_id), scores[: query.limit].tolist()), best, strict=True))
