"""What is kept of the work of stages, and of what a worker has in hand."""

from __future__ import annotations

import pytest

from ray_jobs.progress import Progress
from ray_jobs.stage_times import MAX_KEPT, StageTimes
from services.core.errors import MediaError
from services.core.jobs import KINDS


def test_a_piece_of_work_is_taken_once_and_one_that_failed_is_none() -> None:
    times = StageTimes()
    with times.stage("decode"):
        pass
    with pytest.raises(MediaError), times.stage("probe"):
        raise MediaError("No video.")
    ((stage, seconds),) = times.taken()
    assert stage == "decode" and 0 <= seconds < 60
    assert not list(times.taken())


def test_where_nobody_takes_them_the_oldest_are_forgotten() -> None:
    times = StageTimes()
    for _ in range(MAX_KEPT):
        with times.stage("decode"):
            pass
    with times.stage("embed"):
        pass
    kept = [stage for stage, _ in times.taken()]
    assert len(kept) == MAX_KEPT and kept[-1] == "embed"


def test_a_job_is_in_hand_until_it_ends_also_where_it_fails() -> None:
    progress = Progress()
    with pytest.raises(MediaError), progress.job("describe"):
        assert progress.in_hand == {**dict.fromkeys(KINDS, 0), "describe": 1}
        raise MediaError("No video.")
    assert progress.in_hand == dict.fromkeys(KINDS, 0)
