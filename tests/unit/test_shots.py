"""Shot boundaries against those that were made."""

from itertools import pairwise

import pytest

from ray_jobs.stages.probe import probe
from ray_jobs.stages.shots import detect_shots
from services.core.errors import ArcusError
from services.core.media import ShotDetectorConfig
from tests.media import clip, scenes

CUTS = {  # seconds, and how near
    "shots.webm": (scenes.SHOTS[1:], 0.1),
    "slide_cuts.mp4": (scenes.SLIDE_CUTS[1:], 0.1),
    "fades.mp4": (scenes.FADES[1:], 0.5),
}
UNCUT = ("moving.avi", "tracks.mp4", "even.webm")  # though everything in them moves


def shots_of(name: str, config: ShotDetectorConfig | None = None):
    return detect_shots(clip(name), probe(clip(name)), config or ShotDetectorConfig())


@pytest.mark.parametrize("name", CUTS)
def test_every_cut_is_found_and_no_other(name):
    truth, tolerance = CUTS[name]
    assert [shot.start_time for shot in shots_of(name)[1:]] == pytest.approx(list(truth), abs=tolerance)


@pytest.mark.parametrize("name", UNCUT)
def test_what_moves_without_a_cut_is_one_shot(name):
    assert len(shots_of(name)) == 1


def test_shots_cover_the_file_without_gaps():
    shots = shots_of("fades.mp4")
    assert shots[0].start_time == 0.0
    assert shots[-1].end_time == pytest.approx(10.0, abs=0.05)
    assert all(a.end_time == b.start_time for a, b in pairwise(shots))


def test_a_long_shot_is_split_and_a_short_one_joined():
    split = shots_of("fades.mp4", ShotDetectorConfig(max_seconds=2.0))
    assert len(split) > 3 and all(shot.duration <= 2.0 + 1e-6 for shot in split)
    joined = shots_of("shots.webm", ShotDetectorConfig(min_seconds=5.0))
    assert all(shot.duration >= 5.0 for shot in joined)


def test_a_minimum_above_the_maximum_is_refused():
    with pytest.raises(ArcusError, match="max_seconds"):
        shots_of("hevc.mp4", ShotDetectorConfig(min_seconds=5.0, max_seconds=2.0))
