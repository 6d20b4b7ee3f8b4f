"""How the front asks shards: on a real port, of replicas that are lost, behind, or left by a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.index.replica import BATCH_QUERIES
from services.core.engines.config import parse_engine_config
from services.core.errors import REASON_HEADER, ArcusError, Reason
from services.core.index.embedding_log import EmbeddingLog, Placement
from services.nimbus.engine.client import EngineClient, VectorHit
from services.nimbus.engine.shards import MAX_LOOKS, ShardSearch
from services.telemetry import tracing
from tests.acceptance.scripted_server import ScriptedServer
from tests.recorded_spans import record_spans
from tests.waiting import turns_of_the_loop


class Shards(ScriptedServer):
    """Each call is answered by the next of `plays`; the last is repeated. `calls` keeps what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.plays: list[Any] = []
        self.calls: list[tuple[str, int]] = []
        self.at_once: list[int] = []  # searches of each call that waits for `go`
        self.go = asyncio.Event()
        self.go.set()

    async def SearchMany(self, request: Any, context: Any) -> Any:
        count = sum(group.count for group in request.groups)
        self.at_once.append(count)
        self.traceparents.append(dict(context.invocation_metadata()).get("traceparent", ""))
        await self.go.wait()
        return pb.SearchManyResponse(groups=pb.GroupHits(counts=bytes(4 * count)))

    async def Search(self, request: Any, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        shard = metadata["application"]
        self.traceparents.append(metadata.get("traceparent", ""))
        self.calls.append((shard, request.min_sequence))
        await self.go.wait()
        play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        if play == "lost":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
        if play == "ended":
            await context.abort(grpc.StatusCode.INTERNAL, "The actor died.")
        if play == "behind":
            context.set_trailing_metadata(((REASON_HEADER, "engine_unavailable"),))
            await context.abort(grpc.StatusCode.UNAVAILABLE, "has yet to reach row 7")
        hit = pb.Hit(embedding_id=int(shard.removeprefix("index-")), collection_id="c", score=0.5)
        return pb.SearchResponse(hits=[hit], sequence=request.min_sequence, moved_sequence=play)


class Places(EmbeddingLog):
    """Where the collection is, each time it is looked up."""

    def __init__(self, *looks: Sequence[Placement]) -> None:
        self.looks = list(looks)

    async def placements(self, collection_ids: Any) -> Any:
        return self.looks.pop(0)

    def placements_now(self, collection_ids: Any) -> Any:
        return None


@pytest.fixture
async def shards() -> AsyncIterator[Shards]:
    server = Shards()
    server.address = await server.start()  # type: ignore[attr-defined]
    yield server
    await server.stop()


@pytest.fixture
async def engine(shards: Shards) -> AsyncIterator[EngineClient]:
    client = EngineClient(shards.address, "secret", timeout_seconds=20, config=parse_engine_config(""))  # type: ignore[attr-defined]
    yield client
    await client.close()


def at(shard: int, sequence: int) -> Placement:
    return Placement("c", shard, sequence)


async def find(engine: EngineClient, *looks: Sequence[Placement], **known: Any) -> list[int]:
    hits = await ShardSearch(engine, Places(*looks)).find("t", ["c"], bytes(256), 5, **known)
    return sorted(hit.embedding_id for hit in hits)


async def test_a_search_goes_to_every_shard_of_the_collection_with_its_own_row(shards, engine):
    shards.plays = [0]
    assert await find(engine, [at(0, 7), at(2, 9)]) == [0, 2]
    assert sorted(shards.calls) == [("index-0", 7), ("index-2", 9)]


class SlowPlaces(EmbeddingLog):
    """Each collection is in the shard that its name ends with; `looks` are what was looked up together."""

    def __init__(self) -> None:
        self.looks: list[set[str]] = []
        self.go = asyncio.Event()

    async def placements(self, collection_ids: Any) -> Any:
        self.looks.append(set(collection_ids))
        await self.go.wait()
        return [Placement(id, int(id[-1]), 7) for id in collection_ids]

    def placements_now(self, collection_ids: Any) -> Any:
        return None


class ShardsAsked(EngineClient):
    """Each shard answers with its own number."""

    def __init__(self) -> None:
        pass

    async def search(self, shard: int, *_: Any, **__: Any) -> list[VectorHit]:
        return [VectorHit(shard, "c", 0.5)]


async def test_collections_of_searches_that_come_during_a_look_share_the_next():
    places = SlowPlaces()
    nearest = ShardSearch(ShardsAsked(), places)
    async with asyncio.timeout(20):
        searches = []
        for number in (0, 1, 2, 1):
            searches.append(asyncio.create_task(nearest.find("t", [f"c{number}"], bytes(256), 5)))
            while not places.looks:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        places.go.set()
        answers = await asyncio.gather(*searches)
    assert places.looks == [{"c0"}, {"c1", "c2"}]
    assert [[hit.embedding_id for hit in hits] for hits in answers] == [[0], [1], [2], [1]]


async def test_a_collection_that_is_nowhere_is_found_empty(shards, engine):
    assert await find(engine, []) == [] and shards.calls == []


@pytest.mark.parametrize("replicas", [1, 2])
async def test_searches_of_a_shard_wait_for_a_call_of_each_replica_and_share_the_next(shards, replicas):
    shards.plays = [0]
    client = EngineClient(
        shards.address, "secret", timeout_seconds=20, config=parse_engine_config(""), index_replicas=replicas
    )
    shards.go.clear()
    searches = []
    async with asyncio.timeout(20):
        for number in range(10):
            searches.append(asyncio.create_task(find(client, [at(0, 7)])))
            while len(shards.calls) < min(number + 1, replicas):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await turns_of_the_loop()
        assert len(shards.calls) == replicas and not shards.at_once
        shards.go.set()
        await asyncio.gather(*searches)
    assert sum(shards.at_once) == 10 - replicas and len(shards.at_once) <= 2
    await client.close()


async def test_as_many_searches_as_a_shard_takes_share_one_call(shards, engine):
    shards.plays = [0]
    shards.go.clear()
    async with asyncio.timeout(20):
        searches = [asyncio.create_task(find(engine, [at(0, 7)]))]
        while not shards.calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        searches += [asyncio.create_task(find(engine, [at(0, 7)])) for _ in range(BATCH_QUERIES)]
        await turns_of_the_loop()
        shards.go.set()
        await asyncio.gather(*searches)
    assert shards.at_once == [BATCH_QUERIES]


class EarlierShards(Shards):
    """Of the version that knew of no groups; each search is answered with what it asked for. `many` keeps each call."""

    def __init__(self) -> None:
        super().__init__()
        self.many: list[int] = []

    async def SearchMany(self, request: Any, context: Any) -> Any:
        self.many.append(len(request.searches))
        answers = [
            pb.SearchResponse(
                hits=[pb.Hit(embedding_id=search.limit, collection_id=search.collection_ids[0], score=0.5)],
                moved_sequence=search.min_sequence,
            )
            for search in request.searches
        ]
        return pb.SearchManyResponse(responses=answers)


async def test_a_shard_of_the_version_before_is_asked_as_it_understands():
    server = EarlierShards()
    server.plays = [0]
    client = EngineClient(await server.start(), "secret", timeout_seconds=20, config=parse_engine_config(""))
    server.go.clear()
    async with asyncio.timeout(20):
        alone = asyncio.create_task(client.search(0, "t", ["c"], bytes(256), 5, 7))
        while not server.calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        together = [asyncio.create_task(client.search(0, f"t{n}", [f"c{n}"], bytes(256), n + 1, n)) for n in range(3)]
        await turns_of_the_loop()
        server.go.set()
        await alone
        hits = await asyncio.gather(*together)
    assert hits == [[VectorHit(n + 1, f"c{n}", 0.5)] for n in range(3)]
    assert server.many == [0, 3]
    await client.close()
    await server.stop()


async def test_a_pass_that_is_shared_is_in_the_trace_of_its_first_search(shards, engine, monkeypatch):
    record_spans(monkeypatch)
    shards.plays = [0]
    shards.go.clear()
    searches = []
    async with asyncio.timeout(20):
        for number in range(3):
            with tracing.request_span("GET", {"traceparent": f"00-{number + 1:032x}-{1:016x}-01"}):
                searches.append(asyncio.create_task(find(engine, [at(0, 7)])))
            while len(shards.calls) < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await turns_of_the_loop()
        shards.go.set()
        await asyncio.gather(*searches)
    assert shards.at_once == [2]
    assert [each.split("-")[1] for each in shards.traceparents] == [f"{1:032x}", f"{2:032x}"]


async def test_a_search_whose_replica_is_lost_asks_another(shards, engine):
    shards.plays = ["lost", "ended", 0]
    assert await find(engine, [at(1, 3)]) == [1]


async def test_a_shard_that_stays_lost_is_told_after_three_calls(shards, engine):
    shards.plays = ["lost"]
    with pytest.raises(ArcusError) as caught:
        await find(engine, [at(1, 3)])
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE and len(shards.calls) == 3


async def test_a_replica_that_says_itself_that_it_can_not_is_not_asked_again(shards, engine):
    shards.plays = ["behind"]
    with pytest.raises(ArcusError) as caught:
        await find(engine, [at(1, 7)])
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE and len(shards.calls) == 1


async def test_a_file_that_left_after_the_look_is_looked_up_again(shards, engine):
    shards.plays = [8, 0]
    assert await find(engine, [at(2, 3)], placements=[at(0, 7)]) == [2]
    assert shards.calls == [("index-0", 7), ("index-2", 3)]


async def test_a_move_that_the_search_knew_of_is_none(shards, engine):
    shards.plays = [7]
    assert await find(engine, [at(0, 7)]) == [0]


async def test_files_that_keep_leaving_end_the_search(shards, engine):
    shards.plays = [1000]
    with pytest.raises(ArcusError) as caught:
        await find(engine, *[[at(0, number)] for number in range(MAX_LOOKS)])
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE and len(shards.calls) == MAX_LOOKS
