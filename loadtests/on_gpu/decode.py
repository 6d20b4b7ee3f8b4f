"""Frames decoded and scaled per second through DaliDecoder, beside DALI's own operators over the same clips."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from loadtests.on_gpu.rows import BESIDE, Case, Options, Row, best_seconds, lacking, settle_gpu, settle_nothing

MAX_SIDE = 448
FRAME_RATE = 30
GROUP = 30  # frames from keyframe to keyframe
# codec of the row -> encoder, and its options for speed
ENCODERS = {
    "h264": ("libx264", {"preset": "veryfast"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:open-gop=0"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "lag-in-frames": "0"}),
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
}
FULL = [
    *(("h264", size) for size in ((1280, 720), (1920, 1080), (3840, 2160))),
    *(("hevc", size) for size in ((1920, 1080), (3840, 2160))),
    ("vp9", (1920, 1080)),
]
SMALL = [("vp9", (640, 384)), ("vp8", (640, 384))]


def cases(options: Options) -> Iterator[Case]:
    kinds = SMALL if options.small or not options.on_gpu else FULL
    many = 2 if options.small else 8
    seconds = 1 if options.small else 4
    device = "gpu" if options.on_gpu else "cpu"
    for codec, size in kinds:
        for streams in (1, many):
            row = Row(
                "decode",
                f"{codec} {size[0]}x{size[1]} on the {device}, {streams} stream{'s' * (streams > 1)}",
                "frames/s",
                "DALI's operators alone",
                {BESIDE: 0.9},
            )
            path = options.folder / f"{codec}_{size[0]}.{'mkv' if codec.startswith('vp') else 'mp4'}"
            yield Case(
                row,
                partial(
                    _measure,
                    path=path,
                    codec=codec,
                    size=size,
                    seconds=seconds,
                    streams=streams,
                    device=device,
                    options=options,
                ),
                lambda: lacking("av", "cv2", "nvidia.dali") or _missing(device),
            )


def _missing(device: str) -> str:
    from ray_jobs.stages.decode_dali import missing

    return missing(device)


def _measure(
    row: Row, path: Path, codec: str, size: tuple[int, int], seconds: int, streams: int, device: str, options: Options
) -> None:
    import numpy as np

    from ray_jobs.stages.decode_dali import BatchLimits, DaliDecoder
    from ray_jobs.stages.decoder import FrameRequest, Frames, picture_size
    from ray_jobs.stages.probe import probe

    if not path.exists():
        _write(path, codec, size, seconds)
    info = probe(path)
    count = seconds * FRAME_RATE
    times = [(index + 0.5) / FRAME_RATE for index in range(count)]
    width, height = picture_size(info, MAX_SIDE)
    requests = [FrameRequest(path, info, times, MAX_SIDE)] * streams
    # Nothing else needs the GPU's memory here, and DALI alone is not held back either.
    decoder = DaliDecoder(device, BatchLimits(clips=32, decoded_bytes=16 * 2**30) if device == "gpu" else None)
    plain = _PlainDali(device, streams, decoder.threads, (width, height))
    encoded = np.frombuffer(path.read_bytes(), np.uint8)
    results: dict[str, Any] = {}

    def ours() -> None:
        results["ours"] = decoder.batch(requests)

    def beside() -> None:
        results["plain"] = plain.frames([encoded] * streams)

    settle = settle_gpu if device == "gpu" else settle_nothing
    our_seconds, plain_seconds = best_seconds([ours, beside], options.rounds, settle)
    row.ours, row.beside = count * streams / our_seconds, count * streams / plain_seconds
    refused = [str(result) for result in results["ours"] if not isinstance(result, Frames)]
    row.check("refused", refused, not refused)
    if refused:
        return
    found = [frames.host() for frames in results["ours"]]
    row.check("frames of each stream", sorted({len(frames) for frames in found}), {len(f) for f in found} == {count})
    row.check("frames of DALI alone", sorted(set(results["plain"])), set(results["plain"]) == {count})
    late = max(float(np.abs(frames.times - np.arange(count) / FRAME_RATE).max()) for frames in found)
    row.check("greatest error of a time, s", round(late, 4), late < 0.002)
    wanted = np.linspace(0, count - 1, 7).astype(int).tolist()
    reference = _reference(path, wanted, (width, height))
    ratio = min(_decibels(frames.images[i], picture) for frames in found for i, picture in reference.items())
    row.check("least PSNR, dB", round(ratio, 1), ratio >= 35)


class _PlainDali:
    """DALI's decoder over whole files, every frame of them, and its resize to the same size."""

    def __init__(self, device: str, streams: int, threads: int, size: tuple[int, int]) -> None:
        from nvidia.dali import Pipeline, fn, types

        pipeline = Pipeline(
            batch_size=streams,
            num_threads=threads,
            device_id=0 if device == "gpu" else None,
            prefetch_queue_depth=1,
        )
        with pipeline:
            encoded = fn.external_source(name="encoded", dtype=types.UINT8, ndim=1)
            decoded = fn.decoders.video(encoded, device="mixed" if device == "gpu" else "cpu", affine=False)
            scaled = fn.resize(
                decoded, resize_x=size[0], resize_y=size[1], interp_type=types.INTERP_TRIANGULAR, antialias=True
            )
            pipeline.set_outputs(scaled)
        pipeline.build()
        self._pipeline = pipeline

    def frames(self, files: list[Any]) -> list[int]:
        (output,) = self._pipeline.run(encoded=files)
        return [output[index].shape()[0] for index in range(len(files))]


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


def _reference(path: Path, wanted: list[int], size: tuple[int, int]) -> dict[int, Any]:
    """Frames by number, decoded in order by FFmpeg and scaled by OpenCV."""
    import av
    import cv2

    with av.open(str(path)) as container:
        return {
            index: cv2.resize(frame.to_ndarray(format="rgb24"), size, interpolation=cv2.INTER_AREA)
            for index, frame in enumerate(container.decode(video=0))
            if index in wanted
        }


def _decibels(image: Any, reference: Any) -> float:
    import numpy as np

    error = np.mean((image.astype(np.float64) - reference) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
