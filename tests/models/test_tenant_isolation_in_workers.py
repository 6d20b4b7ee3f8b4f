"""Two tenants by turns in the same stages and engines: nothing of one is seen in what is made for the other.

Their clips look alike, and descriptors, local copies, file ids and request ids are used again.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.adapters import QueuedEmbedder, ThreadedDescriber, ThreadedTranscriber
from ray_jobs.engines.embedded.extraction.extractor import EmbeddedExtractor
from ray_jobs.engines.embedded.extractive.generator import EmbeddedGenerator
from ray_jobs.engines.embedded.multilingual import MultilingualEmbedder
from ray_jobs.engines.embedded.scene_text import SceneTextReader, Source
from ray_jobs.engines.language.describer import LanguageDescriber
from ray_jobs.engines.language.extractor import LanguageExtractor
from ray_jobs.engines.language.generator import LanguageGenerator
from ray_jobs.engines.language.scripted import ScriptedModel
from ray_jobs.engines.roles import DescribeRequest
from ray_jobs.stages.audio import audio_samples
from ray_jobs.stages.describe import describe_request, read
from ray_jobs.stages.extract import ExtractRequest, Passage
from ray_jobs.stages.probe import ProbeLimits, probe
from ray_jobs.stages.sampling import Sampling, sample_segments
from services.core.coalescing import Coalescer
from services.core.media import DescribeConfig, Span, Speech
from services.core.store.objects import Objects
from services.nimbus.entities.sql import EntitySql, SqlBatch, SqlTable
from tests.contract.s3_server import S3Server

TENANTS = {"tenant-a": "Ferrum", "tenant-b": "Cuprum"}
WORDS = {"tenant-a": "Merger with Ferrum 4215", "tenant-b": "Dinner with Cuprum 9371"}
SPAN = Span(0.0, 4.0)
FILE = "00000000-0000-4000-8000-000000000001"  # the same id for both


def slide(text: str) -> np.ndarray:
    """Pale letters on white: at 320 pixels two of these look the same."""
    image = np.full((720, 1280, 3), 255, np.uint8)
    cv2.putText(image, text, (80, 400), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (238,) * 3, 3, cv2.LINE_AA)
    return image


def clip(path: Path, text: str) -> bytes:
    """Four seconds of a slide, of one size in bytes whoever's it is."""
    import av

    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=5, options={"b": "900000"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        picture = av.VideoFrame.from_ndarray(slide(text), "rgb24")
        for number in range(20):
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path.read_bytes().ljust(200_000, b"\0")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("clips")
    return {tenant: clip(folder / tenant, text) for tenant, text in WORDS.items()}


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "folder":
        yield f"file://{tmp_path}/objects"
        return
    with S3Server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield "s3://bucket"


def key(tenant: str) -> str:
    return f"tenants/{tenant}/files/{FILE}/original"


def told(value: Any) -> set[str]:
    """Whose words are in it."""
    text = re.sub(r"\s", "", str(value)).lower()
    return {tenant for tenant, word in TENANTS.items() if word.lower() in text}


async def test_frames_and_text_of_look_alike_clips_stay_with_their_tenant(
    url: str, clips: dict[str, bytes], reader: SceneTextReader
) -> None:
    # No copy is kept, as after a minute without use: the next one gets the descriptor of the one before.
    objects = Objects(url, kept_copies=0)
    for tenant, content in clips.items():
        await objects.put(key(tenant), content)
    describer = ThreadedDescriber()
    await describer.setup()
    config, numbers, paths = DescribeConfig(), set(), []
    for tenant in [*TENANTS, *TENANTS]:
        async with objects.local_path(key(tenant)) as path:
            paths.append(path)
            numbers.add(os.readlink(path) if path.is_symlink() else str(path))
            info = await asyncio.to_thread(probe, path, ProbeLimits(max_duration_seconds=60, max_pixels=10**7))
            (frames,) = await asyncio.to_thread(sample_segments, [(path, info, SPAN)], Sampling(2.0, 4, 1280))
            reading = await asyncio.to_thread(
                read, path, Source(tenant, key(tenant)), info, SPAN, frames, config, reader
            )
        described = await describer.describe(describe_request(tenant, SPAN, frames, (), reading, config))
        assert told(reading.scene_text) == told(described) == {tenant}
        title, summary = await describer.summarise(tenant, [described], "talk.mp4", 4.0)
        assert told(f"{title} {summary}") <= {tenant}
    if not url.startswith("file:"):
        assert len(numbers) == 1 and len(set(paths)) == 4, "a descriptor is used again, a path never is"
        assert not any(path.exists() for path in paths)


async def test_what_is_heard_does_not_depend_on_what_was_heard_before() -> None:
    path = Path(__file__).parents[2] / "examples" / "lecture" / "lecture.mp4"
    info = await asyncio.to_thread(probe, path, ProbeLimits(max_duration_seconds=600, max_pixels=10**7))
    transcriber = ThreadedTranscriber()
    await transcriber.setup()
    try:
        starts = dict(zip(TENANTS, (2.0, 30.0), strict=True))
        heard: dict[str, list[Any]] = {tenant: [] for tenant in TENANTS}
        for tenant in [*TENANTS, *TENANTS]:
            samples = audio_samples(path, info, starts[tenant], starts[tenant] + 5, 16_000)
            heard[tenant].append(await transcriber.transcribe(tenant, samples, 16_000, 0.0))
        for first, again in heard.values():
            assert first == again and first
    finally:
        await transcriber.close()


async def test_vectors_of_a_shared_pass_are_those_of_each_text_alone() -> None:
    embedder = QueuedEmbedder()
    await embedder.setup()
    try:
        alone = {tenant: (await embedder.embed([word])).vectors for tenant, word in WORDS.items()}
        many = await asyncio.gather(*(embedder.embed([WORDS[tenant]]) for tenant in [*TENANTS] * 8))
        for tenant, made in zip([*TENANTS] * 8, many, strict=True):
            np.testing.assert_allclose(made.vectors, alone[tenant], atol=1e-5)
    finally:
        await embedder.close()


async def test_calls_that_are_shared_give_each_its_own_and_a_stranger_who_leaves_takes_nothing() -> None:
    gate = asyncio.Event()

    async def call(items: list[str]) -> list[str]:
        await gate.wait()
        return [item.upper() for item in items]

    shared: Coalescer[str, str] = Coalescer("shared", call, max_items=8, max_calls=1)
    waiting = [asyncio.create_task(shared.put(f"{tenant}-{n}")) for n in range(6) for tenant in TENANTS]
    await asyncio.sleep(0)
    waiting[2].cancel()
    gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    expected = [f"{tenant}-{n}".upper() for n in range(6) for tenant in TENANTS]
    assert [answer for n, answer in enumerate(answers) if n != 2] == [text for n, text in enumerate(expected) if n != 2]


def asked(tenant: str) -> pb.GenerateRequest:
    passage = pb.Passage(kind="speech", text=f"The plan is: {WORDS[tenant]}.", start_time=1, end_time=2, score=0.9)
    source = pb.Source(number=1, file_id=FILE, filename="talk.mp4", start_time=0, end_time=4, passages=[passage])
    question = pb.Message(role="user", text="What is the plan?")
    return pb.GenerateRequest(request_id="same", tenant_id=tenant, messages=[question], sources=[source])


async def test_answers_and_prompts_hold_what_their_tenant_was_found() -> None:
    model = ScriptedModel()
    for generator in (EmbeddedGenerator(), LanguageGenerator(model)):
        for tenant in [*TENANTS, *TENANTS]:
            text = "".join([chunk.text async for chunk in generator.generate(asked(tenant))])
            assert told(text) <= {tenant}
    describer, extractor = LanguageDescriber(model), LanguageExtractor(model)
    schema = {"type": "object", "properties": {"plan": {"type": "string"}}}
    frames = np.zeros((1, 8, 8, 3), np.uint8)
    for tenant in [*TENANTS, *TENANTS]:
        passages = (Passage("speech", WORDS[tenant], 1.0, 2.0),)
        extracted = await EmbeddedExtractor().extract(ExtractRequest(schema, "", passages, tenant))
        assert told(extracted) <= {tenant}
        await extractor.extract(ExtractRequest(schema, "", passages, tenant))
        await describer.describe(
            DescribeRequest(
                tenant, frames, np.ones(1), SPAN, np.zeros(0, np.int16), 16_000, (Speech(WORDS[tenant], 1, 2),)
            )
        )
    assert len(model.prompts) == 12
    for prompt in model.prompts:  # `tenant_id` is what caches of prefixes are salted with
        assert told("".join(turn.text for turn in prompt.turns)) == {prompt.tenant_id}


async def test_a_warm_process_of_queries_has_nothing_of_the_query_before() -> None:
    sql = EntitySql(workers=1)
    try:
        for tenant in [*TENANTS, *TENANTS]:
            rows = (SqlBatch(1, (f'["{WORDS[tenant]}"]'.encode(),)),)
            result = await sql.query([SqlTable("t", (("plan", "VARCHAR"),), rows)], "SELECT * FROM t")
            assert told(result.rows) == {tenant}
    finally:
        await sql.close()


async def test_how_fast_a_question_is_read_tells_no_other_tenant_that_it_was_asked(monkeypatch):
    read_now: list[str] = []
    embed = MultilingualEmbedder.embed

    def counted(self: MultilingualEmbedder, texts: Sequence[str], *, queries: bool = False) -> np.ndarray:
        read_now.extend(texts)
        return embed(self, texts, queries=queries)

    monkeypatch.setattr(MultilingualEmbedder, "embed", counted)
    generator = EmbeddedGenerator()
    try:
        asked = {}
        for turn, tenant in enumerate(("tenant-c", "tenant-c", "tenant-d")):
            message = pb.Message(role="user", text="How long is the merger's draft, in two bullets?")
            await generator.plan(pb.PlanRequest(tenant_id=tenant, messages=[message], decompose=True))
            request = pb.GenerateRequest(tenant_id=tenant, question=message.text, messages=[message])
            _ = [chunk async for chunk in generator.generate(request)]
            asked[turn], read_now[:] = list(read_now), []
    finally:
        await generator.close()
    assert asked[0] and not asked[1], "what a tenant asks again is remembered"
    assert asked[2] == asked[0], "and is new to another"
