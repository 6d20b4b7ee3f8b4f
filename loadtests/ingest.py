"""Ingest as a whole against its slowest stage alone: python -m loadtests.ingest [--json PATH]

The same video, several times: once through the running system, and once through each stage by itself in as many
processes as there are cores; through the slowest of them once more at the end, as machines change their speed. The
segments are counted on both sides. Where the time of the whole went is told in processor seconds of each kind of process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from loadtests.processes import Usage, watched
from loadtests.running import EXAMPLE, running_system
from ray_jobs.stages.probe import ProbeLimits, probe
from services.cli.client import Client

COPIES = 4
WINDOW_SECONDS = 20.0
STAGES = ("decode", "transcribe", "read")

_engine: dict = {}


def set_up(stage: str) -> None:
    """Loads a stage's model in a worker process."""
    if stage == "transcribe":
        from ray_jobs.engines.embedded.adapters import ThreadedTranscriber

        _engine["stage"] = ThreadedTranscriber()
        asyncio.run(_engine["stage"].setup())
    elif stage == "read":
        from ray_jobs.engines.embedded.scene_text import SceneTextReader

        _engine["stage"] = SceneTextReader()
        _engine["stage"].setup()


def warm(_number: int) -> None:
    time.sleep(0.2)


def run_stage(stage: str, start: float, end: float) -> tuple[float, float]:
    """One segment through one stage; frames for reading are decoded outside the clock. Returns (seconds, CPU seconds)."""
    from ray_jobs.stages.describe import hear, moments_of
    from ray_jobs.stages.sampling import Sampling, sample_frames
    from services.core.media import Span

    span, sampling = Span(start, end), Sampling(2.0, 16, 1280)
    info = _engine.setdefault("info", probe(EXAMPLE, ProbeLimits()))
    frames = sample_frames(EXAMPLE, info, span, sampling) if stage == "read" else None
    started, spent = time.perf_counter(), time.process_time()
    if stage == "decode":
        sample_frames(EXAMPLE, info, span, sampling)
    elif stage == "transcribe":
        asyncio.run(hear(EXAMPLE, info, span, "load", _engine["stage"]))
    else:
        assert frames is not None
        _engine["stage"].read(frames.images, frames.times, end, moments=moments_of(frames))
    return time.perf_counter() - started, time.process_time() - spent


def stage_seconds(stage: str, spans: list[tuple[float, float]]) -> tuple[float, float]:
    """(seconds, CPU seconds) for all segments, with every core at work on this stage."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, initializer=set_up, initargs=(stage,)) as pool:
        list(pool.map(warm, range(cores * 2)))
        jobs = [pool.submit(run_stage, stage, start, end) for start, end in spans]
        results = [job.result() for job in jobs]
    return sum(seconds for seconds, _ in results) / cores, sum(spent for _, spent in results)


def whole_seconds() -> tuple[float, int, Usage]:
    """(seconds, segments, what the processes took) of COPIES files through the running system."""
    with running_system({"ARCUS_INGEST_CONCURRENCY": str(COPIES)}) as system, Client(system.url, system.key) as client:
        # Each copy goes into a collection with a prompt of its own: equal work would be done once.
        pairs = []
        for number in range(COPIES):
            file = client.upload(EXAMPLE)["id"]
            body = {"name": f"copy {number}", "collection_type": "media-descriptions"}
            pairs.append((client.post("/collections", body)["id"], file))
        while any(client.get(f"/files/{file}")["status"] != "completed" for _, file in pairs):
            time.sleep(0.1)
        with watched(system.pid) as usage:
            started = time.perf_counter()
            for collection, file in pairs:
                client.post(f"/collections/{collection}/media", {"file_id": file})
            states: list[dict] = []
            while len(states) < COPIES:
                states = [client.get(f"/collections/{collection}/media/{file}") for collection, file in pairs]
                states = [state for state in states if state["status"] in ("completed", "failed")]
                time.sleep(0.5)
            seconds = time.perf_counter() - started
    if any(state["status"] != "completed" for state in states):
        raise SystemExit("A file failed.")
    return seconds, sum(state["progress"]["segments_done"] for state in states), usage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    length = probe(EXAMPLE, ProbeLimits()).duration_seconds
    spans = []
    start = 0.0
    while start < length:
        spans.append((start, min(start + WINDOW_SECONDS, length)))
        start += WINDOW_SECONDS
    alone = {stage: stage_seconds(stage, spans * COPIES) for stage in STAGES}
    slowest = max(alone, key=lambda stage: alone[stage][0])
    whole, segments, usage = whole_seconds()
    if segments != COPIES * len(spans):
        raise SystemExit(f"{segments} segments were described, {COPIES * len(spans)} were expected.")
    before, after = alone[slowest], stage_seconds(slowest, spans * COPIES)
    around = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    video = COPIES * length
    result: dict[str, Any] = {
        "segments": segments,
        "whole_video_seconds_per_second": round(video / whole, 2),
        "stages_alone_video_seconds_per_second": {
            stage: round(video / seconds, 2) for stage, (seconds, _) in alone.items()
        },
        "stages_alone_cpu_seconds": {stage: round(spent, 1) for stage, (_, spent) in alone.items()},
        "whole_cpu_seconds": {
            name: round(seconds, 1)
            for name, seconds in sorted(usage.cpu_seconds.items(), key=lambda item: -item[1])
            if seconds >= 0.1
        },
        "cores_busy": round(usage.total_cpu_seconds / whole, 2),
        "slowest_stage": slowest,
        "slowest_stage_seconds_before_and_after": [round(before[0], 1), round(after[0], 1)],
        "ratio_to_slowest_stage": round(around[0] / whole, 3),
        # The stages share the cores: with every core at work all the time, the ratio would be this.
        "ratio_at_most": round(around[1] / usage.total_cpu_seconds, 3),
    }
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1))
    sys.exit(0 if result["ratio_to_slowest_stage"] >= 0.85 else 1)


if __name__ == "__main__":
    main()
