"""A simulated day: what holds, what breaks first, and what is refused to be simulated."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from services.cli.simulated_plan import BUSIEST, Setup, broken, day_of, machines_of, most_held
from services.cli.sizing import Load
from services.core.errors import ArcusError
from services.simulation.cluster import Result

INGEST = Setup(Load(2500, 0.0), gpus=3, tenants=20)
ANSWERS = Setup(Load(0, 1.0), gpus=1, tenants=20)
PLAN = ["plan", "--videos-per-day", "100", "--questions-per-second", "0.01"]


def busiest(setup: Setup, factor: float = 1.0):
    return day_of(setup, machines_of(setup), factor=factor, span=BUSIEST)


def test_the_same_seed_gives_the_same_day_and_another_another():
    first, again, other = (busiest(setup) for setup in (INGEST, INGEST, replace(INGEST, seed=2)))
    assert first == again != other


def test_workers_are_as_busy_as_the_load_over_the_machines_makes_them():
    setup = Setup(Load(20_000, 0.0, peak=1.0), gpus=24, tenants=20)  # so many that the sample errs by 1 %
    machines = machines_of(setup)
    load = setup.load.video_seconds_per_second / machines.video_seconds_per_second
    result = day_of(setup, machines, span=(0.0, 86_400.0))
    assert result.workers_busy == pytest.approx(load, rel=0.05) and not broken(result)


def test_too_many_videos_break_ingest_and_too_many_questions_the_engines():
    (ingest,) = broken(busiest(INGEST, 3.0))
    assert ingest.startswith("ingest workers")
    assert any("refused" in problem for problem in broken(busiest(ANSWERS, 8.0)))


def test_more_gpus_hold_more_and_the_bound_is_where_the_machines_are_full():
    """Peak load of the busiest hour over what the workers read, less what a wait of 15 minutes allows."""
    held, first = most_held(INGEST, machines_of(INGEST))
    full = machines_of(INGEST).video_seconds_per_second / INGEST.load.video_seconds_per_second
    assert 0.7 * full < held < 1.3 * full and first[0].startswith("ingest")
    more, _ = most_held(INGEST, machines_of(replace(INGEST, gpus=6)))
    assert 1.6 * held < more < 2.4 * held


@pytest.mark.parametrize(("faster", "first"), [(0.5, "ingest"), (1.0, "answering")])
def test_what_breaks_first_is_the_part_that_holds_least(faster: float, first: str):
    both = Setup(Load(2500, 0.3), gpus=3, tenants=20)
    machines = machines_of(both)
    machines = replace(machines, video_seconds_per_second=faster * machines.video_seconds_per_second)
    parts = replace(both.load, questions_per_second=0.0), replace(both.load, videos_per_day=0.0)
    alone = [most_held(replace(both, load=part), machines) for part in parts]
    held, problems = most_held(both, machines)
    assert (held, problems) == min(alone) and problems[0].startswith(first)


def test_many_questions_are_looked_at_in_the_part_of_the_busiest_hour_that_brings_enough(monkeypatch):
    """A queue of questions fills in seconds; the whole hour of 64 GPUs would take minutes for each factor."""
    spans = []

    def day(setup, machines, *, factor, span):
        spans.append((factor, span))
        return Result(questions=1, refused=int(factor > 3.0))

    monkeypatch.setattr("services.cli.simulated_plan.day_of", day)
    held, _ = most_held(Setup(Load(0, 20.0), gpus=64, tenants=20), machines_of(Setup(Load(0, 20.0), 64, 20)))
    assert 3.0 / 1.05 <= held <= 3.0 and len(spans) < 15
    for factor, (begin, end) in spans:
        assert begin + end == 86_400 and end - begin == pytest.approx(max(600, min(3600, 20_000 / (20 * factor))))


@pytest.mark.parametrize(
    ("setup", "told"),
    [
        (lambda: Setup(Load(1, 1), 0, 1), "gpus is 0; it must be from 1 to 1024"),
        (lambda: Setup(Load(1, 1), 1, 0), "tenants is 0"),
        (lambda: Setup(Load(0, 0), 1, 1), "Nothing comes"),
        (lambda: Setup(Load(1, 1, peak=2000), 1, 1), "peak is 2000; a day of one up to 24"),
        (lambda: Setup(Load(0, 1000), 1, 1), "give a part of the load"),
    ],
)
def test_what_can_not_be_simulated_says_what_to_change(setup, told):
    with pytest.raises(ArcusError, match=told):
        setup()


def test_the_command_answers_and_its_status_says_whether_it_holds():
    found = CliRunner().invoke(app, [*PLAN, "--simulate"])
    assert found.exit_code == 0, found.output
    for part in (
        "holds: yes",
        "breaks first, beyond",
        "one more GPU:",
        "calibrated 20",
        "2 workers with 4 videos at once",
        "queue age p95 s",
        "extrapolated: 1 videos at once, not 4",
        "extrapolated: engines: 1 of 64 places",
        "NVIDIA VSS",
    ):
        assert part in found.output
    for wrong, told in ((["--simulate", "--cpu"], "leave out --cpu"), (["--gpus", "2"], "goes with --simulate")):
        refused = CliRunner().invoke(app, [*PLAN, *wrong])
        assert refused.exit_code == 1 and told in str(refused.exception)
