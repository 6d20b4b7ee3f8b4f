"""Frames from the process that decodes to the one that runs a model, left on the GPU, beside the way through the host.

A profile of both processes tells what was copied between the GPU and the host.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from loadtests.on_gpu.clips import made_clip
from loadtests.on_gpu.rows import BESIDE, Case, Options, Row, best_seconds, lacking, settle_gpu, settle_nothing

MAX_SIDE = 448
EVERY_SECONDS = 2.0
FEW = 0.01  # of the frames' bytes: indexes, matrices of colours, sums
TO_HOST, FROM_HOST = "DtoH", "HtoD"
MEMORY = Path("/dev/shm")
SIDE, PATCH, WIDTH = 364, 14, 1152  # of SigLIP SO400M


def cases(options: Options) -> Iterator[Case]:
    small = options.small or not options.on_gpu
    streams, size, seconds = (2, (640, 384), 4) if small else (16, (1920, 1080), 16)
    row = Row(
        "frames",
        f"h264 {size[0]}x{size[1]}, {streams} at once, one frame in {EVERY_SECONDS:g} s, to a model in another process",
        "video-seconds/s",
        "the same through the host",
        {BESIDE: 1.0},
    )
    measure = partial(_measure, streams=streams, size=size, seconds=seconds, options=options)
    yield Case(row, measure, partial(_missing, options), rank=0)


def _missing(options: Options) -> str:
    from ray_jobs.stages import nvdec

    return lacking("av", "cv2", "torch") or (nvdec.missing() if options.on_gpu else "")


def _measure(row: Row, *, streams: int, size: tuple[int, int], seconds: int, options: Options) -> None:
    import torch

    from ray_jobs.stages.decode import NvdecDecoder
    from ray_jobs.stages.decoder import FrameRequest
    from ray_jobs.stages.device_frames import Arena
    from ray_jobs.stages.nvdec import SoftwareSession
    from ray_jobs.stages.probe import probe

    path = made_clip(options.folder, "h264", size, seconds)
    times = [(index + 0.5) * EVERY_SECONDS for index in range(int(seconds / EVERY_SECONDS))]
    requests = [FrameRequest(path, probe(path), times, MAX_SIDE)] * streams
    decoder = NvdecDecoder() if options.on_gpu else NvdecDecoder(SoftwareSession, 2)
    arena = Arena(torch.device("cuda", 0) if options.on_gpu else torch.device("cpu"))
    sums: dict[str, list[Any]] = {}
    bytes_of_frames = 0

    with _model_process(on_gpu=options.on_gpu) as ask:

        def on_device() -> None:
            nonlocal bytes_of_frames
            frames = decoder.batch(requests)
            bytes_of_frames = sum(each.images.numel() for each in frames)
            sums["device"] = [ask("ticket", arena.put(each.images)) for each in frames]

        def through_host() -> None:
            sums["host"] = [_through_memory(ask, each.host().images) for each in decoder.batch(requests)]

        settle = settle_gpu if options.on_gpu else settle_nothing
        ours, beside = best_seconds([on_device, through_host], options.rounds, settle)
        ask("profile", None)
        with profiled(on_gpu=options.on_gpu) as copied:
            on_device()
            settle()
        copied_there, missed = ask("told", None)
    row.ours, row.beside = streams * seconds / ours, streams * seconds / beside
    row.check("tickets that led nowhere", missed, missed == 0)
    equal = sums["device"] == sums["host"]
    row.check("both ways gave the model the same", equal, equal)
    row.checks["bytes of frames"] = bytes_of_frames
    row.check("bytes to the host where it is decoded", copied, copied[TO_HOST] < FEW * bytes_of_frames)
    row.check("bytes from the host where the model is", copied_there, copied_there[FROM_HOST] < FEW * bytes_of_frames)
    row.check("held at the end", arena.held_bytes, arena.held_bytes == 0)
    arena.close()
    decoder.close()


def _through_memory(ask: Callable[[str, Any], Any], images: Any) -> Any:
    """As Ray's object store carries them: one copy in memory that both processes see."""
    import numpy as np

    path = MEMORY / f"arcus-bench-{os.getpid()}"
    try:
        np.memmap(path, np.uint8, "w+", shape=images.shape)[:] = images
        return ask("memory", (path, images.shape))
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def profiled(*, on_gpu: bool) -> Iterator[dict[str, int]]:
    """Bytes copied in this process between GPU and host, by direction: filled when it is left."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    copied: dict[str, int] = {TO_HOST: 0, FROM_HOST: 0}
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with tempfile.TemporaryDirectory() as folder:
        with profile(activities=activities) as trace:
            yield copied
            if on_gpu:
                torch.cuda.synchronize()
        path = Path(folder) / "trace.json"
        trace.export_chrome_trace(str(path))
        copied.update(copied_bytes(json.loads(path.read_text())))


def copied_bytes(trace: dict[str, Any]) -> dict[str, int]:
    """Of a trace as torch.profiler exports it: bytes by direction, as CUPTI names them."""
    copied = {TO_HOST: 0, FROM_HOST: 0}
    for event in trace["traceEvents"]:
        if event.get("cat") == "gpu_memcpy":
            for direction in copied:
                if direction in event["name"]:
                    copied[direction] += int(event.get("args", {}).get("bytes", 0))
    return copied


@contextmanager
def _model_process(*, on_gpu: bool) -> Iterator[Callable[[str, Any], Any]]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_model, args=(there, on_gpu), daemon=True)
    process.start()
    there.close()

    def ask(what: str, given: Any) -> Any:
        here.send((what, given))
        answer = here.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    try:
        yield ask
    finally:
        here.close()
        process.join(10)
        if process.is_alive():
            process.kill()


def _model(asked: Any, on_gpu: bool) -> None:
    """What a model does first with frames, of each that is asked for: the sum of what it makes."""
    import numpy as np
    import torch

    from ray_jobs.stages.device_frames import Taker

    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = torch.device("cuda", 0) if on_gpu else torch.device("cpu")
    patches = torch.nn.Conv2d(3, WIDTH, PATCH, PATCH).to(device).requires_grad_(False)
    taker, stack = Taker(), ExitStack()
    copied: dict[str, int] = {}

    def seen(images: Any) -> float:
        values = images.permute(0, 3, 1, 2).float() / 127.5 - 1
        values = torch.nn.functional.interpolate(values, (SIDE, SIDE), mode="bilinear", antialias=True)
        return float(patches(values).abs().mean())

    while True:
        try:
            what, given = asked.recv()
        except EOFError:
            return
        try:
            answer: Any = None
            if what == "ticket":
                with taker.frames(given) as frames:
                    answer = None if frames is None else seen(frames)
            elif what == "memory":
                path, shape = given
                answer = seen(torch.from_numpy(np.memmap(path, np.uint8, "r+", shape=shape)).to(device))
            elif what == "profile":
                copied = stack.enter_context(profiled(on_gpu=on_gpu))
            else:
                stack.close()
                answer = copied, taker.missed
        except Exception as error:
            answer = error
        asked.send(answer)
