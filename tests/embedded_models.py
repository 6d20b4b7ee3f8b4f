"""The built-in models that read and hear, and what they read of slides against what is on them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from loadtests.scores import normal
from ray_jobs.engines.embedded.scene_text import SceneTextReader
from ray_jobs.engines.embedded.transcriber import EmbeddedTranscriber
from services.core.media import TimedText


@pytest.fixture(scope="module")
def reader() -> SceneTextReader:
    reader = SceneTextReader()
    reader.setup()
    return reader


@pytest.fixture(scope="module")
def transcriber() -> EmbeddedTranscriber:
    engine = EmbeddedTranscriber()
    engine.setup()
    return engine


def sampled(path: Path, every_seconds: float) -> tuple[np.ndarray, np.ndarray]:
    import av

    images, times = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if not times or frame.time >= times[-1] + every_seconds - 0.001:
                images.append(frame.to_ndarray(format="rgb24"))
                times.append(frame.time)
    return np.stack(images), np.array(times)


def unread(blocks: Iterable[TimedText], shown: Iterable[tuple[list[str], float, float]]) -> list[str]:
    """Of (lines, start, end in seconds) of each slide, those that no block has while their slide is shown."""
    blocks = list(blocks)
    return [
        text
        for lines, start, end in shown
        for text in lines
        if not any(
            normal(text) == normal(line) and block.start_time < end and block.end_time > start
            for block in blocks
            for line in block.text.splitlines()
        )
    ]
