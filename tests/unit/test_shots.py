"""Shot boundaries against published and hand-made truth."""

from itertools import pairwise
from pathlib import Path

import pytest

from ray_jobs.stages.probe import probe
from ray_jobs.stages.shots import detect_shots
from services.core.errors import ArcusError
from services.core.media import ShotDetectorConfig

MEDIA = Path(__file__).parents[2].parent / "shared" / "media"
# Seconds; PySceneDetect's own expectations for its two clips, ground_truth.json for the others.
CUTS = {
    "bbb_30s_vp8.webm": ((11.8, 15.7, 23.0), 0.5),
    "slides_lorem_1fps.mp4": ((17.0, 19.0, 24.0), 1.0),
    "shots_testvideo.mp4": ((15 / 29.97, 198 / 29.97, 377 / 29.97), 0.5),
    "shots_fades.mp4": ((84 / 25, 167 / 25), 0.5),
}


def shot_boundary_scores(found: list[float], truth: tuple[float, ...], tolerance: float) -> tuple[int, int, int]:
    """(hits, found, true) of boundaries in seconds; every true one is hit at most once."""
    left, hits = list(found), 0
    for cut in truth:
        nearest = min(left, key=lambda time: abs(time - cut), default=None)
        if nearest is not None and abs(nearest - cut) <= tolerance:
            left.remove(nearest)
            hits += 1
    return hits, len(found), len(truth)


def shots_of(name: str, config: ShotDetectorConfig | None = None):
    return detect_shots(MEDIA / name, probe(MEDIA / name), config or ShotDetectorConfig())


@pytest.mark.parametrize("name", CUTS)
def test_shots_are_found_with_an_f1_of_at_least_0_8(name):
    truth, tolerance = CUTS[name]
    hits, found, true = shot_boundary_scores([shot.start_time for shot in shots_of(name)[1:]], truth, tolerance)
    assert 2 * hits / (found + true) >= 0.8


def test_shots_cover_the_file_without_gaps():
    shots = shots_of("shots_fades.mp4")
    assert shots[0].start_time == 0.0
    assert shots[-1].end_time == pytest.approx(10.0, abs=0.05)
    assert all(a.end_time == b.start_time for a, b in pairwise(shots))


def test_a_long_shot_is_split_and_a_short_one_joined():
    split = shots_of("shots_fades.mp4", ShotDetectorConfig(max_seconds=2.0))
    assert len(split) > 3 and all(shot.duration <= 2.0 + 1e-6 for shot in split)
    joined = shots_of("shots_testvideo.mp4", ShotDetectorConfig(min_seconds=5.0))
    assert all(shot.duration >= 5.0 for shot in joined)


def test_a_minimum_above_the_maximum_is_refused():
    with pytest.raises(ArcusError, match="max_seconds"):
        shots_of("hevc_tiny.mp4", ShotDetectorConfig(min_seconds=5.0, max_seconds=2.0))
