"""Turns in an engine's queue: what a tenant waits for its first token while another asks ten times its share."""

from __future__ import annotations

from loadtests.fairness import GOAL, PLACES, TIMES, Traffic
from loadtests.scale.figures import Figure
from loadtests.scale.sizes import Sizes
from services.simulation.virtual_time import simulate


def fairness_rows(sizes: Sizes) -> list[Figure]:
    """In virtual time: the same on every machine."""
    figures = []
    for places in PLACES[: sizes.engines]:
        alone = simulate(Traffic(places, apart=True).run(0, sizes.questions))
        turns, line = (
            simulate(Traffic(places, apart=apart).run(TIMES, sizes.questions)).p99_seconds for apart in (True, False)
        )
        name = f"fairness, {places} places beside {TIMES} times as much: p99 first token"
        figures += [
            Figure("engine", f"{name} alone", 1000 * alone.p99_seconds, "ms"),
            Figure("engine", f"{name} by turns ÷ alone", turns / alone.p99_seconds, "x", GOAL),
            Figure("engine", f"{name} in one line ÷ alone", line / alone.p99_seconds, "x"),
        ]
    return figures
