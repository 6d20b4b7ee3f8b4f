"""Arcus without Ray, in this process: the same front, engines, index and ingest, behind one gRPC port.

What is described is kept in build/eval, so that a change of how questions are answered is tried without an ingest.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import os
import pickle
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from ray_jobs.engines.embedded.adapters import ThreadedDescriber, ThreadedTranscriber
from ray_jobs.engines.embedded.extraction.extractor import EmbeddedExtractor
from ray_jobs.engines.embedded.scene_text import SceneTextReader, Source
from ray_jobs.engines.engine import Engine, open_engine
from ray_jobs.engines.pulse import answer_with_pulse
from ray_jobs.engines.roles import Embedder
from ray_jobs.index.messages import queries, response
from ray_jobs.index.replica import ShardReplica
from ray_jobs.index.shard import Shard
from ray_jobs.ingest import IngestWorker
from ray_jobs.ingress import Gate
from ray_jobs.pipeline import Described, Pipeline
from ray_jobs.stages.describe import describe_request, hear, read
from ray_jobs.stages.extract import Extracted, ExtractRequest
from ray_jobs.stages.sampling import Sampling, sample_frames
from ray_jobs.stages.spoken_track import SpokenTracks
from services.core.engines.config import MODELS, SEE, load_engine_config
from services.core.index.embedding_log import EmbeddingLog
from services.core.media import DescribeConfig, MediaInfo, SegmentDescription, Span
from services.core.settings import Settings, load_settings
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.nimbus.backend import open_backend
from services.rest.app import create_app

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "eval"
STALE_SECONDS = 24 * 3600
# What a description is made by, and what is stored of it: these modules, and those of ray_jobs that they import.
EMBEDDED = "ray_jobs/engines/embedded"
DESCRIBED_BY = (
    "ray_jobs/stages/describe.py",
    *(f"{EMBEDDED}/{name}.py" for name in ("describer", "transcriber", "scene_text")),
)
STORED_BY = (*DESCRIBED_BY, "ray_jobs/ingest.py", f"{EMBEDDED}/embedder.py")
STORES = ("services/core/store", "services/core/library", "services/core/search")


@asynccontextmanager
async def opened(
    build: Path = BUILD, make_pipeline: Callable[[dict[str, Any]], Pipeline] | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, Settings]]:
    """A client of the front, with a key; and the settings it runs by. What is in `build` of the last such run is there.

    make_pipeline: makes other stages of ingest, of what answers by the name of its application.
    """
    folder = build / "data" / _digest(STORED_BY, STORES)
    folder.mkdir(parents=True, exist_ok=True)
    _drop_stale(folder)
    async with AsyncExitStack() as stack:
        server = grpc.aio.server()
        stack.push_async_callback(server.stop, 0)  # when nothing calls it any more
        settings = load_settings(
            data_dir=folder,
            engine_secret=secrets.token_hex(16),
            engine_address=f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}",
        )
        backend = await stack.enter_async_context(open_backend(settings))
        players = await _players(settings, backend.database, stack)
        edge = Edge(settings.engine_secret.get_secret_value(), players)
        pb_grpc.add_EmbedServiceServicer_to_server(edge, server)
        pb_grpc.add_IndexServiceServicer_to_server(edge, server)
        pb_grpc.add_GenerateServiceServicer_to_server(edge, server)
        await server.start()
        embedder = players[load_engine_config(settings).application("embed")]
        described = build / "described" / _digest(DESCRIBED_BY)
        pipeline = make_pipeline(players) if make_pipeline else LocalPipeline(settings, embedder.embedder, described)
        ingest = asyncio.create_task(IngestWorker(settings, pipeline).run(), name="ingest")
        stack.push_async_callback(asyncio.wait, [ingest])
        stack.callback(ingest.cancel)
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(backend)),
            base_url="http://arcus/v1",
            headers={"Authorization": f"Bearer {await backend.keys.create('evaluation')}"},
            timeout=120,
        )
        yield await stack.enter_async_context(http), settings


async def _players(settings: Settings, database: Database, stack: AsyncExitStack) -> dict[str, Any]:
    """What answers, by the name of its application: engines that are set up, and shards of the index that are filled."""
    config = load_engine_config(settings)
    players: dict[str, Any] = {}
    for role in ("embed", *MODELS, *([SEE] if config.seer else [])):
        application = config.application(role)
        if application not in players:
            engine = open_engine(config, config.roles[role], config.applications[application])
            await engine.setup()
            stack.push_async_callback(engine.close)
            players[application] = engine
    for number in range(settings.index_shards):
        shard = ShardReplica(number, EmbeddingLog(database), Shard())
        await shard.start()
        stack.push_async_callback(shard.close)
        players[f"index-{number}"] = shard
    return players


class Edge(pb_grpc.EmbedServiceServicer, pb_grpc.IndexServiceServicer, pb_grpc.GenerateServiceServicer):
    """What Serve's ingress and its replicas do: a call goes to the engine or shard of the application its metadata name."""

    def __init__(self, secret: str, players: Mapping[str, Engine | ShardReplica]) -> None:
        self._gate = Gate(secret)
        self._players = players

    def _player(self, context: Any) -> Any:
        return self._players[dict(context.invocation_metadata())["application"]]

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:
        async def embed(request: pb.EmbedRequest) -> pb.EmbedResponse:
            engine = self._player(context)
            made = await (engine.seer or engine.embedder).embed(list(request.texts), queries=True)
            vectors = made.vectors.astype("<f4").tobytes()
            space = engine.seer.space if engine.seer else ""
            return pb.EmbedResponse(dimensions=made.vectors.shape[1], vectors=vectors, tokens=made.tokens, space=space)

        return await self._gate.unary(context, embed, request, pb.EmbedResponse())

    async def Search(self, request: pb.SearchRequest, context: Any) -> pb.SearchResponse:
        return await self._gate.unary(context, partial(_search, self._player(context)), request, pb.SearchResponse())

    async def SearchMany(self, request: pb.SearchManyRequest, context: Any) -> pb.SearchManyResponse:
        async def search(request: pb.SearchManyRequest) -> pb.SearchManyResponse:
            each = [_search(self._player(context), item) for item in request.searches]
            return pb.SearchManyResponse(responses=await asyncio.gather(*each))

        return await self._gate.unary(context, search, request, pb.SearchManyResponse())

    async def Direct(self, request: pb.DirectRequest, context: Any) -> pb.DirectResponse:
        return pb.DirectResponse()  # there is no other way than this

    async def Plan(self, request: pb.PlanRequest, context: Any) -> pb.PlanResponse:
        return await self._gate.unary(context, self._player(context).generator.plan, request, pb.PlanResponse())

    async def Generate(self, request: pb.GenerateRequest, context: Any) -> AsyncIterator[pb.GenerateChunk]:
        def generate(request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
            return answer_with_pulse(request, self._player(context).generator.generate(request))

        async for chunk in self._gate.stream(context, generate, request):
            yield chunk


async def _search(shard: ShardReplica, request: pb.SearchRequest) -> pb.SearchResponse:
    (query,) = queries(request, len(request.vector) // 4)
    return response(await shard.search(query, request.min_sequence))


class LocalPipeline:
    """The Pipeline whose stages are called here; what was described before, and is kept in `described`, is read instead."""

    def __init__(self, settings: Settings, embedder: Embedder, described: Path) -> None:
        self._objects = Objects(settings.objects)
        self._sampling = Sampling(
            settings.frame_interval_seconds, settings.max_frames_per_segment, settings.frame_max_side
        )
        self._describer = ThreadedDescriber()
        self._transcriber = ThreadedTranscriber(settings.speech_model)
        self._embedder = embedder
        self._extractor = EmbeddedExtractor()
        self._reader = SceneTextReader()
        self._tracks = SpokenTracks()
        self._described = described
        self._described.mkdir(parents=True, exist_ok=True)
        _drop_stale(self._described)
        self._is_set_up = False
        self._turn = asyncio.Lock()  # the readers hold one call each

    async def describe(
        self, tenant_id: str, object_key: str, info: MediaInfo, span: Span, config: DescribeConfig, *, thumbnail: bool
    ) -> Described:
        async with self._objects.local_path(object_key) as path:
            content = hashlib.sha256(path.read_bytes() + repr((span, config)).encode()).hexdigest()
            kept = self._described / f"{content}.pickle"
            if not kept.exists():
                async with self._turn:
                    made = await self._describe(tenant_id, object_key, path, info, span, config)
                unfinished = kept.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}")
                unfinished.write_bytes(pickle.dumps(made))
                os.replace(unfinished, kept)
            return Described(pickle.loads(kept.read_bytes()))

    async def _describe(
        self, tenant_id: str, object_key: str, path: Path, info: MediaInfo, span: Span, config: DescribeConfig
    ) -> SegmentDescription:
        if not self._is_set_up:
            await asyncio.gather(self._describer.setup(), self._transcriber.setup())
            await asyncio.to_thread(self._reader.setup)
            self._is_set_up = True
        frames = await asyncio.to_thread(sample_frames, path, info, span, self._sampling)
        speech = await hear(path, info, span, tenant_id, self._transcriber, self._tracks, object_key)
        source = Source(tenant_id, object_key)
        reading = await asyncio.to_thread(read, path, source, info, span, frames, config, self._reader)
        return await self._describer.describe(describe_request(tenant_id, span, frames, speech, reading, config))

    async def summarise(
        self, tenant_id: str, segments: Sequence[SegmentDescription], filename: str, duration_seconds: float
    ) -> tuple[str, str]:
        return await self._describer.summarise(tenant_id, segments, filename, duration_seconds)

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        vectors = (await self._embedder.embed(texts)).vectors
        return [row.astype("<f4").tobytes() for row in vectors]

    async def extract(self, request: ExtractRequest) -> Extracted:
        return await self._extractor.extract(request)


def _digest(modules: Iterable[str], folders: Iterable[str] = ()) -> str:
    """Another when one of the modules, one that they import, or one of the folders changes."""
    sources = {ROOT / "services/core/media.py"}.union(*((ROOT / folder).rglob("*.py") for folder in folders))
    waiting = {ROOT / module for module in modules}
    while waiting:
        source = waiting.pop()
        sources.add(source)
        waiting |= set(_imported(source)) - sources
    digest = hashlib.sha256()
    for source in sorted(sources):
        digest.update(f"{source.relative_to(ROOT)}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def _imported(source: Path) -> Iterator[Path]:
    """The modules of ray_jobs that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ray_jobs"):
            base = ROOT / (node.module or "").replace(".", "/")
            found = [base.with_suffix(".py"), *((base / alias.name).with_suffix(".py") for alias in node.names)]
            yield from (path for path in found if path.exists())


def _drop_stale(folder: Path) -> None:
    """Removes the folders beside it that nothing has used for a day."""
    os.utime(folder)
    for other in folder.parent.iterdir():
        if other != folder and time.time() - other.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
