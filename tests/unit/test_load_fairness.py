"""Fairness of a load test: of the work that was done for tenants, by their shares."""

from __future__ import annotations

import pytest

from loadtests.load.generator import Run
from loadtests.load.outcomes import Outcome
from loadtests.load.scenario import Order, Scenario
from loadtests.load.verdict import judge


def fairness(tenants: dict[str, float], *outcomes: Outcome) -> float:
    scenario = Scenario(name="test", duration_seconds=100, journeys={"answer": 1}, tenants=tenants)  # type: ignore[arg-type]
    return judge(scenario, Run(list(outcomes), 10.0, 0.1)).measures["fairness"]


def done(tenant: str, *, tokens: int = 0, video_seconds: float = 0.0) -> Outcome:
    order = Order(0, 0.0, tenant, "answer", True)
    return Outcome(order, 0.0, "completed", last_seconds=0.1, tokens=tokens, video_seconds=video_seconds)


def test_it_is_jains_index_over_shares() -> None:
    shares = {"one": 1.0, "two": 3.0}
    assert fairness(shares, done("one"), *[done("two")] * 3) == 1
    assert fairness(shares, *[done("one")] * 4) == 0.5


def test_it_is_of_work_and_not_of_journeys() -> None:
    alike = {"one": 1.0, "two": 1.0}
    assert fairness(alike, done("one", tokens=300), done("two", tokens=100), done("two", tokens=200)) == 1
    assert fairness(alike, done("one", tokens=300), done("two", tokens=100)) == pytest.approx(0.8)
    assert fairness(alike, done("one", video_seconds=60), done("two", video_seconds=20)) == pytest.approx(0.8)
    # A quarter of the tokens and three quarters of the video seconds are half of the work.
    videos = done("one", video_seconds=20), done("two", video_seconds=60)
    assert fairness(alike, done("one", tokens=300), done("two", tokens=100), *videos) == 1
    assert fairness(alike, done("one"), done("two")) == 1
