"""A sweep's knee is where what is done well stops following what is asked, and never what the generator could not measure."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from loadtests.knees.found import write_rate
from loadtests.knees.steps import Step, Swept, at_rate, found, kept, knee, rates, step_of
from loadtests.knees.worker import Reading, found_of
from loadtests.load.generator import Run
from loadtests.load.outcomes import Outcome
from loadtests.load.scenario import Objective, Scenario, schedule
from loadtests.load.verdict import judge
from services.cli.rates import RATES, measured_rates
from services.core.errors import ArcusError


def step(asked: float, good: float, *, delay: float = 0.0, cpu: float = 0.1) -> Step:
    return Step(asked, good, 0.1, delay, cpu)


@pytest.mark.parametrize(
    ("steps", "found", "told"),
    [
        ([step(10, 10), step(15, 14.8), step(22, 16)], 15, "the knee"),
        ([step(10, 10), step(15, 15)], 15, "at least"),
        ([step(10, 10), step(15, 15, delay=0.02)], 10, "at least"),
        ([step(10, 10), step(15, 3, cpu=0.9)], 10, "at least"),
        ([step(10, 4)], 0, "below the first step"),
        ([], 0, "below the first step"),
    ],
)
def test_the_knee_is_the_last_rate_that_was_followed(steps: list[Step], found: float, told: str):
    rate, what = knee(steps)
    assert rate == found and what.startswith(told)


def test_beyond_the_knee_goodput_is_held_to_that_at_the_knee():
    steps = [step(10, 10), step(15, 14.5), step(22, 16)]
    assert kept(steps, step(30, 13.05)) == pytest.approx(0.9)
    for few, beyond, told in (([step(10, 4)], step(30, 30), "no knee"), (steps, step(30, 14, delay=0.02), "was late")):
        with pytest.raises(ArcusError, match=told):
            kept(few, beyond)


def test_the_rate_of_a_core_is_written_where_a_plan_reads_it_and_says_whether_it_is_the_knee(tmp_path: Path):
    swept = Swept(
        lambda rate: step(rate, rate), "front", "questions/s", 1, "questions of a front", "a front, `answers`"
    )
    steps = [replace(step(10, 10), cores=0.2), replace(step(15, 14.8), cores=0.4), replace(step(22, 16), cores=0.5)]
    path = tmp_path / "rates.json"
    path.write_text(json.dumps({"other": asdict(RATES["decode"])}))
    for made, told in ((steps, "37.5 questions/s"), (steps[:2], "at least 37.5 questions/s")):
        per_core = found(swept, made)
        assert per_core is not None and per_core.quoted in per_core.row(1.0, 2.0)
        write_rate(per_core, path)
        assert str(measured_rates(path)["questions of a front"]).startswith(
            f"{told} on one CPU core: loadtests/RESULTS"
        )
        assert measured_rates(path)["other"] == RATES["decode"]
    assert found(swept, [step(10, 4)]) is None and found(swept, [step(10, 10)]) is None


def test_a_worker_reads_no_more_of_twice_as_many_videos_or_that_was_not_seen():
    one, two, four = Reading(1, 54, 27.0, 40.0), Reading(2, 108, 36.0, 64.0), Reading(4, 216, 70.0, 130.0)
    knee = found_of([one, two, four])
    assert knee.per_core == pytest.approx(216 / 130) and not knee.at_least and "3.09 video seconds/s of 4" in knee.steps
    assert found_of([one, two]).at_least


def test_rates_rise_to_the_last_and_what_does_not_rise_is_refused():
    assert list(rates(5, 2, 25)) == [5, 10, 20]
    for first, factor, last, told in (
        (0, 2, 5, "--from"),
        (9, 2, 5, "--from"),
        (1, 1, 5, "--factor"),
        (1, 1.1, 500, "steps"),
    ):
        with pytest.raises(ArcusError, match=told):
            list(rates(first, factor, last))
    with pytest.raises(ArcusError, match="--factor"):
        list(rates(1, math.nan, 5))


def test_a_step_counts_what_met_its_objectives_by_the_time_in_which_it_was_asked():
    soon = Objective(measure="first_token_seconds", percentile=90, at_most=1.0)
    scenario = Scenario(name="test", duration_seconds=10, journeys={"answer": 1}, objectives=(soon,))
    scenario = at_rate(
        scenario.model_copy(update={"arrivals": scenario.arrivals.model_copy(update={"law": "constant"})}), 4
    )
    outcomes = [
        Outcome(order, 0.0, "completed", first_token_seconds=0.1 if order.number % 2 else 3.0, last_seconds=4.0)
        for order in schedule(scenario)
    ]
    run = Run(outcomes, 14.0, 0.1)  # the last ones ended four seconds later
    found = step_of(scenario, judge(scenario, run), run)
    assert found.asked_per_second == pytest.approx(len(outcomes) / 10)
    assert found.good_per_second == pytest.approx(found.asked_per_second / 2, rel=0.06)
    assert found.p95_seconds == 3.0 and not found.follows
