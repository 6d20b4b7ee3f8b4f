"""Frames decoded and scaled per second by each decoder of a GPU, beside DALI's own operators and NVDEC by itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from loadtests.on_gpu.bare_decoders import PlainDali, PlainNvdec, demuxed
from loadtests.on_gpu.clips import FRAME_RATE, decibels, made_clip, reference
from loadtests.on_gpu.rows import BESIDE, Case, Options, Row, best_seconds, lacking, settle_gpu, settle_nothing
from ray_jobs.stages.screen_watch import LOOKS_PER_SECOND

MAX_SIDE = 448
NVDEC = "NVDEC by itself"
MOST_DECODERS = 16
EVERY_SECONDS = 2.0  # between the frames that a describer sees, by default
LOOK_SECONDS = 1 / LOOKS_PER_SECOND  # between those that an ingest decodes, as new text is looked for on all of them


@dataclass(frozen=True)
class Asked:
    """Frames of `streams` readings of a clip, by one decoder; every_seconds: None means every frame."""

    codec: str
    size: tuple[int, int]
    streams: int
    way: str  # nvdec or dali
    seconds: int = 4
    every_seconds: float | None = None
    rank: int = 1

    @property
    def times(self) -> list[float]:
        step = self.every_seconds or 1 / FRAME_RATE
        return [(index + 0.5) * step for index in range(round(self.seconds / step))]


H264_1080P = Asked("h264", (1920, 1080), 8, "nvdec", rank=0)
FULL = [
    H264_1080P,
    Asked("h264", (1920, 1080), 16, "nvdec", 16, EVERY_SECONDS, rank=0),
    Asked("h264", (1920, 1080), 16, "nvdec", 16, LOOK_SECONDS, rank=0),
    Asked("hevc", (1920, 1080), 8, "nvdec", rank=0),
    Asked("h264", (1920, 1080), 1, "nvdec"),
    Asked("h264", (1920, 1080), 8, "dali"),
    *(
        Asked(codec, size, streams, way, rank=2)
        for codec, size, streams, way in (
            ("h264", (1280, 720), 8, "nvdec"),
            ("h264", (3840, 2160), 8, "nvdec"),
            ("hevc", (3840, 2160), 8, "nvdec"),
            ("h264", (1920, 1080), 32, "nvdec"),
            ("h264", (1920, 1080), 1, "dali"),
            ("hevc", (1920, 1080), 8, "dali"),
            ("vp9", (1920, 1080), 8, "nvdec"),
        )
    ),
    *(
        Asked(codec, size, streams, "nvdec", rank=3)
        for codec, size, streams in (
            ("h264", (1280, 720), 1),
            ("h264", (1280, 720), 32),
            ("hevc", (1920, 1080), 1),
            ("hevc", (1920, 1080), 32),
            ("h264", (3840, 2160), 1),
            ("hevc", (3840, 2160), 1),
            ("hevc", (1280, 720), 1),
            ("hevc", (1280, 720), 8),
            ("hevc", (1280, 720), 32),
        )
    ),
    # A second: DALI alone holds every whole picture, 25 MB each.
    *(Asked(codec, (3840, 2160), 32, "nvdec", 1, rank=3) for codec in ("h264", "hevc")),
]
SMALL = [
    Asked(codec, (640, 384), streams, way, 1)
    for codec in ("vp9", "vp8")
    for way in ("nvdec", "dali")
    for streams in (1, 2)
] + [Asked("h264", (640, 384), 2, "nvdec", 4, EVERY_SECONDS)]


def cases(options: Options) -> Iterator[Case]:
    device = "GPU" if options.on_gpu else "CPU"
    for asked in SMALL if options.small or not options.on_gpu else FULL:
        what = f"{asked.codec} {asked.size[0]}x{asked.size[1]}, {asked.streams} at once, by {asked.way} on the {device}"
        goals = {BESIDE: 0.9} | ({NVDEC: 0.7} if options.on_gpu and asked.way == "nvdec" else {})
        if asked.every_seconds:
            what, goals = f"{what}, one frame in {asked.every_seconds:g} s", {}
        row = Row(
            "decode", what, "video-seconds/s" if asked.every_seconds else "frames/s", "DALI's operators alone", goals
        )
        yield Case(row, partial(_measure, asked=asked, options=options), partial(_missing, asked, options), asked.rank)
    size, streams = ((640, 384), 2) if options.small else ((1920, 1080), 8)
    row = Row(
        "decode",
        f"packets of h264 {size[0]}x{size[1]} cut and handed on, {streams} at once, {os.cpu_count()} processors",
        "frames/s",
        "PyAV's demuxers alone",
    )
    asked = Asked("h264", size, streams, "nvdec", 1 if options.small else 4)
    yield Case(row, partial(_cut, asked=asked, options=options), partial(lacking, "av"))


def _missing(asked: Asked, options: Options) -> str:
    from ray_jobs.stages import decode_dali, nvdec

    if asked.way == "dali":
        return lacking("av", "cv2", "nvidia.dali") or decode_dali.missing("gpu" if options.on_gpu else "cpu")
    return lacking("av", "cv2") or (nvdec.missing() if options.on_gpu else "")


def _decoder(way: str, on_gpu: bool) -> Any:
    from ray_jobs.stages.decode import DaliDecoder, NvdecDecoder
    from ray_jobs.stages.decode_dali import BatchLimits
    from ray_jobs.stages.nvdec import SoftwareSession

    if way == "nvdec":
        return NvdecDecoder() if on_gpu else NvdecDecoder(SoftwareSession, 2)
    # Nothing else needs the GPU's memory here, and DALI alone is not held back either.
    return DaliDecoder("gpu", BatchLimits(clips=32, decoded_bytes=16 * 2**30)) if on_gpu else DaliDecoder("cpu")


def _measure(row: Row, *, asked: Asked, options: Options) -> None:
    import numpy as np

    from ray_jobs.stages.decoder import FrameRequest, Frames, picture_size
    from ray_jobs.stages.probe import probe

    path = made_clip(options.folder, asked.codec, asked.size, asked.seconds)
    info, times = probe(path), asked.times
    size = picture_size(info, MAX_SIDE)
    decoder = _decoder(asked.way, options.on_gpu)
    requests = [FrameRequest(path, info, times, MAX_SIDE)] * asked.streams
    results: list[Any] = []

    def ours() -> None:
        results[:] = decoder.batch(requests)

    calls: dict[str, Callable[[], Any]] = {"": ours, **_bare(row, asked, options, size)}
    seconds = best_seconds(list(calls.values()), options.rounds, settle_gpu if options.on_gpu else settle_nothing)
    every = asked.seconds * (1 if asked.every_seconds else FRAME_RATE) * asked.streams
    rates = {name: every / each for name, each in zip(calls, seconds, strict=True)}
    row.ours, row.beside = rates.pop(""), rates.pop(BESIDE, None)
    row.ceilings = rates
    refused = [str(result) for result in results if not isinstance(result, Frames)]
    row.check("refused", refused[:1], not refused)
    if refused:
        return
    found = [frames.host() for frames in results]
    row.check("frames of each", sorted({len(f) for f in found}), {len(f) for f in found} == {len(times)})
    shown = np.floor(np.array(times) * FRAME_RATE).astype(int)
    late = max(float(np.abs(frames.times - shown / FRAME_RATE).max()) for frames in found)
    row.check("greatest error of a time, s", round(late, 4), late < 0.002)
    places = np.linspace(0, len(times) - 1, min(7, len(times))).astype(int)
    right = reference(path, shown[places].tolist(), size)
    ratio = min(decibels(frames.images[i], right[int(shown[i])]) for frames in found for i in places)
    row.check("least PSNR, dB", round(ratio, 1), ratio >= 35)


def _bare(row: Row, asked: Asked, options: Options, size: tuple[int, int]) -> dict[str, Callable[[], Any]]:
    """What decodes the same without Arcus, by name; a row says of each that does not run why."""
    import numpy as np

    path = made_clip(options.folder, asked.codec, asked.size, asked.seconds)
    every = asked.seconds * FRAME_RATE

    def dali() -> Callable[[], Any]:
        from ray_jobs.stages.decode_dali import missing

        if lack := missing("gpu" if options.on_gpu else "cpu"):
            raise RuntimeError(lack)
        plain = PlainDali("gpu" if options.on_gpu else "cpu", asked.streams, 8 if options.on_gpu else 2, size)
        encoded = [np.frombuffer(path.read_bytes(), np.uint8)] * asked.streams
        counted = set(plain.frames(encoded))
        row.check("frames of DALI alone", sorted(counted), counted == {every})
        return lambda: plain.frames(encoded)

    def nvdec() -> Callable[[], Any]:
        plain = PlainNvdec(path, asked.codec, min(asked.streams, MOST_DECODERS))
        counted = plain.frames(asked.streams)
        row.check("frames of NVDEC alone", counted, counted == every * asked.streams)
        return lambda: plain.frames(asked.streams)

    made: dict[str, Callable[[], Any]] = {}
    for name, make in ({BESIDE: dali} | ({NVDEC: nvdec} if options.on_gpu else {})).items():
        try:
            made[name] = make()
        except Exception as error:
            row.checks[f"{row.reference if name == BESIDE else name} does not run"] = str(error)[:120]
    return made


def _cut(row: Row, *, asked: Asked, options: Options) -> None:
    """Everything up to a decoder, which here throws away what it is given."""
    from ray_jobs.stages.decode import NvdecDecoder
    from ray_jobs.stages.decoder import FrameRequest
    from ray_jobs.stages.nvdec import SoftwareSession
    from ray_jobs.stages.probe import probe

    counted: list[int] = []

    class Waste(SoftwareSession):
        def decode(self, packet: Any) -> list[Any]:
            counted.append(packet is not None)
            return []

    path = made_clip(options.folder, asked.codec, asked.size, asked.seconds)
    decoder = NvdecDecoder(Waste, 2)
    requests = [FrameRequest(path, probe(path), asked.times, MAX_SIDE)] * asked.streams
    every = asked.seconds * FRAME_RATE * asked.streams
    cut, bare = best_seconds(
        [lambda: decoder.batch(requests), lambda: demuxed(path, asked.streams)], options.rounds, settle_nothing
    )
    row.ours, row.beside = every / cut, every / bare
    packets = sum(counted)
    row.check("packets", packets // (options.rounds + 1), packets == every * (options.rounds + 1))
    begin = time.process_time()
    decoder.batch(requests)
    row.checks["frames/s of two processors by their own time"] = round(2 * every / (time.process_time() - begin))
