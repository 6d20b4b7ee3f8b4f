"""Finds the knee of one front: the same scenario at a rising rate, until what is done well no longer follows what is asked.

    python -m loadtests.sweep SCENARIO [--from RATE] [--factor FACTOR] [--to RATE] [--beyond FACTOR]

On a system of its own. The scenario's objectives say what is done well. Prints each step, and the knee with the machine it is
of; a step in which the generator itself was late or out of its core says nothing, and ends the sweep. `--beyond 2` then asks
for twice the knee, and exits 1 where less than 0.9 of what is done well at the knee is done there.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.load.__main__ import run
from loadtests.load.generator import Run
from loadtests.load.scenario import Scenario, load_scenario
from loadtests.load.systems import own_system
from loadtests.load.verdict import MOST_CPU_SHARE, MOST_DELAY_SECONDS, Verdict, percentile
from services.core.errors import ArcusError, invalid

LEAST_GOOD = 0.95  # of what is asked
LEAST_KEPT = 0.9  # beyond the knee, of what is done well at it
MOST_STEPS = 20


@dataclass(frozen=True)
class Step:
    asked_per_second: float
    good_per_second: float
    first_token_p95_seconds: float
    delay_seconds: float  # of the generator, median
    cpu_share: float  # of the generator's core

    def __str__(self) -> str:
        cells = f"{self.asked_per_second:.1f} | {self.good_per_second:.1f} | {self.first_token_p95_seconds:.3f}"
        return f"| {cells} | {1000 * self.delay_seconds:.1f} | {self.cpu_share:.0%} |"

    @property
    def is_measured(self) -> bool:
        return self.delay_seconds <= MOST_DELAY_SECONDS and self.cpu_share <= MOST_CPU_SHARE

    @property
    def follows(self) -> bool:
        return self.good_per_second >= LEAST_GOOD * self.asked_per_second


def knee(steps: Sequence[Step]) -> tuple[float, str]:
    """(journeys a second, what it is): the last step that followed, and whether one beyond it was seen to fall behind."""
    followed = [step for step in steps if step.is_measured and step.follows]
    if not followed:
        return 0.0, "below the first step"
    best = max(followed, key=lambda step: step.asked_per_second)
    fell = any(step.is_measured and step.asked_per_second > best.asked_per_second for step in steps)
    return best.asked_per_second, "the knee" if fell else "at least: the generator, or the sweep, ended before it"


def kept(steps: Sequence[Step], beyond: Step) -> float:
    """What is done well beyond the knee ÷ at the knee. Raises INVALID_ARGUMENT where there is no knee, or it was not measured."""
    rate, _ = knee(steps)
    at_knee = next((step for step in steps if step.asked_per_second == rate), None)
    if at_knee is None:
        raise invalid("There is no knee to go beyond; lower --from.")
    if not beyond.is_measured:
        raise invalid("Beyond the knee the generator was late, or out of its core; give it a machine of its own.")
    return beyond.good_per_second / at_knee.good_per_second


def rates(first: float, factor: float, last: float) -> Iterator[float]:
    """Raises INVALID_ARGUMENT where they would not rise, or be too many."""
    if not 0 < first <= last:
        raise invalid(f"--from {first:g} must be more than 0, and at most --to {last:g}.")
    if not factor > 1:
        raise invalid(f"--factor {factor:g} must be more than 1.")
    if first * factor**MOST_STEPS <= last:
        raise invalid(f"From {first:g} to {last:g} takes more than {MOST_STEPS} steps; raise --factor.")
    while first <= last:
        yield first
        first *= factor


def at_rate(scenario: Scenario, rate: float) -> Scenario:
    if scenario.arrivals.law in ("replay", "steps"):
        raise invalid(f"{scenario.name}: a trace, and steps, have rates of their own; sweep a scenario of another law.")
    return scenario.model_copy(update={"arrivals": scenario.arrivals.model_copy(update={"per_second": rate})})


def step_of(scenario: Scenario, verdict: Verdict, made: Run) -> Step:
    """Good journeys by the time in which they were asked: what trails behind the last one is no less work done."""
    measures = verdict.measures
    tokens = [o.first_token_seconds for o in made.outcomes if o.order.counts and o.first_token_seconds is not None]
    share = measures["good_per_second"] * max(measures["seconds"] - scenario.warmup_seconds, 1e-9)
    return Step(
        measures["offered_per_second"],
        share / scenario.duration_seconds,
        percentile(tokens, 95) if tokens else float("nan"),
        (measures["generator_delay_seconds"] or {"p50": 0.0})["p50"],
        made.cpu_share,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.sweep", description=__doc__.split("\n")[0])
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--from", dest="first", type=float, default=5.0, help="journeys a second")
    parser.add_argument("--factor", type=float, default=1.5)
    parser.add_argument("--to", type=float, default=200.0)
    parser.add_argument("--beyond", type=float, default=0.0, help="times the knee, asked for after it was found")
    given = parser.parse_args()
    steps: list[Step] = []
    try:
        scenario = load_scenario(given.scenario)
        asked = list(rates(given.first, given.factor, given.to))
        at_rate(scenario, given.first)
        with own_system([scenario]) as system:

            def made(rate: float) -> Step:
                each = at_rate(scenario, rate)
                step = step_of(each, *asyncio.run(run(each, system)))
                print(step, flush=True)
                return step

            print("| asked/s | done well/s | first token p95 s | generator late ms | its core |")
            print("|---|---|---|---|---|", flush=True)
            for rate in asked:
                steps.append(made(rate))
                if not (steps[-1].is_measured and steps[-1].follows):
                    break
            rate, what = knee(steps)
            share = kept(steps, made(given.beyond * rate)) if rate and given.beyond else None
    except (ArcusError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    machine = f"{os.cpu_count()} cores of {platform.machine()}, generator beside it"
    print(f"{rate / scenario.system.fronts:.1f} journeys/s per front ({what}); {machine}")
    if share is not None:
        print(f"{share:.2f} of it at {given.beyond:g} times the knee, at least {LEAST_KEPT:g}")
    return 0 if rate and (share is None or share >= LEAST_KEPT) else 1


if __name__ == "__main__":
    sys.exit(main())
