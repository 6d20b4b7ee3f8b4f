"""Faint text in encoded clips is read when it changes, and a slide that stays is read once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ray_jobs.engines.embedded.scene_text import SceneTextReader, Source

RATE, SHOWN_SECONDS = 5, 2
FAST = {"libx264": {"preset": "ultrafast"}, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}, "mpeg4": {}}


def slide(text: str) -> np.ndarray:
    image = np.full((720, 1280, 3), 255, np.uint8)
    cv2.putText(image, "Tides and the moon", (80, 100), cv2.FONT_HERSHEY_SIMPLEX, 2, (60,) * 3, 4, cv2.LINE_AA)
    cv2.putText(image, text, (80, 500), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (235,) * 3, 3, cv2.LINE_AA)
    return image


def decoded(path: Path, codec: str, pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """One frame of each picture as it comes out of an encoder of 300 kbit/s, with its time."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options={"b": "300000", **FAST[codec]})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for picture in pictures:
            for _ in range(RATE * SHOWN_SECONDS):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    chosen = frames[RATE :: RATE * SHOWN_SECONDS]
    return np.stack(chosen), np.arange(len(chosen)) * float(SHOWN_SECONDS)


@pytest.mark.parametrize("codec", FAST)
def test_faint_lines_are_read_as_they_change_and_still_slides_once(codec: str, tmp_path: Path):
    texts = ["", "Budget of 4215 dollars", "Dinner with Ann Lee"]
    frames, times = decoded(tmp_path / "clip.mkv", codec, [slide(text) for text in texts for _ in range(3)])
    reader = SceneTextReader()
    reader.setup()
    source = Source("a tenant", "a talk")
    for first in (0, 3, 6):  # segments of three frames; the last segments begin with slides that were seen
        reader.read(frames[first : first + 3], times[first : first + 3], times[first] + 6, source)
    assert reader.frames_read == 3
    read = {line: block for block in reader.read(frames, times, 18.0, source) for line in block.text.splitlines()}
    assert [(read[text].start_time, read[text].end_time) for text in texts[1:]] == [(6.0, 12.0), (12.0, 18.0)]
    assert reader.frames_read == 3
