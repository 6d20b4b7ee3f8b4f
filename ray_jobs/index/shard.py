"""One shard of the vector index: exact inner-product search over one FAISS sub-index per collection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

import numpy as np

from ray_jobs.index.rows import Rows
from services.core.embedding_log import LogRow

PRODUCT_QUERIES = 4
LOOP_THRESHOLD = 1 << 30
PIECES = 4  # embeddings looked at for each segment or file wanted, at first
DEEPER = 8  # times as many, while there are too few
Distinct = Literal["embedding", "segment", "file"]


@dataclass(frozen=True)
class Query:
    """A search. vector: float32 [dimensions], unit length; limit: most hits wanted, each of another `distinct`.

    Where files or segments are named, only what belongs to both counts.
    """

    tenant_id: str
    collection_ids: tuple[str, ...]
    vector: np.ndarray
    limit: int
    file_ids: tuple[str, ...] = ()
    segment_ids: tuple[str, ...] = ()
    distinct: Distinct = "embedding"

    @property
    def is_narrowed(self) -> bool:
        return bool(self.file_ids or self.segment_ids)


@dataclass(frozen=True)
class Hit:
    embedding_id: int
    collection_id: str
    score: float


@dataclass
class _SubIndex:
    vectors: Any  # faiss.IndexFlatIP
    rows: Rows = field(default_factory=Rows)


class Shard:
    """Applies the rows of the embedding log in order and searches what they left. Not thread-safe: one thread owns it.

    A sub-index is found by tenant and collection together, so a search cannot see another tenant's vectors.
    """

    def __init__(self, dimensions: int = 384, threads: int = 1) -> None:
        """threads: OpenMP's. More than one is slower wherever other work wants the same cores, as its threads spin:

        100k x 384, batches of 16 on 2 shared cores: 660 queries/s with one thread, 110 with two.
        """
        self._threads = threads
        self._dimensions = dimensions
        self._sub_indexes: dict[tuple[str, str], _SubIndex] = {}
        self.sequence = 0

    @property
    def size(self) -> int:
        """Vectors held."""
        return sum(sub_index.vectors.ntotal for sub_index in self._sub_indexes.values())

    def apply(self, rows: Iterable[LogRow]) -> None:
        """Applies rows in sequence. Rows at or before `sequence` were applied already and are skipped."""
        new = (row for row in rows if row.sequence > self.sequence)
        for (operation, tenant_id, collection_id), group in groupby(
            new, key=lambda row: (row.operation, row.tenant_id, row.collection_id)
        ):
            same = list(group)
            key = (tenant_id, collection_id)
            if operation == "add":
                self._add(key, same)
            else:
                for row in same:
                    self._remove(key, row.file_id)
            self.sequence = same[-1].sequence

    def search(self, tenant_id: str, collection_ids: Sequence[str], vector: np.ndarray, limit: int) -> list[Hit]:
        """The nearest embeddings of the tenant's collections, best first, at most `limit`."""
        return self.search_many([Query(tenant_id, tuple(collection_ids), vector, limit)])[0]

    def search_many(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Answers every query; those of one sub-index that are not narrowed share one pass over its vectors."""
        import faiss

        faiss.omp_set_num_threads(self._threads)  # OpenMP keeps it per calling thread
        askers: dict[tuple[str, str], list[int]] = {}
        for number, query in enumerate(queries):
            for collection_id in dict.fromkeys(query.collection_ids):
                askers.setdefault((query.tenant_id, collection_id), []).append(number)
        found: list[list[tuple[Hit, Any]]] = [[] for _ in queries]
        for key, numbers in askers.items():
            sub_index = self._sub_indexes.get(key)
            if sub_index is None:
                continue
            together = [number for number in numbers if not queries[number].is_narrowed]
            for number, hits in zip(
                together, _nearest(sub_index, key[1], [queries[number] for number in together]), strict=True
            ):
                found[number] += hits
            for number in numbers:
                if queries[number].is_narrowed:
                    found[number] += _nearest_of_some(sub_index, key[1], queries[number])
        return [_best(hits, query.limit) for query, hits in zip(queries, found, strict=True)]

    def _add(self, key: tuple[str, str], rows: list[LogRow]) -> None:
        import faiss

        sub_index = self._sub_indexes.get(key) or _SubIndex(faiss.IndexFlatIP(self._dimensions))
        vectors = sub_index.rows.add(rows)
        if vectors:
            matrix = np.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), self._dimensions)
            sub_index.vectors.add(matrix)
            self._sub_indexes[key] = sub_index

    def _remove(self, key: tuple[str, str], file_id: str) -> None:
        """Removes a file's vectors, or with an empty file_id the whole sub-index."""
        sub_index = self._sub_indexes.get(key)
        if sub_index is None:
            return
        if file_id:
            gone = sub_index.rows.remove_file(file_id)
            if gone.size:
                sub_index.vectors.remove_ids(gone)  # keeps the order of the others
        if not file_id or not sub_index.vectors.ntotal:
            del self._sub_indexes[key]


def _nearest(sub_index: _SubIndex, collection_id: str, queries: Sequence[Query]) -> list[list[tuple[Hit, Any]]]:
    """The hits of each query in one sub-index, each with what it must be distinct by."""
    if not queries:
        return []
    import faiss

    # One matrix product for a batch, FAISS's own loop for a query or two: on 100k x 384 and one thread, 16 at
    # once go from 158 to 767 queries/s by the product, and one at a time would fall from 158 to 78.
    faiss.cvar.distance_compute_blas_threshold = 1 if len(queries) >= PRODUCT_QUERIES else LOOP_THRESHOLD
    total = sub_index.vectors.ntotal
    depth = min(max(_depth(query) for query in queries), total)
    scores, rows = sub_index.vectors.search(np.stack([query.vector for query in queries]), depth)
    answers = []
    for number, query in enumerate(queries):
        hits = _hits(sub_index.rows, collection_id, query, scores[number], rows[number])
        deeper = depth
        while len(hits) < query.limit and deeper < total:
            deeper = min(deeper * DEEPER, total)
            more = sub_index.vectors.search(query.vector[None], deeper)
            hits = _hits(sub_index.rows, collection_id, query, more[0][0], more[1][0])
        answers.append(hits)
    return answers


def _nearest_of_some(sub_index: _SubIndex, collection_id: str, query: Query) -> list[tuple[Hit, Any]]:
    """The hits among the rows that a query is narrowed to: exact, as no other row is scored.

    A selector is for indexes on the CPU: classic GPU indexes accept one and ignore it.
    """
    import faiss

    kept = sub_index.rows.kept(query.file_ids, query.segment_ids)
    total = int(kept.sum())
    if not total:
        return []
    faiss.cvar.distance_compute_blas_threshold = LOOP_THRESHOLD
    selector = faiss.IDSelectorBitmap(np.packbits(kept, bitorder="little"))  # type: ignore
    depth = min(_depth(query), total)
    while True:
        parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        scores, rows = sub_index.vectors.search(query.vector[None], depth, params=parameters)
        hits = _hits(sub_index.rows, collection_id, query, scores[0], rows[0])
        if len(hits) >= query.limit or depth == total:
            return hits
        depth = min(depth * DEEPER, total)


def _depth(query: Query) -> int:
    return query.limit if query.distinct == "embedding" else query.limit * PIECES


def _hits(rows: Rows, collection_id: str, query: Query, scores: np.ndarray, found: np.ndarray) -> list[tuple[Hit, Any]]:
    column = {"embedding": rows.ids, "segment": rows.segments, "file": rows.files}[query.distinct]
    best: dict[int, tuple[Hit, Any]] = {}
    names = rows.names(query.distinct)
    for score, number, id in zip(scores.tolist(), column[found].tolist(), rows.ids[found].tolist(), strict=True):
        if number not in best:
            best[number] = (Hit(id, collection_id, score), names(number))
            if len(best) == query.limit:
                break
    return list(best.values())


def _best(hits: list[tuple[Hit, Any]], limit: int) -> list[Hit]:
    """Of all collections together; what is in several of them counts once."""
    hits.sort(key=lambda item: (-item[0].score, item[0].embedding_id))
    best: dict[Any, Hit] = {}
    for hit, distinct in hits:
        best.setdefault(distinct, hit)
    return list(best.values())[:limit]
