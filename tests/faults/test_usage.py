"""Hundreds of mixed requests while their fronts are killed: what is told of usage is what the engine counted."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from sqlalchemy import select

from ray_jobs.engines.scripted import ScriptedEngine
from services.core.store.database import Database
from services.core.store.tenant_schema import usage_records
from tests.acceptance.scripted_server import ScriptedServer
from tests.faults.fronts import Fronts, fronts_on
from tests.front_process import FrontProcess
from tests.waiting import until

REQUESTS = {"postgresql": 500, "sqlite": 250}
AT_ONCE, KILLS = 16, 7  # a front is killed whenever so many parts of them have begun
UPLOAD = b"not a video, but bytes that are kept " * 100


class CountingEngine(ScriptedEngine):
    """`output` and `input`: tokens of each answer by its id, those of a later try in place of what it repeats."""

    def __init__(self) -> None:
        super().__init__()
        self.output: dict[str, int] = {}
        self.input: dict[str, int] = {}

    async def generate(self, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
        id, written = request.request_id, request.output_tokens_written
        self.output.setdefault(id, 0)
        async for chunk in super().generate(request):
            written += chunk.output_tokens
            self.output[id] = max(self.output[id], written)
            if chunk.finish_reason:
                self.input[id] = chunk.input_tokens
            yield chunk


@pytest.fixture
def fronts(tmp_path: Path, database_url: str) -> Iterator[Fronts]:
    with fronts_on(tmp_path, database_url, ScriptedServer(CountingEngine())) as made:
        yield made


class Pair:
    """Two fronts, of which one is killed and started anew at a time."""

    def __init__(self, fronts: Fronts, killed_after: int) -> None:
        self._fronts = fronts
        self._killed_after = killed_after
        self._places = [fronts.start(), fronts.start()]
        self._begun = itertools.count(1)
        self._kills = ThreadPoolExecutor(1)
        self.killed = 0

    def begin(self) -> None:
        """Tells of one request more."""
        if next(self._begun) % self._killed_after == 0:
            self._kills.submit(self._kill)

    def any(self, lot: random.Random) -> FrontProcess:
        return lot.choice(self._places)

    def one(self) -> httpx.Client:
        self._kills.submit(lambda: None).result()
        return self._fronts.client(self._places[0])

    def _kill(self) -> None:
        place = self.killed % 2
        self._places[place].kill()
        self.killed += 1
        self._places[place] = self._fronts.start()

    def close(self) -> None:
        self._kills.shutdown()
        for front in self._places:
            front.kill()


def script(lot: random.Random, **more: Any) -> str:
    return json.dumps({"messages": lot.randint(1, 40), "interval_seconds": 0.02, **more})


def asked(lot: random.Random, **more: Any) -> dict[str, Any]:
    return {"model": "nimbus-001", "input": "What is said?", "instructions": script(lot), **more}


def chat(lot: random.Random, **more: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": script(lot)}, {"role": "user", "content": "What is said?"}]
    return {"model": "nimbus-001", "messages": messages, **more}


given_up: set[str] = set()  # by their clients, who are not asked for what was on its way


def whole(client: httpx.Client, lot: random.Random) -> None:
    client.post("/responses", json=asked(lot, store=lot.random() < 0.5))


def streamed(client: httpx.Client, lot: random.Random) -> None:
    read(client, "/responses", asked(lot, store=lot.random() < 0.5, stream=True))


def left(client: httpx.Client, lot: random.Random) -> None:
    with client.stream("POST", "/responses", json=asked(lot, store=lot.random() < 0.5, stream=True)) as reply:
        lines = reply.iter_lines()
        first = next(line for line in lines if line.startswith("data: "))
        given_up.add(json.loads(first[6:])["response"]["id"])
        for _ in itertools.islice(lines, lot.randint(0, 60)):
            pass


def background(client: httpx.Client, lot: random.Random) -> None:
    client.post("/responses", json=asked(lot, background=True))


def cancelled(client: httpx.Client, lot: random.Random) -> None:
    id = client.post("/responses", json=asked(lot, background=True)).json()["id"]
    given_up.add(id)
    client.post(f"/responses/{id}/cancel")


def failing(client: httpx.Client, lot: random.Random) -> None:
    client.post("/responses", json=asked(lot, instructions=script(lot, fail_after=lot.randint(0, 10))))


def chats(client: httpx.Client, lot: random.Random) -> None:
    client.post("/chat/completions", json=chat(lot, store=lot.random() < 0.5))


def chats_streamed(client: httpx.Client, lot: random.Random) -> None:
    read(client, "/chat/completions", chat(lot, stream=True))


def searches(client: httpx.Client, lot: random.Random) -> None:
    client.post("/search", json={"scope": "segment", "query": "a lecture", "collections": []})


def uploads(client: httpx.Client, lot: random.Random) -> None:
    client.post("/files", files={"file": (f"{uuid4()}.mp4", UPLOAD[: lot.randint(1, len(UPLOAD))], "video/mp4")})


def read(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    with client.stream("POST", path, json=body) as reply:
        reply.read()


KINDS: tuple[Callable[[httpx.Client, random.Random], None], ...] = (
    *(whole, streamed, left, background, cancelled, failing, chats, chats_streamed, searches, uploads),
)


def request(fronts: Fronts, pair: Pair, seed: int) -> str:
    """What it was, or that its front was killed."""
    lot = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    pair.begin()
    while True:
        with fronts.client(pair.any(lot)) as client:
            try:
                kind(client, lot)
                return kind.__name__
            except httpx.ConnectError:
                time.sleep(0.02)  # it is being started
            except (httpx.HTTPError, json.JSONDecodeError, StopIteration):
                return "broken off"


def records(database_url: str) -> dict[str, tuple[int, int]]:
    async def rows() -> Any:
        database = Database(database_url)
        try:
            return await database.fetch(select(usage_records).where(usage_records.c.kind == "response"))
        finally:
            await database.close()

    return {row.subject_id: (row.input_tokens, row.output_tokens) for row in asyncio.run(rows())}


@pytest.mark.timeout(900)
def test_what_is_told_is_what_the_engine_counted_though_fronts_are_killed(fronts: Fronts, database_url: str) -> None:
    engine: CountingEngine = fronts.engine.engine
    requests = REQUESTS[database_url.partition("+")[0]]
    pair = Pair(fronts, requests // KILLS)
    given_up.clear()
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = Counter(pool.map(lambda seed: request(fronts, pair, seed), range(requests)))
        with pair.one() as client:
            listed = lambda: client.get("/responses", params={"status": "in_progress"}).json()["data"]  # noqa: E731
            until(lambda: engine.running == 0 and not listed(), "what was left is gone on with, or ended", 90)
            answers = {id for id, tokens in engine.output.items() if tokens}
            until(lambda: answers <= records(database_url).keys(), "each answer is counted", 30)
            told = {bucket["kind"]: bucket for bucket in client.get("/usage?group_by=kind").json()["data"]}
            kept = client.get("/files?limit=100").json()["data"]
    finally:
        pair.close()
    counted = records(database_url)
    print(f"{dict(done)}; {pair.killed} kills; {len(engine.output)} answers, {sum(engine.output.values())} tokens")
    for id, tokens in engine.output.items():
        if id in given_up:
            assert counted.get(id, (0, 0))[1] <= tokens, id
        else:
            assert counted.get(id, (0, 0)) == (engine.input.get(id, 0), tokens), id
    assert not [id for id in counted.keys() - engine.output.keys() if counted[id] != (0, 0)]
    assert told["response"]["records"] == len(counted)
    assert told["response"]["output_tokens"] == sum(output for _, output in counted.values())
    assert told["response"]["input_tokens"] == sum(input for input, _ in counted.values())
    assert told["upload"]["records"] == len(kept)
    assert told["upload"]["bytes"] == sum(file["bytes"] for file in kept)
    assert pair.killed >= 5 and done["broken off"] and given_up
