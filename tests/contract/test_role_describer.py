"""What every engine that describes must do with the frames, words and sound of a segment."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from ray_jobs.engines.roles import Describer, DescribeRequest
from services.core.errors import ArcusError, Reason
from services.core.media import DescribeConfig, SegmentDescription, Span, Speech, TimedText
from tests.contract.engines import ENDLESS, engines

ALL = engines("embedded", "language", "openai")
SPAN = Span(20.0, 40.0)
NOTHING = DescribeConfig(
    enable_summary=False,
    enable_speech=False,
    enable_scene_text=False,
    enable_visual_scene_description=False,
    enable_audio_description=False,
)


def describer(tried: Any) -> Describer:
    assert tried.engine.describer is not None
    return tried.engine.describer


def request(frames: int = 5, span: Span = SPAN, **changes: Any) -> DescribeRequest:
    images = np.random.default_rng(3).integers(0, 255, (frames, 48, 64, 3), np.uint8)
    given: dict[str, Any] = {
        "samples": np.zeros(int(16_000 * span.duration), np.int16),
        "speech": (Speech("the moon pulls the sea", 22.0, 24.0),),
        "scene_text": (TimedText("TIDES", 19.0, 41.0),),
    }
    times = np.linspace(span.start_time, span.end_time, frames, endpoint=False)
    return DescribeRequest("tenant-a", images, times, span, **{**given, **changes})


@ALL
async def test_a_segment_gets_every_part_and_all_times_lie_inside_it(opened):
    async with opened("describe") as tried:
        described = await describer(tried).describe(request())
        await tried.idle()
    assert described.title and described.summary and described.visual_scene_description
    assert [item.text for item in described.scene_text] == ["TIDES"] and len(described.speech) == 1
    assert described.audio_description
    for item in (*described.visual_scene_description, *described.scene_text, *described.audio_description):
        assert item.text and SPAN.start_time <= item.start_time <= item.end_time <= SPAN.end_time


@ALL
async def test_parts_that_are_not_wanted_are_not_made(opened):
    async with opened("describe") as tried:
        assert await describer(tried).describe(request(config=NOTHING)) == SegmentDescription()


@ALL
@pytest.mark.parametrize("span", [SPAN, Span(20.0, 20.0)], ids=["sound alone", "no length"])
async def test_a_segment_without_frames_is_described_by_the_rest(opened, span):
    async with opened("describe") as tried:
        described = await describer(tried).describe(request(frames=0, span=span, speech=(Speech("hello", 20, 20),)))
    assert described.visual_scene_description == () and described.title


@ALL
async def test_frames_of_another_shape_are_refused(opened):
    wrong = DescribeRequest("t", np.zeros((2, 4, 4, 3), np.float32), np.zeros(2), SPAN, np.zeros(0, np.int16))
    async with opened("describe") as tried:
        with pytest.raises(ArcusError) as caught:
            await describer(tried).describe(wrong)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


@ALL
async def test_a_frame_of_8k_and_many_small_ones_are_described(opened):
    large = request(frames=1).__dict__ | {"frames": np.full((1, 4320, 7680, 3), 90, np.uint8)}
    async with opened("describe") as tried:
        for each in (DescribeRequest(**large), request(frames=200)):
            described = await describer(tried).describe(each)
            assert described.visual_scene_description
        await tried.idle()


@engines("language", "openai")
async def test_cancelling_frees_the_engine(opened):
    async with opened("describe") as tried:
        speech = (Speech(ENDLESS, 21.0, 22.0),)
        tasks = [asyncio.create_task(describer(tried).describe(request(speech=speech))) for _ in range(4)]
        await tried.until(lambda: tried.running() == 4)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await tried.idle()


@ALL
async def test_a_file_is_summarised_from_its_segments(opened):
    segments = [SegmentDescription(title=f"Tides {n}", summary="The moon pulls the sea.") for n in range(3)]
    async with opened("describe") as tried:
        title, summary = await describer(tried).summarise("tenant-a", segments, "lecture.mp4", 60.0)
    assert title and summary
