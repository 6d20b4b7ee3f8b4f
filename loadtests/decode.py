"""Sampled decode against plain decord and plain PyAV, for the same frames of the same clips, in one run.

Prints each side's best of several rounds, taken in turn, and checks that all sides return the same frames.
    python -m loadtests.decode --json decode.json
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from ray_jobs.stages.decode import decode_frames
from ray_jobs.stages.probe import ProbeLimits, probe
from services.core.media import MediaInfo
from tests.media import clip

_MAX_SIDE = 448


def make_clip(path: Path, group: int, seconds: int = 60) -> Path:
    """A moving, textured 720p30 H.264 clip with x264's defaults and a keyframe every `group` frames."""
    import av
    import cv2
    import numpy as np

    random = np.random.default_rng(0)
    texture = cv2.resize(random.integers(0, 256, (180, 320, 3), dtype=np.uint8), (2560, 1440))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"g": str(group), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for index in range(seconds * 30):
            x, y = (index * 5) % 1280, (index * 3) % 720
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(texture[y : y + 720, x : x + 1280]), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _size(info: MediaInfo) -> tuple[int, int]:
    scale = min(1.0, _MAX_SIDE / max(info.width or 1, info.height or 1))
    return round((info.width or 1) * scale), round((info.height or 1) * scale)


def ours(path: Path, info: MediaInfo, times: list[float]):
    frames = decode_frames(path, info, times, _MAX_SIDE)
    return frames.times.tolist(), frames.images


def plain_decord(path: Path, info: MediaInfo, times: list[float]):
    import decord

    width, height = _size(info)
    reader = decord.VideoReader(str(path), width=width, height=height)
    starts = reader.get_frame_timestamp(range(len(reader)))[:, 0].tolist()
    indices = [max(0, bisect_right(starts, time + 1e-3) - 1) for time in times]
    return [starts[index] for index in indices], reader.get_batch(indices).asnumpy()


def plain_pyav_sequential(path: Path, info: MediaInfo, times: list[float]):
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return _forward(container.decode(stream), info, times)


def plain_pyav_seeks(path: Path, info: MediaInfo, times: list[float]):
    import av
    import numpy as np

    stamps: list[float] = []
    images = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for moment in times:
            container.seek(int(moment / stream.time_base), stream=stream)
            found, image = _forward(container.decode(stream), info, [moment])
            stamps += found
            images.append(image[0])
    return stamps, np.stack(images)


def _forward(frames, info: MediaInfo, times: list[float]):
    """Of frames in order of time, the last at or before each of `times`."""
    import numpy as np

    width, height = _size(info)
    stamps: list[float] = []
    images = []
    previous = None

    def keep() -> None:
        stamps.append(previous.time)
        images.append(previous.reformat(width=width, height=height, format="rgb24").to_ndarray())

    for frame in frames:
        while len(stamps) < len(times) and previous is not None and frame.time > times[len(stamps)] + 1e-6:
            keep()
        if len(stamps) == len(times):
            break
        previous = frame
    while len(stamps) < len(times):
        keep()
    return stamps, np.stack(images)


SIDES: dict[str, Callable] = {
    "ours": ours,
    "decord": plain_decord,
    "pyav_sequential": plain_pyav_sequential,
    "pyav_seeks": plain_pyav_seeks,
}


def measure(name: str, path: Path, every_seconds: float, rounds: int) -> dict:
    info = probe(path, ProbeLimits())
    count = int(info.duration_seconds / every_seconds)
    times = [every_seconds * (index + 0.5) for index in range(count)]
    best = dict.fromkeys(SIDES, float("inf"))
    results: dict = {}
    for _ in range(rounds):
        for side, decode in SIDES.items():
            begin = time.perf_counter()
            results[side] = decode(path, info, times)
            best[side] = min(best[side], time.perf_counter() - begin)
    stamps, images = results["ours"]
    for side, (other_stamps, other_images) in results.items():
        if len(other_stamps) != count or len(images) != count:
            raise SystemExit(f"{name}: {side} gave {len(other_stamps)} frames of {count}")
        if any(abs(a - b) > 1e-3 for a, b in zip(stamps, other_stamps, strict=True)):
            raise SystemExit(f"{name}: {side} gave other timestamps")
        difference = abs(images.astype("int16") - other_images).mean(axis=(1, 2, 3)).max()
        if difference > 12:
            raise SystemExit(f"{name}: {side} gave other pictures (mean difference {difference:.1f})")
    plain = min(seconds for side, seconds in best.items() if side != "ours")
    row = {
        "clip": name,
        "every_seconds": every_seconds,
        "frames": count,
        "seconds": {side: round(seconds, 4) for side, seconds in best.items()},
        "ratio": round(plain / best["ours"], 3),
        "timestamps_equal": True,
    }
    sides = "  ".join(f"{side} {seconds:7.3f}" for side, seconds in best.items())
    print(f"{name:16} every {every_seconds:4g} s  {count:4d} frames  {sides}  best plain / ours {row['ratio']:.2f}")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=float, nargs="+", default=[2.0, 5.0, 10.0, 20.0])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = {f"h264_720p_gop{group}": make_clip(Path(folder) / f"{group}.mp4", group) for group in (250, 30)}
        clips["av1_363s"] = clip("long.mp4")
        rows = [
            measure(name, path, every, arguments.rounds) for name, path in clips.items() for every in arguments.every
        ]
    report = {"rows": rows, "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
