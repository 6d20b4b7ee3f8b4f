"""Search: the segments or files of collections that speak to a query, by meaning, pictures or words, ranked and kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from services.core.errors import invalid
from services.core.library.collections import Collection, Collections
from services.core.search.full_text import FullText, Part
from services.core.search.searches import FileItem, Search, Searches, SearchHit, SegmentItem
from services.core.store.pages import CreatedRange, Listing, Page
from services.core.words import content_words
from services.nimbus.context.retrieval import FUSION_CONSTANT, Retrieval, Scope
from services.nimbus.engine.client import EngineClient, VectorHit
from services.nimbus.requests.searches import SearchRequest

SEARCHABLE_TYPES = ("media-descriptions", "rich-transcripts")
PARTS: dict[str, Part] = {"speech_lexical": "speech", "ocr_lexical": "scene_text"}
FUSED_DEPTH = 3  # times the limit, of each of several modalities
_PHRASE = re.compile(r'"([^"]*)"')
_WORD = re.compile(r"\w+")

Json = dict[str, Any]
Link = Callable[[str], str]  # from a thumbnail's id to its address
Items = dict[Any, SegmentItem] | dict[Any, FileItem]


class Searcher:
    def __init__(
        self,
        *,
        engine: EngineClient,
        retrieval: Retrieval,
        full_text: FullText,
        collections: Collections,
        searches: Searches,
    ) -> None:
        self._engine = engine
        self._retrieval = retrieval
        self._full_text = full_text
        self._collections = collections
        self._searches = searches

    async def run(self, tenant_id: str, request: SearchRequest, link: Link) -> Json:
        """Searches, keeps the search, and returns it in the API's form.

        Raises NOT_FOUND for a collection that is not the tenant's, INVALID_ARGUMENT for one that can't be searched so.
        """
        vectors = None
        if "general_content" in request.modalities:
            vectors = asyncio.create_task(self._engine.embed([request.query]), name="embed-query")
        try:
            found, placements = await self._collections.to_search(tenant_id, request.collections)
            for collection in found:
                _check(collection, request.scope)
            scope = await self._retrieval.narrowed(tenant_id, Scope(tuple(found), tuple(placements)), request.filter)
            by_pictures = vectors is not None and self._retrieval.sees
            is_fused = len(request.modalities) > 1 or by_pictures
            depth = request.limit * FUSED_DEPTH if is_fused else request.limit
            items: Items = {}
            rankings = []
            for modality in () if scope.is_empty else request.modalities:
                if modality == "general_content":
                    assert vectors is not None
                    (vector,) = await vectors
                    found_by = [
                        self._retrieval.nearest(tenant_id, scope, vector, depth, distinct=request.scope),
                        self._retrieval.pictures(tenant_id, scope, request.query, depth, distinct=request.scope),
                    ]
                    for near in (await asyncio.gather(*found_by))[: 1 + by_pictures]:
                        rankings.append((await self._shown(tenant_id, request.scope, near, items))[:depth])
                else:
                    rankings.append(await self._by_words(tenant_id, scope, request, PARTS[modality], depth))
        finally:
            if vectors is not None:
                vectors.cancel()
                await asyncio.gather(vectors, return_exceptions=True)
        hits = _best(rankings, request)
        if len(request.modalities) > 1 or "general_content" not in request.modalities:
            items = await self._items(tenant_id, request.scope, hits)
        hits = [hit for hit in hits if _key(hit) in items]
        search = await self._searches.create(tenant_id, str(uuid4()), request.to_json(), hits)
        return _reply(search, items, link)

    async def get(self, tenant_id: str, id: str, link: Link) -> Json:
        """A search as it was run, less what was deleted since. Raises NOT_FOUND."""
        search = await self._searches.get(tenant_id, id)
        return _reply(search, await self._items(tenant_id, search.request["scope"], search.hits), link)

    async def _shown(self, tenant_id: str, scope: str, near: Sequence[VectorHit], items: Items) -> list[SearchHit]:
        """Hits of vectors as hits of a search, best first; what there is to show of them goes into `items`."""
        if not near:
            return []
        is_file = scope == "file"
        load: Any = self._searches.files if is_file else self._searches.segments
        found, keys = await load(tenant_id, embedding_ids=[hit.embedding_id for hit in near])
        items.update(found)
        best: dict[str, SearchHit] = {}
        for hit in near:
            if (key := keys.get(hit.embedding_id)) is not None:
                item = found[key]
                segment_id = "" if is_file else item.segment_id
                # What is in collections of several shards is found in each of them.
                best.setdefault(
                    segment_id or item.file_id,
                    SearchHit(hit.collection_id, item.description_id, item.file_id, segment_id, hit.score),
                )
        return list(best.values())

    async def _by_words(
        self, tenant_id: str, scope: Scope, request: SearchRequest, part: Part, depth: int
    ) -> list[SearchHit]:
        words, phrases = _terms(request.query)
        is_file = request.scope == "file"
        found = await self._full_text.search(
            tenant_id,
            [collection.id for collection in scope.collections],
            words,
            depth,
            phrases=phrases,
            part=part,
            distinct=request.scope,
            file_ids=scope.file_ids,
            segment_ids=scope.segment_ids,
        )
        return [
            SearchHit(
                hit.collection_id, hit.description_id, hit.file_id, "" if is_file else hit.segment_id, float(hit.score)
            )
            for hit in found
        ]

    async def _items(self, tenant_id: str, scope: str, hits: Sequence[SearchHit]) -> Items:
        if not hits:
            return {}
        load: Any = self._searches.files if scope == "file" else self._searches.segments
        return (await load(tenant_id, hits=hits))[0]

    async def list(self, tenant_id: str, page: Page, *, created: CreatedRange = CreatedRange()) -> Listing[Json]:
        """The newest first, without results."""
        found = await self._searches.list(tenant_id, page, created=created)
        return found.shown([_head(search, search.hits) for search in found.items])


def _check(collection: Collection, scope: str) -> None:
    if collection.collection_type not in SEARCHABLE_TYPES:
        raise invalid(
            f"collections: {collection.id} is of type {collection.collection_type}; "
            f"those of type {' or '.join(SEARCHABLE_TYPES)} can be searched",
            field="collections",
        )
    if scope == "file" and collection.describe_config.get("enable_summary") is False:
        raise invalid(
            f"collections: scope file needs enable_summary, which is off in {collection.id}", field="collections"
        )


def _terms(query: str) -> tuple[list[str], list[str]]:
    """(words of which one must be there, texts in double quotes that all must be there as they are)."""
    phrases = [phrase for phrase in _PHRASE.findall(query) if _WORD.search(phrase)]
    rest = _PHRASE.sub(" ", query)
    words = content_words(rest)
    return words if words or phrases else rest.split(), phrases


def _best(rankings: Sequence[Sequence[SearchHit]], request: SearchRequest) -> list[SearchHit]:
    """One ranking as it is; several fused by reciprocal rank, each segment or file once."""
    if len(rankings) == 1:
        best = list(rankings[0])
    else:
        scores: dict[str, float] = {}
        first: dict[str, SearchHit] = {}
        for ranking in rankings:
            for rank, hit in enumerate(ranking, 1):
                id = hit.segment_id or hit.file_id
                scores[id] = scores.get(id, 0.0) + 1 / (FUSION_CONSTANT + rank)
                first.setdefault(id, hit)
        fused = sorted(first, key=lambda id: (-scores[id], id))
        best = [
            SearchHit(hit.collection_id, hit.description_id, hit.file_id, hit.segment_id, scores[id])
            for id in fused
            for hit in [first[id]]
        ]
    return [hit for hit in best if request.threshold is None or hit.score >= request.threshold][: request.limit]


def _key(hit: SearchHit) -> Any:
    return (hit.description_id, hit.segment_id) if hit.segment_id else hit.description_id


def _head(search: Search, hits: Sequence[SearchHit]) -> Json:
    request = {name: value for name, value in search.request.items() if name != "sort_by"}
    head = {"id": search.id, "object": "search", **request, "total": len(hits), "created_at": search.created_at}
    if "group_by_key" in request:
        head["group_count"] = len({hit.file_id for hit in hits})
    return head


def _reply(search: Search, items: Items, link: Link) -> Json:
    hits = [hit for hit in search.hits if _key(hit) in items]
    shown: list[Json] = [_result(hit, items[_key(hit)], link) for hit in hits]
    if search.request.get("group_by_key"):
        shown = _grouped(shown, by_count=search.request.get("sort_by") == "item_count")
    return {**_head(search, hits), "results": shown}


def _result(hit: SearchHit, item: Any, link: Link) -> Json:
    value: Json = {
        "type": "segment" if hit.segment_id else "file",
        "id": hit.segment_id or hit.file_id,
        "file_id": hit.file_id,
        "collection_id": hit.collection_id,
        "score": hit.score,
        "filename": item.filename,
    }
    if hit.segment_id:
        content = item.content
        value |= {
            "segment_id": hit.segment_id,
            "start_time": item.start_time,
            "end_time": item.end_time,
            "title": content.get("title") or None,
            "visual_description": content.get("visual_scene_description") or [],
            "scene_text": content.get("scene_text") or [],
            "speech": [_said(part) for part in content.get("speech") or ()],
            "metadata": item.metadata,
        }
    else:
        value |= {"generated_title": item.title or None, "summary": item.summary or None}
    if item.thumbnail_id:
        value["thumbnail_url"] = link(item.thumbnail_id)
    return value


def _said(part: Json) -> Json:
    return {name: part.get(name) for name in ("speaker", "text", "start_time", "end_time")}


def _grouped(results: Sequence[Json], *, by_count: bool) -> list[Json]:
    groups: dict[str, list[Json]] = {}
    for result in results:
        groups.setdefault(result["file_id"], []).append(result)
    shown = [
        {
            "type": "segment_group",
            "file_id": file_id,
            "matched_items": items,
            "item_count": len(items),
            "best_score": items[0]["score"],
        }
        for file_id, items in groups.items()
    ]
    return sorted(shown, key=lambda group: -group["item_count"]) if by_count else shown
