"""A plan adds up from rates whose sources can be looked up, and refuses loads that mean nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from services.cli.rates import OWN, RATES
from services.cli.sizing import Load, plan
from services.core.errors import ArcusError

RESULTS = (Path(__file__).parents[2] / OWN).read_text()
LOAD = Load(videos_per_day=1440, questions_per_second=3, minutes_per_video=1, peak=2.0, days_kept=10)


def amounts(load: Load, **options) -> dict[str, float]:
    found = plan(load, **options)
    return {need.what: need.amount for need in (*found.needs, *found.machines)}


@pytest.mark.parametrize("name", RATES)
def test_every_rate_says_where_and_when_it_was_measured(name):
    rate = RATES[name]
    assert rate.value > 0 and rate.unit and rate.hardware and rate.source and rate.date
    if rate.source.startswith(OWN):
        rows = [row for row in RESULTS.splitlines() if row.startswith(f"| {rate.date} |")]
        assert any(rate.quoted in row for row in rows)


def test_the_parts_follow_from_the_rates():
    found = amounts(LOAD)  # a minute of video every minute, twice that at the peak
    assert found["describe"] == pytest.approx(2 / RATES["describe"].value)
    assert found["transcribe"] == pytest.approx(2 / RATES["transcribe"].value)
    assert found["decode"] == pytest.approx(60 / RATES["decode"].value)
    assert found["answer"] == pytest.approx(3 * (300 + 600) / RATES["answer"].value)
    compute = sum(found[name] for name in ("describe", "transcribe", "embed", "answer"))
    assert found["GPUs of 80 GB"] == math.ceil(compute / LOAD.use) == 1
    seconds = 1440 * 60 * 10
    assert found["index memory"] == pytest.approx(seconds / 20 * 8 * 1024 * 4 * 1.25 / 2**30)
    assert found["object storage"] == pytest.approx(seconds * 5e6 / 8 / 1e12)


def test_each_question_searches_every_shard():
    one, many = LOAD, replace(LOAD, videos_per_day=2_000_000)
    per_core = RATES["searches of a shard"].value
    assert amounts(one)["index"] == pytest.approx(3 / per_core)
    assert amounts(many)["index"] == pytest.approx(3 * amounts(many)["index shards"] / per_core)
    assert amounts(many)["index shards"] > 1


def test_twice_the_load_takes_twice_as_much():
    large = replace(LOAD, videos_per_day=100_000, questions_per_second=200)
    twice = replace(large, videos_per_day=200_000, questions_per_second=400)
    for what, amount in amounts(large).items():
        times = 4 if what == "index" else 2  # twice the questions, each of which searches twice as many shards
        if what != "CPU cores":
            assert amounts(twice)[what] == pytest.approx(times * amount, rel=0.02)
    cores = sum(amounts(twice)[what] for what in ("screen text", "front", "index"))
    assert amounts(twice)["CPU cores"] == math.ceil(cores / twice.use)


def test_decoding_asks_for_gpus_where_it_needs_more_than_all_the_rest():
    slow = {**RATES, "decode": replace(RATES["decode"], value=30.0)}
    found = amounts(LOAD, rates=slow)
    assert found["GPUs of 80 GB"] == math.ceil(2 / LOAD.use)


def test_nothing_to_do_takes_no_gpu_and_the_least_machine():
    found = amounts(Load(0, 0))
    assert (found["GPUs of 80 GB"], found["CPU cores"], found["index shards"]) == (0, 2, 1)
    assert found["index memory"] == found["object storage"] == 0


def test_without_gpus_the_cores_do_everything():
    found = amounts(LOAD, on_gpu=False)
    assert "GPUs of 80 GB" not in found
    assert found["everything"] == pytest.approx(2 / RATES["everything on a core"].value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"videos_per_day": -1}, "videos_per_day"),
        ({"questions_per_second": math.nan}, "questions_per_second"),
        ({"minutes_per_video": 0}, "minutes_per_video"),
        ({"days_kept": math.inf}, "days_kept"),
        ({"peak": 0.5}, "peak"),
        ({"use": 1.5}, "use"),
    ],
)
def test_a_load_that_means_nothing_is_refused_by_name(change, field):
    with pytest.raises(ArcusError, match=f"^{field} is"):
        replace(LOAD, **change)
