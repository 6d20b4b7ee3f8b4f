"""The whole ingest of many clips on one GPU beside its slowest stage alone, and how busy the card was meanwhile.

The worker, the store and the stages are Arcus's own: decoded by the table, described by a model that sees, embedded, written.
What is not measured is Ray, speech and the text on the screen, which need no GPU here. Weights are random, every description
has the same length and brings as many texts as a real one.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from loadtests.on_gpu.captions import AT_ONCE, CONTEXT_TOKENS, INSTRUCTIONS, describing_model
from loadtests.on_gpu.clips import made_clip
from loadtests.on_gpu.embed import PIECES
from loadtests.on_gpu.rows import BESIDE, Case, Options, Row, engine_arguments, lacking
from loadtests.on_gpu.use import DECODER, EVERY_SECONDS, GPU, PROCESSORS, Use, watched

MAX_SIDE = 448
WHOLE = "whole ingest"
DECODED_TOGETHER = 8  # segments, as the stage of ingest does on a GPU
QUIET = {"enable_summary": False, "enable_speech": False, "enable_scene_text": False, "enable_audio_description": False}


@dataclass(frozen=True)
class Work:
    """clips of `seconds` each, cut into segments of `window` seconds that are described in `tokens` tokens."""

    clips: int
    seconds: int
    window: int
    size: tuple[int, int]
    tokens: int

    @property
    def segments(self) -> int:
        return self.clips * (self.seconds // self.window)

    @property
    def video_seconds(self) -> int:
        return self.clips * self.seconds


FULL = Work(32, 30, 10, (1920, 1080), 100)
SMALL = Work(2, 4, 2, (640, 384), 8)


def cases(options: Options) -> Iterator[Case]:
    work = SMALL if options.small or not options.on_gpu else FULL
    model = "a toy" if work is SMALL else "Idefics3-8B's shape"
    row = Row(
        "whole",
        f"ingest of {work.clips} clips of {work.seconds} s, h264 {work.size[0]}x{work.size[1]}, described by {model}",
        "video-seconds/s",
        "its slowest stage alone",
        {BESIDE: 0.85},
    )
    needed = ("av", "cv2", "sqlalchemy", "aiosqlite", "alembic", "obstore", "vllm", "ray_jobs.ingest")
    yield Case(row, partial(_measure, work=work, options=options), partial(lacking, *needed), limit_seconds=300.0)


def _measure(row: Row, *, work: Work, options: Options) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        watched(on_gpu=options.on_gpu, every_seconds=0.05 if options.small else EVERY_SECONDS) as use,
    ):
        asyncio.run(_ingest(row, Path(folder), work, options, use))
    row.drawings["use"] = use.drawn()


async def _ingest(row: Row, folder: Path, work: Work, options: Options, use: Use) -> None:
    from ray_jobs.stages.decode import table_decoder
    from ray_jobs.stages.probe import probe
    from services.core.media import Span

    clip = made_clip(options.folder, "h264", work.size, work.seconds)
    info = probe(clip)
    spans = [Span(float(first), float(first + work.window)) for first in range(0, work.seconds, work.window)]
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(_store(folder, work))
        stages = await stack.enter_async_context(_stages(folder, store, work, options))
        files = [await store.uploaded(clip, number) for number in range(work.clips)]
        stack.push_async_callback(_ended, asyncio.create_task(store.worker(stages).run(), name="ingest"))
        await store.probed(files)
        await stages.described(await stages.decoded(clip, info, spans[0]), spans[0], "warm")
        await stages.embed(["warm"])

        taken = table_decoder().taken.copy()
        seconds: dict[str, float] = {}
        at_once = asyncio.Semaphore(work.clips * store.segments_in_flight)

        async def every(stage: str, calls: Sequence[Callable[[], Awaitable[Any]]]) -> list[Any]:
            async def one(call: Callable[[], Awaitable[Any]]) -> Any:
                async with at_once:
                    return await call()

            begin = time.perf_counter()
            with use.marked(f"{stage} alone"):
                found = await asyncio.gather(*map(one, calls))
            seconds[stage] = time.perf_counter() - begin
            return found

        wanted = spans * work.clips
        frames = await every("decode", [partial(stages.decoded, clip, info, span) for span in wanted])
        contents = await every(
            "describe", [partial(stages.described, *each, "alone") for each in zip(frames, wanted, strict=True)]
        )
        texts = [stages.texts(*each) for each in zip(contents, wanted, strict=True)]
        await every("embed", [partial(stages.embed, each) for each in texts])
        row.check("segments of the stages alone", len(contents), len(contents) == work.segments)

        begin = time.perf_counter()
        with use.marked(WHOLE):
            members = await store.described(files, work.window)
        whole = time.perf_counter() - begin
        done = sum(member.segments_done for member in members)
        row.check("segments of the whole", done, done == work.segments)
        row.check("clips that failed", [m.error for m in members if m.status != "completed"][:1], all(
            member.status == "completed" for member in members
        ))  # fmt: skip
        row.checks["decoded by"] = dict(table_decoder().taken - taken)
    slowest = max(seconds, key=lambda stage: seconds[stage])
    row.ours, row.beside = work.video_seconds / whole, work.video_seconds / seconds[slowest]
    row.checks["slowest"] = slowest
    row.checks["alone, video-seconds/s"] = {name: round(work.video_seconds / each, 1) for name, each in seconds.items()}
    for what in (GPU, DECODER, PROCESSORS):
        if (mean := use.mean(what, WHOLE)) is not None:
            row.checks[f"{what} busy"] = f"{mean:.2f} {use.line(what, WHOLE)}"


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class _Store:
    """A database and objects of its own, with one tenant, and the steps of who uploads."""

    segments_in_flight = 4

    def __init__(self, folder: Path, work: Work, database: Any, objects: Any, tenant: str) -> None:
        from services.core.library.collections import Collections
        from services.core.library.files import Files
        from services.core.library.members import Members
        from services.core.settings import Settings

        self.settings = Settings(
            data_dir=folder,
            ingest_concurrency=work.clips,
            segments_in_flight=self.segments_in_flight,
            frame_max_side=MAX_SIDE,
        )
        self.objects = objects
        self._tenant = tenant
        self._files = Files(database, objects, max_upload_bytes=2**32)
        self._members, self._collections = Members(database), Collections(database, shard_count=1)

    def worker(self, stages: Any) -> Any:
        from ray_jobs.ingest import IngestWorker

        return IngestWorker(self.settings, stages)

    async def uploaded(self, clip: Path, number: int) -> str:
        """Its id. No two uploads are alike: what is passed over stands behind the clip (ISO/IEC 14496-12, `free`)."""

        content = await asyncio.to_thread(clip.read_bytes)

        async def chunks() -> AsyncIterator[bytes]:
            yield content
            yield (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")

        return (await self._files.upload(self._tenant, f"clip{number}.mp4", chunks())).id

    async def probed(self, files: Sequence[str]) -> None:
        for id in files:
            while (status := (await self._files.get(self._tenant, id)).status) != "completed":
                if status == "failed":
                    raise RuntimeError("a clip was refused")
                await asyncio.sleep(0.05)

    async def described(self, files: Sequence[str], window: int) -> list[Any]:
        """The members, once all have ended."""
        collection = await self._collections.create(
            self._tenant,
            name="load",
            collection_type="media-descriptions",
            describe_config=QUIET,
            segmentation_config={"strategy": "uniform", "uniform_config": {"window_seconds": window}},
        )
        for id in files:
            await self._members.add(self._tenant, collection.id, id)
        while True:
            members = [await self._members.get(self._tenant, collection.id, id) for id in files]
            if all(member.status in ("completed", "failed") for member in members):
                return members
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _store(folder: Path, work: Work) -> AsyncIterator[_Store]:
    from services.core.index.shards import ensure_shards
    from services.core.settings import Settings
    from services.core.store.database import Database
    from services.core.store.objects import Objects
    from services.core.tenants.keys import Keys

    settings = Settings(data_dir=folder)
    database = Database(settings.database)
    try:
        await database.migrate()
        await ensure_shards(database, 1)
        keys = Keys(database)
        tenant = (await keys.authenticate(await keys.create("load"))).tenant_id
        yield _Store(folder, work, database, Objects(settings.objects), tenant)
    finally:
        await database.close()


class _Stages:
    """A Pipeline without Ray. `model` describes, `embedder` embeds."""

    def __init__(self, objects: Any, model: Any, embedder: Any, work: Work) -> None:
        from ray_jobs.batching import BatchQueue
        from ray_jobs.stages.decode import table_decoder
        from ray_jobs.stages.sampling import Sampling, sample_segments

        sampling = Sampling(2.0, 16, MAX_SIDE)
        together = DECODED_TOGETHER if table_decoder().on_gpu else 1
        self._objects, self._model, self._embedder, self._tokens = objects, model, embedder, work.tokens
        self.queue: Any = BatchQueue(
            "decode", lambda batch: sample_segments(batch, sampling), max_batch=together, max_waiting=work.segments + 1
        )
        self._number = 0

    async def decoded(self, path: Path, info: Any, span: Any) -> Any:
        return await self.queue.put((path, info, span))

    async def described(self, frames: Any, span: Any, tenant_id: str) -> Any:
        from ray_jobs.engines.language.model import Prompt, Turn
        from services.core.media import SegmentDescription, TimedText

        self._number += 1
        turns = (Turn("system", INSTRUCTIONS), Turn("user", f"Segment {self._number}. Describe the segment."))
        # Segments of one clip may look alike: with a salt of its own none finds in the cache what another left.
        salt = f"{tenant_id} {self._number}"
        prompt = Prompt(salt, salt, turns, self._tokens, tuple(frames.images), temperature=0.0)
        said = "".join([piece.text async for piece in self._model.stream(prompt)])
        said = "".join(each if each.isprintable() else " " for each in said)
        first, *rest = (
            TimedText(f"Part {number}. {said[number::PIECES]}", span.start_time, span.end_time)
            for number in range(PIECES)
        )
        return SegmentDescription(visual_scene_description=(first,), scene_text=tuple(rest))

    def texts(self, content: Any, span: Any) -> list[str]:
        from ray_jobs.stages.texts import pieces

        return [piece.text for piece in pieces(content, span)]

    async def describe(
        self, tenant_id: str, object_key: str, info: Any, span: Any, config: Any, *, thumbnail: bool
    ) -> Any:
        from ray_jobs.pipeline import pictured

        async with self._objects.local_path(object_key) as path:
            frames = await self.decoded(path, info, span)
        content = await self.described(frames, span, tenant_id)
        return await asyncio.to_thread(pictured, content, frames, thumbnail)

    async def summarise(self, *_: Any) -> tuple[str, str]:
        return "", ""

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [row.astype("<f4").tobytes() for row in (await self._embedder.embed(list(texts))).vectors]

    async def extract(self, request: Any) -> Any:
        raise AssertionError("nothing is extracted here")


@asynccontextmanager
async def _stages(folder: Path, store: _Store, work: Work, options: Options) -> AsyncIterator[_Stages]:
    async with AsyncExitStack() as stack:
        model = _model(folder / "describer", work, options)
        stack.push_async_callback(model.close)
        await model.setup()
        embedder = _embedder(folder / "embedder", options)
        stack.push_async_callback(embedder.close)
        await embedder.setup()
        stages = _Stages(store.objects, model, embedder, work)
        stages.queue.start()
        stack.push_async_callback(stages.queue.close)
        yield stages


def _model(folder: Path, work: Work, options: Options) -> Any:
    from loadtests.on_gpu.dummy_models import IDEFICS3_8B, SMALL_VLM, vision_model

    vision_model(folder, SMALL_VLM if work is SMALL else IDEFICS3_8B, CONTEXT_TOKENS)
    return describing_model(folder, work.segments + 1, options, {})


def _embedder(folder: Path, options: Options) -> Any:
    """BERT base on the GPU; else the one that packages carry, as a second model on vLLM takes another import of it."""
    if not options.on_gpu:
        from ray_jobs.engines.embedded.adapters import QueuedEmbedder
        from services.core.engines.config import MINILM

        return QueuedEmbedder(MINILM)
    from loadtests.on_gpu.dummy_models import BGE_BASE, SMALL_BERT, embedding_model
    from ray_jobs.engines.vllm.embedder import VllmEmbedder
    from services.core.engines.config import VllmOptions

    embedding_model(folder, SMALL_BERT if options.small else BGE_BASE)
    return VllmEmbedder(
        VllmOptions(
            kind="vllm",
            model=str(folder),
            gpus=1,
            context_tokens=512,
            max_running=AT_ONCE,
            max_waiting=65_536,
            load_format="dummy",
            dtype="float16",
            extra={**engine_arguments(options), "gpu_memory_utilization": 0.1},
        )
    )
