"""One shard of the vector index: inner-product search over one sub-index per collection and space of vectors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from ray_jobs.index.device import CpuDevice, Device, for_length
from ray_jobs.index.sub_index import Candidate, Hit, Query, SubIndex
from ray_jobs.index.upkeep import Steps, compacted, is_littered, lists_made, wants_lists
from services.core.index.embedding_log import LogRow

__all__ = ["Hit", "Query", "Shard"]

LISTS_FROM = 200_000
Key = tuple[str, str, str]  # (tenant id, collection id, space of the vectors)


class Shard:
    """Applies the rows of the embedding log in order and searches what they left. Not thread-safe: one thread owns it.

    A sub-index is found by tenant and collection together, so a search cannot see another tenant's vectors, and by their
    space, so that only those of one model are compared.
    """

    def __init__(
        self, dimensions: int = 384, threads: int = 1, *, device: Device | None = None, lists_from: int = LISTS_FROM
    ) -> None:
        """threads: OpenMP's. More than one is slower wherever other work wants the same cores, as its threads spin:

        100k x 384, batches of 16 on 2 shared cores: 660 queries/s with one thread, 110 with two.
        """
        self._threads = threads
        self.device = device or CpuDevice(dimensions)
        self._lists_from = lists_from
        self.sub_indexes: dict[Key, SubIndex] = {}
        self._spaces = {""}
        self._looked_at_before = 0
        self.sequence = 0
        self.moved_sequence = 0

    def emptied(self) -> Shard:
        """A shard like this one that holds nothing."""
        return Shard(threads=self._threads, device=self.device, lists_from=self._lists_from)

    @property
    def size(self) -> int:
        """Vectors held; may be asked from any thread."""
        return sum(sub_index.rows.alive_count for sub_index in list(self.sub_indexes.values()))

    @property
    def looked_at(self) -> int:
        """Vectors and centroids that all searches so far have scored."""
        return self._looked_at_before + sum(sub_index.looked_at for sub_index in self.sub_indexes.values())

    def apply(self, rows: Iterable[LogRow]) -> None:
        """Applies rows in sequence. Rows at or before `sequence` were applied already and are skipped."""
        new = (row for row in rows if row.sequence > self.sequence)
        for (operation, tenant_id, collection_id, space), group in groupby(
            new, key=lambda row: (row.operation, row.tenant_id, row.collection_id, row.space)
        ):
            same = list(group)
            if operation == "add":
                self._add((tenant_id, collection_id, space), same)
            else:
                for row in same:
                    for each in self._spaces:
                        self._remove((tenant_id, collection_id, each), row.file_id)
            self.sequence = same[-1].sequence
            if operation == "move":
                self.moved_sequence = self.sequence

    def search(self, tenant_id: str, collection_ids: Sequence[str], vector: np.ndarray, limit: int) -> list[Hit]:
        """The nearest embeddings of the tenant's collections, best first, at most `limit`."""
        return self.search_many([Query(tenant_id, tuple(collection_ids), vector, limit)])[0]

    def search_many(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Answers every query; those of one sub-index that are not narrowed share one pass over its vectors."""
        import faiss

        faiss.omp_set_num_threads(self._threads)  # OpenMP keeps it per calling thread
        askers: dict[Key, list[int]] = {}
        for number, query in enumerate(queries):
            for collection_id in dict.fromkeys(query.collection_ids):
                askers.setdefault((query.tenant_id, collection_id, query.space), []).append(number)
        found: list[list[Candidate]] = [[] for _ in queries]
        for key, numbers in askers.items():
            sub_index = self.sub_indexes.get(key)
            if sub_index is None:
                continue
            # One call's vector that is of another length than the space has must not fail those that share the pass.
            numbers = [number for number in numbers if len(queries[number].vector) == sub_index.device.dimensions]
            together = [number for number in numbers if not queries[number].is_narrowed]
            for number, hits in zip(together, sub_index.nearest([queries[n] for n in together]), strict=True):
                found[number] += hits
            for number in numbers:
                if queries[number].is_narrowed:
                    found[number] += sub_index.nearest_of_some(queries[number])
        return [_best(hits, query.limit) for query, hits in zip(queries, found, strict=True)]

    def vectors_to_look_at(self, queries: Sequence[Query]) -> float:
        """About how many vectors and centroids these searches will score; infinity where that is not to be known.

        May be asked from any thread.
        """
        looked = 0.0
        for query in queries:
            for collection_id in query.collection_ids:
                sub_index = self.sub_indexes.get((query.tenant_id, collection_id, query.space))
                if sub_index is not None:
                    looked += math.inf if query.is_narrowed else sub_index.to_look_at
        return looked

    def upkeep(self) -> Steps[None]:
        """What should be done between searches, in steps that are short each: see `upkeep.py`."""
        import faiss

        faiss.omp_set_num_threads(self._threads)
        for key, sub_index in list(self.sub_indexes.items()):
            if is_littered(sub_index):
                new = yield from compacted(sub_index)
                if self.sub_indexes.get(key) is sub_index:
                    self.sub_indexes[key] = sub_index = new
            if self.sub_indexes.get(key) is sub_index and wants_lists(sub_index):
                yield from lists_made(sub_index)

    def new_sub_index(self, key: Key, dimensions: int) -> SubIndex:
        device = self.device if dimensions == self.device.dimensions else for_length(self.device, dimensions)
        return SubIndex(key[1], device, lists_from=self._lists_from)

    def hold(self, key: Key, sub_index: SubIndex) -> None:
        self.sub_indexes[key] = sub_index
        self._spaces.add(key[2])

    def _add(self, key: Key, rows: list[LogRow]) -> None:
        sub_index = self.sub_indexes.get(key)
        if sub_index is None:
            length = next((len(row.vector) for row in rows if row.vector is not None), 0)
            if not length:
                return
            sub_index = self.new_sub_index(key, length // 4)
        sub_index.add(rows)
        self.hold(key, sub_index)

    def _remove(self, key: Key, file_id: str) -> None:
        """Removes a file's vectors, or with an empty file_id the whole sub-index."""
        sub_index = self.sub_indexes.get(key)
        if sub_index is None:
            return
        if file_id:
            sub_index.rows.remove_file(file_id)
        if not file_id or not sub_index.rows.alive_count:
            self._looked_at_before += sub_index.looked_at
            del self.sub_indexes[key]


def _best(hits: list[Candidate], limit: int) -> list[Hit]:
    """Of all collections together; what is in several of them counts once."""
    hits.sort(key=_nearest_first)
    best: dict[Any, Hit] = {}
    for hit, distinct in hits:
        best.setdefault(distinct, hit)
    return list(best.values())[:limit]


def _nearest_first(candidate: Candidate) -> tuple[float, int]:
    (embedding_id, _, score), _ = candidate
    return -score, embedding_id
