"""The simulator beside loads that were run: the same arrivals, what is compared, and what is outside of it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from loadtests import calibrate_workers as workers
from loadtests.calibrate import SCENARIO, Alone, alone, asked, compared, simulated
from loadtests.calibrate_workers import SHAPE, AloneVideo, Videos, in_time, reads_of, videos_of
from loadtests.load.generator import Run
from loadtests.load.outcomes import Outcome
from loadtests.load.scenario import Script, schedule
from services.cli.calibration import (
    CALIBRATION,
    At,
    Calibration,
    WorkersAt,
    WorkersCalibration,
    measured_calibration,
    measured_workers_calibration,
)
from services.core.errors import ArcusError
from services.simulation.cluster import Machines

ALONE = Alone(front=0.01, place=6.0)
SIXES = SCENARIO.model_copy(update={"script": Script(messages=6, interval_seconds=1.0)})
LIGHT = asked(SIXES, 0.5, 60.0)


def test_a_light_load_takes_what_an_answer_alone_takes_and_a_heavy_one_waits_and_is_refused():
    light = simulated(LIGHT, ALONE)
    assert light.refused == 0 and len(light.answered) == len(schedule(LIGHT))
    assert light.first_token == pytest.approx([1.01] * len(light.answered))
    assert [seconds for _, seconds in light.answered] == pytest.approx([6.01] * len(light.answered))
    heavy = simulated(asked(SIXES, 8.0, 60.0), ALONE)
    written = sum(when <= 60.0 for when, _ in heavy.answered)
    assert written == pytest.approx(16 * 60 / 6, rel=0.11)  # its first answers take a tenth of the time to come
    assert heavy.refused + len(heavy.answered) == heavy.questions
    most = (16 + SIXES.system.engine.max_waiting) / 16 * 6.0 + 1.1
    assert heavy.refused and 2.0 < max(heavy.first_token) <= most


def outcomes(first: float, last: float) -> list[Outcome]:
    return [Outcome(order, 0.0, "completed", first_token_seconds=first, last_seconds=last) for order in schedule(LIGHT)]


def test_what_came_and_what_is_simulated_are_put_side_by_side():
    made = outcomes(1.01, 6.01)
    at = compared(0.2, LIGHT, Run(made, 70.0, 0.1), simulated(LIGHT, ALONE))
    assert all(abs(error) < 1e-3 for error in at.errors().values())
    assert alone(made, LIGHT) == Alone(pytest.approx(0.01), pytest.approx(6.0))
    slower = compared(0.2, LIGHT, Run(outcomes(1.3, 6.3), 70.0, 0.1), simulated(LIGHT, ALONE))
    assert slower.errors()["first_token_p95_seconds"] == pytest.approx(1.01 / 1.3 - 1, abs=1e-3)
    for bad in (Run(made, 70.0, 0.9), Run([replace(made[0], result="failed", problem="cut")], 70.0, 0.1)):
        with pytest.raises(ArcusError, match=r"of its core|cut"):
            compared(0.2, LIGHT, bad, simulated(LIGHT, ALONE))
    with pytest.raises(ArcusError, match="No answer"):
        alone([], LIGHT)


def test_what_is_off_by_more_than_a_tenth_and_what_is_outside_is_told(tmp_path: Path):
    near, off = At(0.5, 9, (0, 0), (1.0, 1.05), (2.0, 1.9), (3.0, 3.0)), At(1.1, 9, (2, 1), (1, 1), (2, 2.5), (3, 3))
    calibration = Calibration("2026-11-30", "2 cores", 1, 16, 8, 2, 2.6, (near, off))
    assert calibration.beyond() == ["first token p95 s at 1.1 of the knee +25%"]
    assert len(list(calibration.table())) == 3
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(asdict(calibration)))
    assert measured_calibration(path) == calibration
    like = Machines(1, 1.0, 1, 16, 8, 1.0, 1.0, 1, 1.0)
    assert calibration.outside(like, 0.7) == []
    other = replace(like, engines=3, places=64, waiting=128)
    assert len(calibration.outside(other, 0.1)) == 3


def test_what_the_plan_shows_was_run_at_three_loads():
    for calibration in (measured_calibration(CALIBRATION), measured_workers_calibration()):
        assert [at.of_knee for at in calibration.loads] == [0.5, 0.8, 1.1]


ALONE_VIDEO = AloneVideo(claim=0.1, turn=0.2, rate=40.0)


def test_a_simulated_worker_takes_a_video_alone_as_long_as_a_real_one_and_tenants_by_their_weights():
    (first, *_) = videos_of(SHAPE, 1.0, 10.0).orders
    order = replace(first, number=0, at_seconds=1.0)
    (read,) = workers.simulated(SHAPE, Videos([order], [160.0], 2.0), ALONE_VIDEO).read
    assert (read.came, read.begun, read.done) == pytest.approx((1.0, 1.1, 5.3))
    (long,) = workers.simulated(SHAPE, Videos([order], [800.0], 2.0), ALONE_VIDEO).read
    assert long.done - long.begun == pytest.approx(20.2), "its turns are one where nobody waits"
    law = videos_of(SHAPE, 5.0, 120.0)
    assert sum(law.lengths) / len(law.lengths) == pytest.approx(160.0, rel=0.02)
    much = replace(law, lengths=[100.0] * len(law.orders))  # three times what the places read
    done = [read for read in workers.simulated(SHAPE, much, ALONE_VIDEO).read if read.done <= 120.0]
    of = {name: sum(read.video_seconds for read in done if read.tenant == name) for name in SHAPE.weights}
    assert sum(of.values()) == pytest.approx(4 * 100.0 / 2.7 * 120, rel=0.03)
    assert of["first"] / of["third"] == pytest.approx(3.0, rel=0.1)
    at = workers.compared(5.0, SHAPE, much, done, workers.simulated(SHAPE, much, ALONE_VIDEO))
    assert at.video_seconds_per_second[0] == at.video_seconds_per_second[1] and at.fairness[0] > 0.99


def test_a_video_that_was_not_read_or_an_arrival_that_was_late_is_no_calibration():
    videos = videos_of(SHAPE, 1.0, 10.0)
    made = [Outcome(order, 0.0, "completed", first_event_seconds=0.1, last_seconds=4.1) for order in videos.orders]
    reads = reads_of(Run(made, 70.0, 0.1), videos)
    assert [read.video_seconds for read in reads] == videos.lengths
    assert reads[0].done - reads[0].begun == pytest.approx(4.0)
    late, failed = (replace(made[0], delay_seconds=1.0), replace(made[0], result="failed", problem="lost"))
    for bad in ([late] * len(made), [failed, *made[1:]]):
        with pytest.raises(ArcusError, match=r"late|lost"):
            reads_of(in_time(Run(bad, 70.0, 0.1)), videos)


def test_workers_that_are_not_like_those_that_were_run_are_told(tmp_path: Path):
    near = WorkersAt(0.5, 9, (80, 82), (0.1, 0.2), (3.0, 2.9), (9, 9), (0.9, 0.9))
    off = WorkersAt(1.1, 9, (80, 82), (0.1, 0.2), (3.0, 4.0), (9, 9), (0.9, 0.9))
    calibration = WorkersCalibration("2026-11-30", "2 cores", 2, 4, 160.0, 160.0, (near, off))
    assert calibration.beyond() == ["queue age p95 s at 1.1 of the knee +33%"]
    path = tmp_path / "workers.json"
    path.write_text(json.dumps(asdict(calibration)))
    assert measured_workers_calibration(path) == calibration
    like = Machines(4, 1.0, 1, 16, 8, 1.0, 1.0, 1, 1.0)
    assert calibration.outside(like, 160.0, 0.7) == []
    assert len(calibration.outside(replace(like, workers=3), 600.0, 0.1)) == 3
