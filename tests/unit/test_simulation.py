"""The simulator agrees with what queueing theory knows, with the engine's own turns as the queue."""

from __future__ import annotations

import asyncio
import math
import random
from statistics import fmean

import pytest

from services.core.engines.fair_turns import FairTurns
from services.simulation.virtual_time import simulate

CUSTOMERS = 20_000


async def queue(places: int, per_second: float, served_per_second: float) -> dict[str, float]:
    """Means: gaps, services, seconds in the system, and how many are in it (by its area over time, not by Little)."""
    lot, loop = random.Random(3), asyncio.get_running_loop()
    turns = FairTurns(places, CUSTOMERS)
    gaps = [lot.expovariate(per_second) for _ in range(CUSTOMERS)]
    services = [lot.expovariate(served_per_second) for _ in range(CUSTOMERS)]
    stays: list[float] = []
    inside = area = changed = 0.0

    def change(by: int) -> None:
        nonlocal inside, area, changed
        area += inside * (loop.time() - changed)
        inside, changed = inside + by, loop.time()

    async def customer(seconds: float) -> None:
        change(1)
        came = loop.time()
        async with turns.turn("one", 1):
            await asyncio.sleep(seconds)
        change(-1)
        stays.append(loop.time() - came)

    async with asyncio.TaskGroup() as group:
        for gap, seconds in zip(gaps, services, strict=True):
            await asyncio.sleep(gap)
            group.create_task(customer(seconds))
    return {"gap": fmean(gaps), "service": fmean(services), "stay": fmean(stays), "inside": area / loop.time()}


def erlang_c(places: int, load: float) -> float:
    """The share that waits, in M/M/k."""
    full = load**places / math.factorial(places) * places / (places - load)
    return full / (sum(load**n / math.factorial(n) for n in range(places)) + full)


@pytest.mark.parametrize(("places", "per_second"), [(1, 0.3), (8, 5.0)], ids=["M/M/1", "M/M/8"])
def test_stays_are_those_of_queueing_theory(places: int, per_second: float):
    found = simulate(queue(places, per_second, 1.0))
    # Against the rates that were drawn: the sample's own error is no error of the simulator.
    service, load = found["service"], found["service"] / found["gap"]
    theory = service + erlang_c(places, load) * service / (places - load)
    assert found["stay"] == pytest.approx(theory, rel=0.01)
    assert found["inside"] == pytest.approx(found["stay"] / found["gap"], rel=0.01)  # Little's law


def test_a_simulation_in_which_all_wait_for_nothing_is_told():
    async def stuck() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="everything waits"):
        simulate(stuck())
