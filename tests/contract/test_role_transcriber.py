"""What every engine that hears must do with samples: words inside them, none in silence, other shapes refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ray_jobs.engines.roles import Transcriber
from services.core.errors import ArcusError, Reason
from tests.contract.engines import engines
from tests.running_system import LECTURE

ALL = engines("embedded", "openai")
RATE = 16_000


def transcriber(tried: Any) -> Transcriber:
    assert tried.engine.transcriber is not None
    return tried.engine.transcriber


def spoken(seconds: float) -> np.ndarray:
    """The beginning of the example lecture."""
    from ray_jobs.stages.audio import audio_samples
    from ray_jobs.stages.probe import ProbeLimits, probe

    return audio_samples(LECTURE, probe(LECTURE, ProbeLimits()), 0.0, seconds, RATE)


@ALL
async def test_words_are_told_with_times_inside_the_samples(opened):
    async with opened("transcribe") as tried:
        said = await transcriber(tried).transcribe("tenant-a", spoken(8.0), RATE, 100.0)
    assert said
    for item in said:
        assert item.text == item.text.strip() != "" and 100.0 <= item.start_time < item.end_time <= 108.5


@ALL
@pytest.mark.parametrize("seconds", [0, 0.01, 3])
async def test_nothing_is_heard_in_silence(opened, seconds):
    async with opened("transcribe") as tried:
        assert await transcriber(tried).transcribe("tenant-a", np.zeros(int(RATE * seconds), np.int16), RATE, 0.0) == ()


@ALL
async def test_samples_of_another_shape_are_refused(opened):
    async with opened("transcribe") as tried:
        with pytest.raises(ArcusError) as caught:
            await transcriber(tried).transcribe("tenant-a", np.zeros((2, 5), np.float32), RATE, 0.0)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
