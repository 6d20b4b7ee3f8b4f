"""Clips to decode, and the frames of them that are right."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

FRAME_RATE = 30
GROUP = 30  # frames from keyframe to keyframe
# codec of the row -> encoder, and its options for speed
ENCODERS = {
    "h264": ("libx264", {"preset": "veryfast"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:open-gop=0"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "lag-in-frames": "0"}),
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
}


def made_clip(folder: Path, codec: str, size: tuple[int, int], seconds: int) -> Path:
    """Its path in `folder`, where it is made unless it is there."""
    path = folder / f"{codec}_{size[0]}_{seconds}s.{'mkv' if codec.startswith('vp') else 'mp4'}"
    if not path.exists():
        part = path.with_stem(f"{path.stem}_part")
        _write(part, codec, size, seconds)
        part.rename(path)
    return path


def _write(path: Path, codec: str, size: tuple[int, int], seconds: int) -> None:
    """A moving, textured clip. Not finer than what a camera takes: on noise, two ways to scale differ by what they are."""
    import av
    import cv2
    import numpy as np

    encoder, options = ENCODERS[codec]
    width, height = size
    random = np.random.default_rng(0)
    texture = random.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    texture = cv2.resize(texture, (width * 2, height * 2), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=FRAME_RATE, options={"g": str(GROUP), **options})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = width * height * 12
        for index in range(seconds * FRAME_RATE):
            x, y = (index * 5) % width, (index * 3) % height
            view = np.ascontiguousarray(texture[y : y + height, x : x + width])
            frame = av.VideoFrame.from_ndarray(view, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def reference(path: Path, wanted: list[int], size: tuple[int, int]) -> dict[int, Any]:
    """Frames by number, decoded in order by FFmpeg and scaled by OpenCV."""
    import av
    import cv2

    with av.open(str(path)) as container:
        return {
            index: cv2.resize(frame.to_ndarray(format="rgb24"), size, interpolation=cv2.INTER_AREA)
            for index, frame in enumerate(container.decode(video=0))
            if index in wanted
        }


def decibels(image: Any, reference: Any) -> float:
    import numpy as np

    error = np.mean((image.astype(np.float64) - reference) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
