"""The pipeline over Serve handles: what a caller sees when a stage answers, fails, stops or is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import RayServeException

from ray_jobs.engines.embedded.adapters import ThreadedDescriber
from ray_jobs.engines.embedded.extraction.extractor import EmbeddedExtractor
from ray_jobs.engines.roles import Seen, SeenMoment
from ray_jobs.pipeline import Described
from ray_jobs.serve_pipeline import EMBED_TEXTS, ServePipeline
from services.core.errors import ArcusError, MediaError, Reason
from services.core.media import DescribeConfig, MediaInfo, SegmentDescription, Span, TimedText

INFO = MediaInfo("video", 10.0, "mp4", True)
SPAN = Span(0.0, 10.0)
DESCRIBED = Described(SegmentDescription(title="A slide"))


class Call:
    """The answer of a stage: a value, an error to raise, or None for one that never comes."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def __await__(self) -> Generator[Any, None, Any]:
        if self.answer is None:
            yield from asyncio.get_running_loop().create_future().__await__()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Stage:
    """A handle with every method; keeps the calls made through it with their arguments."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[tuple[Call, tuple[Any, ...]]] = []

    def __getattr__(self, _name: str) -> Stage:
        return self

    def remote(self, *arguments: Any) -> Call:
        answer = self.answer(*arguments) if callable(self.answer) else self.answer
        self.calls.append((Call(answer), arguments))
        return self.calls[-1][0]


def pipeline(
    describer: Stage,
    decoder: Stage | None = None,
    embedder: Stage | None = None,
    engine: Any = None,
    seer: Any = None,
) -> ServePipeline:
    handles: Any = (decoder or Stage("frames"), Stage(()), describer, embedder or Stage(None))
    return ServePipeline(*handles, EmbeddedExtractor(), ThreadedDescriber(), engine, seer)


async def describe(pipeline: ServePipeline, config: DescribeConfig = DescribeConfig()) -> Described:
    return await pipeline.describe("t", "tenants/t/files/f/original", INFO, SPAN, config, thumbnail=True)


async def test_frames_go_from_the_decoder_to_the_describer_unread() -> None:
    decoder, describer = Stage(RuntimeError("read by the worker")), Stage(DESCRIBED)
    assert await describe(pipeline(describer, decoder)) == DESCRIBED
    assert describer.calls[0][1][4] is decoder.calls[0][0]


async def test_an_engine_elsewhere_is_given_the_frames_unread_and_what_the_stage_read() -> None:
    decoder, reader, engine = Stage(RuntimeError("read by the worker")), Stage("reading"), Stage(DESCRIBED)
    assert await describe(pipeline(reader, decoder, engine=engine)) == DESCRIBED
    tenant_id, span, frames, _, reading, _ = engine.calls[0][1]
    assert (tenant_id, span) == ("t", SPAN)
    assert frames is decoder.calls[0][0] and reading is reader.calls[0][0]


async def test_what_a_model_sees_of_the_frames_is_told_beside_the_description_unless_nobody_wants_it() -> None:
    seen = Seen("frame:a", (SeenMoment(0.0, 10.0, b""),), (TimedText("Tags: dog (0.31).", 0.0, 10.0),))
    decoder, seer = Stage(RuntimeError("read by the worker")), Stage(seen)
    seeing = pipeline(Stage(DESCRIBED), decoder, seer=seer)
    described = await describe(seeing)
    assert described.seen == seen and described.content.visual_scene_description == seen.tags
    assert described.content.title == "A slide" and seer.calls[0][1] == (SPAN, decoder.calls[0][0])
    assert await describe(seeing, DescribeConfig(enable_visual_scene_description=False)) == DESCRIBED
    assert len(seer.calls) == 1


async def test_speech_that_nobody_wants_is_not_recognised() -> None:
    describer = Stage(DESCRIBED)
    await describe(pipeline(describer), DescribeConfig(enable_speech=False, enable_summary=False))
    assert describer.calls[0][1][5] == ()


async def test_the_error_of_a_stage_is_raised_as_it_was() -> None:
    cause = MediaError("The video cannot be decoded.")
    failed = RayTaskError("describe", "the stage's traceback", cause).as_instanceof_cause()
    with pytest.raises(MediaError) as caught:
        await describe(pipeline(Stage(failed)))
    assert caught.value is cause


async def test_a_stage_whose_process_ended_is_unavailable() -> None:
    with pytest.raises(ArcusError) as caught:
        await describe(pipeline(Stage(RayActorError())))
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE


async def test_a_stage_that_serve_lost_another_of_is_unavailable_too() -> None:
    cause = RayServeException("Request to deployment 'Describer' failed because an upstream actor died.")
    lost = RayTaskError("describe", "the stage's traceback", cause).as_instanceof_cause()
    with pytest.raises(ArcusError) as caught:
        await describe(pipeline(Stage(lost)))
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE


async def test_giving_up_cancels_every_call_that_was_made() -> None:
    decoder, describer = Stage(None), Stage(None)
    task = asyncio.create_task(describe(pipeline(describer, decoder)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert decoder.calls[0][0].is_cancelled and describer.calls[0][0].is_cancelled


async def test_many_texts_are_embedded_in_calls_of_bounded_size() -> None:
    embedder = Stage(lambda texts: np.array([[float(text)] for text in texts], np.float32))
    vectors = await pipeline(Stage(DESCRIBED), embedder=embedder).embed([str(n) for n in range(EMBED_TEXTS + 3)])
    assert [len(arguments[0]) for _, arguments in embedder.calls] == [EMBED_TEXTS, 3]
    assert np.frombuffer(b"".join(vectors), "<f4").tolist() == [float(n) for n in range(EMBED_TEXTS + 3)]
