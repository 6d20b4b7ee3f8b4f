"""Retrieval: the segments of a tenant's collections that speak to a question, by meaning and by words, fused."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.core.errors import not_found
from services.core.index.embedding_log import EmbeddingLog, Placement
from services.core.index.shards import MAX_HITS
from services.core.library.collections import Collection, Collections
from services.core.library.descriptions import Descriptions
from services.core.library.files import File, Files
from services.core.library.members import Members
from services.core.library.segments import Segment, Segments
from services.core.questions import excludes_files, file_names
from services.core.search.filters import SearchFilter
from services.core.search.full_text import FullText
from services.core.words import Held, content_words
from services.nimbus.engine.client import Distinct, EngineClient, SpaceVector, VectorHit
from services.nimbus.engine.shards import ShardSearch
from services.nimbus.requests.knowledge_base import KnowledgeBase

FUSION_CONSTANT = 60  # Cormack, Clarke, Büttcher 2009: reciprocal rank fusion
MIN_COVERAGE = 0.5
WORDS_WEIGHT = PICTURES_WEIGHT = 0.5
CANDIDATES = 2  # of each way for one that is wanted
VECTOR_LIMIT = 96
FEW = 1 / 4  # of these hits, that differ
TEXT_LIMIT = 48
MAX_DEFAULT_COLLECTIONS = 1_000

Key = tuple[str, str]  # (description id, segment id)


@dataclass(frozen=True)
class Scope:
    """What may be searched: collections of the tenant, and, where named, only some of their files and segments.

    `placements`: the index shards that hold them, as they were when the scope was read.
    """

    collections: tuple[Collection, ...]
    placements: tuple[Placement, ...]
    file_ids: frozenset[str] | None = None
    cites_collections: bool = True
    segment_ids: frozenset[str] | None = None

    @property
    def is_empty(self) -> bool:
        return not self.collections or self.file_ids == frozenset() or self.segment_ids == frozenset()


@dataclass(frozen=True)
class Embedded:
    """A text as vectors: float32 little-endian, of unit length; `pictures`: that of pictures, where any are found by a text."""

    vector: bytes
    pictures: SpaceVector | None


@dataclass(frozen=True)
class Passage:
    """Something said, shown or described; `score` is its likeness to the question, in [-1, 1]."""

    kind: str
    text: str
    start_time: float
    end_time: float
    score: float


@dataclass(frozen=True)
class FoundSegment:
    """A segment that was retrieved, with everything in it that can be quoted."""

    segment: Segment
    file: File
    collection_id: str
    description_id: str
    passages: tuple[Passage, ...]

    @property
    def key(self) -> Key:
        return self.description_id, self.segment.id

    @property
    def said(self) -> tuple[str, ...]:
        """The same of a copy."""
        return tuple(passage.text for passage in self.passages)


class Retrieval:
    def __init__(
        self,
        *,
        engine: EngineClient,
        log: EmbeddingLog,
        full_text: FullText,
        descriptions: Descriptions,
        files: Files,
        collections: Collections,
        members: Members,
        segments: Segments,
    ) -> None:
        self._engine = engine
        self._log = log
        self._nearest = ShardSearch(engine, log)
        self._full_text = full_text
        self._descriptions = descriptions
        self._files = files
        self._collections = collections
        self._members = members
        self._segments = segments

    @property
    def sees(self) -> bool:
        """Whether pictures are found by a text."""
        return self._engine.seer is not None

    async def scope(self, tenant_id: str, base: KnowledgeBase) -> Scope:
        """Raises NOT_FOUND for a collection or file that is not the tenant's."""
        if base.source == "collections":
            found, placed = await self._collections.to_search(tenant_id, base.collections)
            return await self.narrowed(tenant_id, Scope(tuple(found), tuple(placed)), base.filter)
        named = None
        if base.source == "files":
            there = await self._files.get_many(tenant_id, list(base.files))
            for id in base.files:
                if id not in there:
                    raise not_found("File", id)
            named = frozenset(base.files)
        newest, placed = await self._collections.newest_to_search(tenant_id, MAX_DEFAULT_COLLECTIONS)
        every = {collection.id: collection for collection in newest if collection.collection_type != "entities"}
        places = tuple(placement for placement in placed if placement.collection_id in every)
        scope = Scope(tuple(every.values()), places, named, cites_collections=False)
        return await self.narrowed(tenant_id, scope, base.filter)

    async def narrowed(self, tenant_id: str, scope: Scope, filter: SearchFilter | None) -> Scope:
        """The scope with only those files and segments that a filter keeps, before anything is ranked."""
        if filter is None or not filter.criteria:
            return scope
        ids = [collection.id for collection in scope.collections] if scope.cites_collections else None
        segment_ids = None
        if filter.narrows_segments:
            kept = await self._segments.segments_kept(tenant_id, filter, ids)
            segment_ids, file_ids = frozenset(kept), frozenset(kept.values())
        else:
            file_ids = await self._segments.files_kept(tenant_id, filter, ids)
        if scope.file_ids is not None:
            file_ids &= scope.file_ids
        return replace(scope, file_ids=file_ids, segment_ids=segment_ids)

    async def to_named_files(self, tenant_id: str, scope: Scope, question: str) -> Scope:
        """Where a question names files of the scope, only those may answer it; else the scope as it is."""
        names = [] if excludes_files(question) else file_names(question)
        if not names:
            return scope
        ids = await self._members.named(tenant_id, [collection.id for collection in scope.collections], names)
        if scope.file_ids is not None:
            ids &= scope.file_ids
        return replace(scope, file_ids=frozenset(ids)) if ids else scope

    async def embedded(self, text: str) -> Embedded:
        """For searches that ask the same of several scopes: each text is embedded once."""
        if not self.sees:
            return Embedded((await self._engine.embed([text]))[0], None)
        (vector,), pictures = await asyncio.gather(self._engine.embed([text]), self._engine.embed_for_pictures(text))
        return Embedded(vector, pictures)

    async def find(
        self,
        tenant_id: str,
        scope: Scope,
        question: str,
        limit: int,
        *,
        language: str = "en",
        embedded: Embedded | None = None,
    ) -> list[FoundSegment]:
        """The best `limit` segments, best first, and at most as many that say the same as one of them: a video that is there
        several times hides no other. Up to date with every segment that was written before the scope was read.

        embedded: the question, if it was embedded before. One query is asked of the database at a time.
        """
        if scope.is_empty:
            return []
        ids = [collection.id for collection in scope.collections]
        words = content_words(question, language)
        (vector,), picture_hits, text_hits = await asyncio.gather(
            self._engine.embed([question]) if embedded is None else _known([embedded.vector]),
            self.pictures(tenant_id, scope, question, VECTOR_LIMIT, embedded=embedded.pictures if embedded else None),
            self._full_text.search(
                tenant_id,
                ids,
                words,
                TEXT_LIMIT * 4,
                file_ids=scope.file_ids,
                segment_ids=scope.segment_ids,
            ),
        )
        vector_hits = await self._differing(tenant_id, scope, vector)
        embeddings = await self._log.embeddings(hit.embedding_id for hit in (*vector_hits, *picture_hits))

        place: dict[Key, str] = {}
        by_meaning: dict[Key, int] = {}
        by_pictures: dict[Key, int] = {}
        for hits, ranks in ((vector_hits, by_meaning), (picture_hits, by_pictures)):
            for hit in hits:
                embedding = embeddings.get(hit.embedding_id)
                if embedding is not None:
                    key = (embedding.description_id, embedding.segment_id)
                    place.setdefault(key, hit.collection_id)
                    ranks.setdefault(key, len(ranks) + 1)
        by_words: dict[Key, int] = {}
        for text_hit in text_hits:
            key = (text_hit.description_id, text_hit.segment_id)
            place.setdefault(key, text_hit.collection_id)
            by_words.setdefault(key, len(by_words) + 1)
        ways = (by_meaning, by_words, by_pictures)
        asked, likest = np.frombuffer(vector, dtype="<f4"), limit * CANDIDATES
        candidates = list(dict.fromkeys(key for ranks in ways for key in list(ranks)[:likest]))
        found = await self._load(tenant_id, candidates, place, asked)
        if len({item.said for item in found}) < min(limit, len(found)):
            loaded = set(candidates)
            rest = dict.fromkeys(key for ranks in ways for key in list(ranks)[likest : likest + VECTOR_LIMIT])
            if beyond := [key for key in rest if key not in loaded]:
                found += await self._load(tenant_id, beyond, place, asked)
        wanted = set(words)
        # In a thread: every passage of up to some hundred segments is read word by word, of those that words found.
        shares = await asyncio.to_thread(
            lambda: [_coverage(wanted, item) if item.key in by_words else 0.0 for item in found]
        )
        scores = {
            item.key: _fused(by_meaning.get(item.key), by_words.get(item.key), share, by_pictures.get(item.key))
            for item, share in zip(found, shares, strict=True)
        }
        return _with_copies(sorted(found, key=lambda item: -scores[item.key]), limit)

    async def files_of(self, tenant_id: str, scope: Scope, limit: int) -> list[str]:
        """Files of the scope, those added last first, at most `limit`."""
        ids = [collection.id for collection in scope.collections]
        return list(await self._members.newest(tenant_id, ids, limit, file_ids=scope.file_ids))

    async def nearest(
        self,
        tenant_id: str,
        scope: Scope,
        vector: bytes,
        limit: int,
        *,
        distinct: Distinct = "embedding",
    ) -> list[VectorHit]:
        """Nearest texts of the scope, best first: `limit` of each shard, each of another `distinct`."""
        return await self._near(tenant_id, scope, vector, limit, distinct=distinct)

    async def _differing(self, tenant_id: str, scope: Scope, vector: bytes) -> list[VectorHit]:
        """The nearest VECTOR_LIMIT; where most are copies, which are equally near, of MAX_HITS the first two of each."""
        hits = (await self.nearest(tenant_id, scope, vector, VECTOR_LIMIT))[:VECTOR_LIMIT]
        if len(hits) < VECTOR_LIMIT or len({_likeness(hit) for hit in hits}) >= FEW * VECTOR_LIMIT:
            return hits
        there: dict[float, list[VectorHit]] = defaultdict(list)
        for hit in await self.nearest(tenant_id, scope, vector, MAX_HITS):
            there[_likeness(hit)].append(hit)
        return [hit for hits in there.values() for hit in hits[:2]][:VECTOR_LIMIT]

    async def _near(
        self, tenant_id: str, scope: Scope, vector: bytes, limit: int, *, distinct: Distinct, space: str = ""
    ) -> list[VectorHit]:
        return await self._nearest.find(
            tenant_id,
            [collection.id for collection in scope.collections],
            vector,
            limit,
            file_ids=scope.file_ids or (),
            segment_ids=scope.segment_ids or (),
            distinct=distinct,
            space=space,
            placements=scope.placements,
        )

    async def pictures(
        self,
        tenant_id: str,
        scope: Scope,
        text: str,
        limit: int,
        *,
        distinct: Distinct = "embedding",
        embedded: SpaceVector | None = None,
    ) -> list[VectorHit]:
        """Pictures of the scope that are like a text, as likely as the engine's options want it; none where nothing sees."""
        seer = self._engine.seer
        if seer is None:
            return []
        space, vector = embedded or await self._engine.embed_for_pictures(text)
        hits = await self._near(tenant_id, scope, vector, limit, distinct=distinct, space=space)
        return [hit for hit in hits if hit.score >= seer.search_threshold][:limit]

    async def _load(
        self,
        tenant_id: str,
        keys: Sequence[Key],
        place: dict[Key, str],
        question: np.ndarray,
    ) -> list[FoundSegment]:
        segments = await self._descriptions.segments_by_id([segment_id for _, segment_id in keys])
        # The tenant is checked once more where rows become text, whatever the index said.
        segments = {id: segment for id, segment in segments.items() if segment.tenant_id == tenant_id}
        passages = await self._log.passages(keys)
        files = await self._files.get_many(tenant_id, list({segment.file_id for segment in segments.values()}))
        found = []
        for key in keys:
            segment = segments.get(key[1])
            if segment is None or segment.file_id not in files or key not in passages:  # a picture alone is not quoted
                continue
            scored = [
                Passage(
                    row.kind,
                    row.text,
                    row.start_time,
                    row.end_time,
                    float(np.frombuffer(vector, dtype="<f4") @ question),
                )
                for row, vector in passages.get(key, ())
            ]
            found.append(FoundSegment(segment, files[segment.file_id], place[key], key[0], tuple(_folded(scored))))
        return found


async def _known(vectors: list[bytes]) -> list[bytes]:
    return vectors


def _fused(meaning_rank: int | None, words_rank: int | None, coverage: float, picture_rank: int | None = None) -> float:
    """Reciprocal rank fusion in which words count only where at least half of the question's are there.

    A paraphrased question shares a common word with many segments and its subject with none: counting every hit by words
    took hit@1 of `make eval` from 0.97 to 0.71.
    """
    score = 1 / (FUSION_CONSTANT + meaning_rank) if meaning_rank else 0.0
    if words_rank and coverage >= MIN_COVERAGE:
        score += WORDS_WEIGHT * coverage / (FUSION_CONSTANT + words_rank)
    if picture_rank:
        score += PICTURES_WEIGHT / (FUSION_CONSTANT + picture_rank)
    return score


def _likeness(hit: VectorHit) -> float:
    """As far as it is the same of the same vector, in whatever block it was multiplied."""
    return round(hit.score, 5)


def _with_copies(found: Sequence[FoundSegment], limit: int) -> list[FoundSegment]:
    """In their order, the first `limit` that differ in what they say, and the first `limit` that say the same as one of these."""
    kept: list[FoundSegment] = []
    said: set[tuple[str, ...]] = set()
    copies = 0
    for item in found:
        if item.said in said:
            copies += 1
            if copies <= limit:
                kept.append(item)
        elif len(said) < limit:
            said.add(item.said)
            kept.append(item)
    return kept


def _coverage(wanted: set[str], found: FoundSegment) -> float:
    """The share of the question's content words that a segment holds, in [0, 1]."""
    return Held(" ".join(passage.text for passage in found.passages)).share(wanted)


def _folded(passages: list[Passage]) -> list[Passage]:
    """Lines of a block that has a vector of its own lend it their likeness, so that each text is quoted once."""
    blocks: list[Passage] = []
    for passage in passages:
        for position, block in enumerate(blocks):
            if block.kind == passage.kind and block.start_time == passage.start_time and passage.text in block.text:
                blocks[position] = replace(block, score=max(block.score, passage.score))
                break
        else:
            blocks.append(passage)
    return blocks
