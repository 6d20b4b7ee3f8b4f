"""Frames go from the stage that decodes to the one that describes through the object store, and nobody copies them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from ray_jobs.stages.probe import probe
from ray_jobs.stages.sampling import Sampling, sample_frames
from services.core.media import Span
from services.core.settings import Settings
from tests.media import clip
from tests.running_system import ROOT


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ARCUS_", "RAY_"))}
    environment |= {
        "ARCUS_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "PYTHONPATH": f"{ROOT}:{ROOT}/proto",
    }
    report = tmp_path_factory.mktemp("report") / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.systems.passed_frames", str(clip("screencast.webm")), str(report)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(report.read_text())


def test_the_store_holds_one_copy_of_each_segments_frames_and_lets_go_of_it(passed):
    seen = passed["seen"]
    objects, held_bytes = np.subtract(passed["during"], passed["before"])
    assert len(seen) <= objects <= len(seen) + 2  # Serve may keep something small of its own
    # The counter is in whole MiB, and an object has a little beside its pictures: much less than one more copy.
    assert abs(held_bytes - sum(frames["bytes"] + frames["moment_bytes"] for frames in seen)) < 2 * 2**20
    assert passed["after"][1] <= passed["before"][1]


def test_who_describes_reads_the_stores_memory_itself(passed):
    for frames in passed["seen"]:
        assert not frames["is_own"] and not frames["is_writeable"]
        assert frames["private_bytes"] < frames["bytes"] / 2


def test_the_frames_that_arrive_are_those_that_were_decoded(passed):
    settings = Settings()
    sampling = Sampling(settings.frame_interval_seconds, settings.max_frames_per_segment, settings.frame_max_side)
    path = clip("screencast.webm")
    info = probe(path)
    for number, frames in enumerate(passed["seen"]):
        decoded = sample_frames(path, info, Span(8.0 * number, 8.0 * number + 8.0), sampling)
        assert frames["count"] == len(decoded) == 4
        assert frames["sum"] == int(decoded.images.sum(dtype=np.int64))
