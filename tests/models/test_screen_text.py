"""Text on the screen as a clip shows it, through sampling and the reader: when it comes and goes, and what belongs together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ray_jobs.engines.embedded.scene_text import SceneTextReader
from ray_jobs.stages.describe import moments_of
from ray_jobs.stages.probe import probe
from ray_jobs.stages.sampling import Sampling, sample_frames
from services.core.media import Span
from tests.media.muxing import Pictures, write
from tests.media.numbered import X264
from tests.media.scenes import slide

SIZE = (640, 360)
RATE = 10
SHOWN = (3.3, 4.4)  # between the frames that stand for the segment, at 1, 3, 5 and 7 s
SECOND_SLIDE = 6.2


def test_a_line_that_stays_a_second_is_read_with_its_time(reader: SceneTextReader, tmp_path: Path) -> None:
    plain, more = slide("Bread", ("Flour and water",), SIZE), slide("Bread", ("Flour and water", "Yeast"), SIZE)
    oven = slide("The Stone Oven", ("260 degrees",), SIZE)

    def picture(time: float) -> np.ndarray:
        return oven if time >= SECOND_SLIDE else more if SHOWN[0] <= time < SHOWN[1] else plain

    path = tmp_path / "slides.mp4"
    frames = ((100 * number, picture(number / RATE)) for number in range(8 * RATE))
    write(path, Pictures("libx264", frames, X264 | {"g": "50"}, rate=RATE), format="mp4")
    sampled = sample_frames(path, probe(path), Span(0.0, 8.0), Sampling(2.0, 16, 1280))
    assert len(sampled) == 4
    before = reader.frames_read
    blocks = reader.read(sampled.images, sampled.times, 8.0, moments=moments_of(sampled))
    assert reader.frames_read - before == 4, "each state of the screen once"
    found = {line: (block.start_time, block.end_time) for block in blocks for line in block.text.splitlines()}
    truth = {"Yeast": SHOWN, "Bread": (0.0, SECOND_SLIDE), "The Stone Oven": (SECOND_SLIDE, 8.0)}
    assert {line: found[line] for line in truth} == {
        line: pytest.approx(times, abs=0.5) for line, times in truth.items()
    }


def test_the_bars_of_a_chart_are_read_with_their_days(reader: SceneTextReader) -> None:
    image = Image.new("RGB", (960, 540), "white")
    draw = ImageDraw.Draw(image)
    draw.text((60, 30), "Visitors by day", font=ImageFont.load_default(40), fill="black")
    visitors = {"Mon": 55, "Tue": 40, "Wed": 72, "Thu": 63}
    for number, (day, count) in enumerate(visitors.items()):
        left, top = 180 + 190 * number, 440 - 4 * count
        draw.rectangle((left, top, left + 90, 440), fill="#4060a0")
        draw.text((left + 45, top - 14), str(count), font=ImageFont.load_default(36), fill="black", anchor="mb")
        draw.text((left + 45, 465), day, font=ImageFont.load_default(36), fill="black", anchor="mt")
    (block,) = reader.read(np.asarray(image)[None], np.zeros(1), 1.0)
    assert block.text.splitlines() == ["Visitors by day", *(f"{day}: {count}" for day, count in visitors.items())]
