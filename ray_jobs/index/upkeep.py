"""What keeps a sub-index small and quick: compaction, and the making of inverted lists, in short steps.

A generator yields where searches may go on. Where it yields a function, that is to be called in another thread, as it takes
long and touches nothing of the index, and its result sent in.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

import numpy as np
import structlog

from ray_jobs.index.lists import CANDIDATES, SAMPLE_PER_LIST, Lists, list_count, train
from ray_jobs.index.sub_index import SubIndex

Result = TypeVar("Result")
Steps = Generator[Callable[[], Any] | None, Any, Result]

STEP_ROWS = 8192  # copied in one step
ASSIGN_ROWS = 1024  # put into lists in one step
LITTER = 0.2  # a sub-index is compacted when more than this share of its rows was removed,
LITTER_ROWS = 64  # and more than so many
CHECKED_QUERIES = 128
RECALL_HITS = 10
RECALL_WANTED = 0.97  # on the sample, for 0.95 on what comes
FIRST_PROBES = 4
MOST_PROBES = 4  # lists of all are read one in so many at most: reading more is no gain over reading everything

log = structlog.get_logger()


def is_littered(sub_index: SubIndex) -> bool:
    return sub_index.rows.dead_count > max(LITTER_ROWS, LITTER * sub_index.vectors.count)


def compacted(sub_index: SubIndex) -> Steps[SubIndex]:
    """The sub-index without the rows that were removed; what changes meanwhile is taken along. Use only the new one."""
    new = SubIndex(sub_index.collection_id, sub_index.device, lists_from=sub_index.lists_from)
    new.vectors.looked_at = sub_index.vectors.looked_at
    lists = sub_index.lists
    if lists is not None:
        new.use_lists(sub_index.device.lists(lists.centroids), lists.probes)
    sources = [np.empty(0, np.int64)]
    done = 0
    while done < sub_index.vectors.count:
        last = min(done + STEP_ROWS, sub_index.vectors.count)
        kept = done + np.flatnonzero(sub_index.rows.alive[done:last])
        if kept.size:
            new.append(sub_index.vectors.at(kept), None if lists is None else lists.assigned[kept])
            sources.append(kept)
        done = last
        yield None
    new.rows = sub_index.rows.compacted(np.concatenate(sources))
    return new


def wants_lists(sub_index: SubIndex) -> bool:
    return sub_index.device.has_lists and sub_index.vectors.count >= sub_index.lists_from


def lists_made(sub_index: SubIndex) -> Steps[None]:
    """Gives a large sub-index lists, if they find what a look at everything does; else it is searched exactly as before."""
    lists = yield from _filled(sub_index)
    recall = yield from _tuned(sub_index, lists)
    while lists.count < sub_index.vectors.count:  # what came during the check
        _fill(lists, sub_index)
        if lists.count < sub_index.vectors.count:
            yield None
    if recall >= RECALL_WANTED:
        sub_index.use_lists(lists, lists.probes)
    else:
        sub_index.lists = None
        sub_index.try_lists_later()
        while sub_index.vectors.make_bytes(STEP_ROWS):
            yield None
    log.info(
        "inverted lists were tried",
        collection=sub_index.collection_id,
        vectors=sub_index.vectors.count,
        recall=round(recall, 3),
        probes=lists.probes,
        are_used=sub_index.lists is not None,
    )


def _filled(sub_index: SubIndex) -> Steps[Lists]:
    lists_wanted = list_count(sub_index.rows.alive_count)
    alive = np.flatnonzero(sub_index.rows.alive)
    random = np.random.default_rng(1)
    chosen = np.sort(random.choice(alive, min(len(alive), SAMPLE_PER_LIST * lists_wanted), replace=False))
    sample = []
    for start in range(0, len(chosen), STEP_ROWS):
        sample.append(sub_index.vectors.at(chosen[start : start + STEP_ROWS]))
        yield None
    centroids = yield lambda: train(np.concatenate(sample), lists_wanted)
    lists = sub_index.device.lists(centroids)
    while lists.count < sub_index.vectors.count:
        _fill(lists, sub_index)
        yield None
    return lists


def _fill(lists: Lists, sub_index: SubIndex) -> None:
    first = lists.count
    lists.add(sub_index.vectors.floats(first, min(first + ASSIGN_ROWS, sub_index.vectors.count)))


def _tuned(sub_index: SubIndex, lists: Lists) -> Steps[float]:
    """Sets the probes to the fewest that find enough on a sample of what is held; returns the recall@10 there."""
    random = np.random.default_rng(2)
    alive = np.flatnonzero(sub_index.rows.alive)
    queries, truths = [], []
    for row in random.choice(alive, min(len(alive), CHECKED_QUERIES), replace=False):
        # Beside a vector that is held, not on it: a question is never the text that answers it.
        beside = sub_index.vectors.at(np.array([row]))[0]
        beside = beside + random.standard_normal(len(beside)).astype(np.float32) * 0.5 / len(beside) ** 0.5
        queries.append(beside / np.linalg.norm(beside))
        kept = sub_index.rows.alive
        _, rows = sub_index.vectors.search_some(queries[-1], min(RECALL_HITS, int(kept.sum())), kept)
        truths.append(set(rows.tolist()))
        yield None
    probes, recall = FIRST_PROBES, 0.0
    while probes <= max(FIRST_PROBES, len(lists.centroids) // MOST_PROBES):
        lists.probes, found = probes, 0
        for query, truth in zip(queries, truths, strict=True):
            (rows,), _ = lists.search(query[None], CANDIDATES)
            _, best = sub_index.vectors.rank(query, rows, RECALL_HITS)
            found += len(truth & set(best.tolist()))
        recall = found / max(1, sum(map(len, truths)))
        if recall >= RECALL_WANTED:
            break
        probes *= 2
        yield None
    return recall
