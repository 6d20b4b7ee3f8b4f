"""A front, which is asked as a scenario says: its objectives are what is done well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.knees.steps import Step, Swept, at_rate, step_of
from loadtests.load.__main__ import run
from loadtests.load.scenario import load_scenario
from loadtests.load.systems import own_system


@contextmanager
def of_a_front(path: Path) -> Iterator[Swept]:
    scenario = load_scenario(path)
    at_rate(scenario, 1.0)
    with own_system([scenario]) as system:

        def step(rate: float) -> Step:
            each = at_rate(scenario, rate)
            return step_of(each, *asyncio.run(run(each, system)))

        yield Swept(
            step, "front", "questions/s", scenario.system.fronts, "questions of a front", f"a front, `{scenario.name}`"
        )
