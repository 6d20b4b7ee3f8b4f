"""Searches a second through the front, against the query-embedding model alone, in one run.

    python -m loadtests.front_search [--json PATH]

Fills a system of its own with described segments, of which some say what will be asked, then sends POST /v1/search over
HTTP from concurrent callers, and the same queries to the embed application of the ingress, by turns. Every search must
find the segment that says it first, and all the segments that a look at every vector would; prints one JSON object and
ends with status 1 if one does not, or if the best round is below 0.6 of the model's best.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import grpc
import numpy as np
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from loadtests.library import Library, fill
from loadtests.running import System, running_system
from loadtests.search import unit_vectors
from services.core.engines.config import SCRIPTED_ANSWERS
from services.core.library.collections import Collection
from services.core.store.pages import Page
from services.nimbus.backend import open_backend

LIMIT = 10
ROUNDS = 3
TARGET = 0.6
SUBJECTS = (
    "tide moon river glacier engine violin harbour lantern orchard satellite compiler anthem market bridge".split()
)
DEEDS = "turns falls sings glows waits breaks returns settles answers shines gathers opens drifts holds".split()
PLACES = (
    "at dawn|in the valley|by the shore|under the city|after the storm|in the north|on the hill|near the mill".split(
        "|"
    )
)

Search = Callable[[str], Awaitable[Any]]


def sentences(count: int) -> list[str]:
    """Different questions of like length, as people type them."""
    made = [
        f"why the {subject} {deed} {place} before the {other}"
        for place in PLACES
        for deed in DEEDS
        for subject in SUBJECTS
        for other in SUBJECTS
        if other != subject
    ]
    return [made[number * 7919 % len(made)] for number in range(count)]


class HttpCaller:
    """One connection that is kept, over a plain socket: a client library's own cost is not the front's."""

    def __init__(self, system: System, collection_id: str) -> None:
        self._address = urlparse(system.url)
        self._key = system.key
        self._collection_id = collection_id

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._address.hostname, self._address.port)

    def close(self) -> None:
        self._writer.close()

    async def search(self, query: str) -> bytes:
        body = json.dumps(
            {"scope": "segment", "collections": [self._collection_id], "query": query, "limit": LIMIT}
        ).encode()
        head = (
            f"POST /v1/search HTTP/1.1\r\nHost: {self._address.netloc}\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        told = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(told.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        reply = await self._reader.readexactly(length)
        if not told.startswith(b"http/1.1 200"):
            raise SystemExit(f"A search failed: {reply[:300]!r}")
        return reply


async def rate(searches: Sequence[Search], queries: Sequence[str]) -> tuple[float, list[Any]]:
    """(queries a second, what each found) from as many callers as there are ways to search."""
    numbers = iter(range(len(queries)))
    found: list[Any] = [None] * len(queries)

    async def call(search: Search) -> None:
        for number in numbers:  # shared by all callers: each takes the next
            found[number] = await search(queries[number])

    started = time.perf_counter()
    await asyncio.gather(*(call(search) for search in searches))
    return len(queries) / (time.perf_counter() - started), found


async def through(callers: Sequence[HttpCaller], queries: Sequence[str]) -> tuple[float, list[Any]]:
    """`rate` on new connections: the front closes those that are idle for seconds."""
    for caller in callers:
        await caller.open()
    try:
        return await rate([caller.search for caller in callers], queries)
    finally:
        for caller in callers:
            caller.close()


def wrong(replies: list[bytes], library: Library, queries: np.ndarray, vectors: np.ndarray, places: list[int]) -> int:
    """Searches that did not find what a look at every vector finds, in its order where the scores differ."""
    count = 0
    for number, reply in enumerate(replies):
        scores = vectors @ queries[number]
        nearest = np.argsort(-scores)[:LIMIT]
        results = json.loads(reply)["results"]
        right = (
            [result["segment_id"] for result in results] == [library.segment_ids[row] for row in nearest]
            and results[0]["segment_id"] == library.segment_ids[places[number]]
            and np.allclose([result["score"] for result in results], scores[nearest], atol=1e-4)
            and all(result["speech"][0]["text"] and result["filename"] for result in results)
        )
        count += not right
    return count


async def measure(system: System, segments: int, callers: int, count: int) -> dict[str, Any]:
    queries = sentences(count)
    metadata = (("application", "embed"), ("x-arcus-secret", system.settings.engine_secret.get_secret_value()))
    async with (
        grpc.aio.insecure_channel(system.settings.engine_address) as channel,
        open_backend(system.settings) as backend,
    ):
        stub = pb_grpc.EmbedServiceStub(channel)

        async def embed(query: str) -> bytes:
            return (await stub.Embed(pb.EmbedRequest(texts=[query]), metadata=metadata)).vectors

        _, embedded = await rate([embed] * callers, queries)
        known = np.frombuffer(b"".join(embedded), "<f4").reshape(count, -1)
        vectors = unit_vectors(segments, seed=1)
        places = [number * (segments // count) for number in range(count)]
        vectors[places] = known
        said = [f"Nothing in particular, part {number}." for number in range(segments)]
        for place, query in zip(places, queries, strict=True):
            said[place] = query
        tenant_id = (await backend.keys.authenticate(system.key)).tenant_id
        collection: Collection = await backend.collections.create(
            tenant_id, name="library", collection_type="media-descriptions"
        )
        library = await fill(
            backend.database, collection, said, [vector.tobytes() for vector in vectors], file_count=segments // 100
        )
        http = [HttpCaller(system, collection.id) for _ in range(callers)]
        await through(http[:1], queries[:1])  # waits for the index to read the log
        await through(http, queries[: count // 4])
        rounds = []
        bad = 0
        for _ in range(ROUNDS):
            alone, _ = await rate([embed] * callers, queries)
            whole, replies = await through(http, queries)
            rounds.append((alone, whole))
            bad += wrong(replies, library, known, vectors, places)
        kept = (await backend.search.list(tenant_id, Page())).total
    alone, whole = max(pair[0] for pair in rounds), max(pair[1] for pair in rounds)
    expected = 1 + count // 4 + ROUNDS * count
    return {
        "segments": segments,
        "callers": callers,
        "queries": count,
        "embed_queries_per_second": [round(pair[0], 1) for pair in rounds],
        "search_queries_per_second": [round(pair[1], 1) for pair in rounds],
        "ratio": round(whole / alone, 2),
        "wrong": bad,
        "searches_kept": kept,
        "searches_sent": expected,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with running_system({"ARCUS_ROLES": SCRIPTED_ANSWERS}) as system:
        result = asyncio.run(measure(system, given.segments, given.callers, given.queries))
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1))
    good = not result["wrong"] and result["searches_kept"] == result["searches_sent"] and result["ratio"] >= TARGET
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
