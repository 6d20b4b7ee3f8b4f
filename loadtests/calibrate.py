"""Runs loads on real fronts, or workers, and in the simulator, with the same arrivals, and tells how far they are apart.

    python -m loadtests.calibrate [fronts|workers] [--seconds SECONDS] [--write]

Workers: see `loadtests/calibrate_workers.py`. Two fronts on one PostgreSQL and one scripted engine with so many places, asked at
0.5, 0.8 and 1.1 of what its places can write. What an answer takes alone is measured first; nothing else of the simulator is
fitted. Prints the table that `arcus plan --simulate` shows, and with --write puts it there. The exit status is 1 where an error
is more than a tenth, 2 where the generator was late.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from loadtests.arguments import some_seconds
from loadtests.calibrate_workers import LOADS, SHAPE, Given, calibrate_workers, in_time, measured_on
from loadtests.load.__main__ import run
from loadtests.load.doors import Doors
from loadtests.load.generator import Run
from loadtests.load.outcomes import Outcome
from loadtests.load.scenario import Scenario, schedule
from loadtests.load.systems import own_system
from loadtests.load.verdict import percentile
from services.cli.calibration import CALIBRATION, WORKERS_CALIBRATION, At, Calibration, WorkersCalibration
from services.core.errors import ArcusError, Reason
from services.simulation.cluster import Cluster, Demand, Machines, Result
from services.simulation.virtual_time import simulate

ALONE_SECONDS = 30.0
SETTLED_SECONDS = 60.0  # in virtual time, after the last arrival
SCENARIO = Scenario.model_validate(
    {
        "name": "calibration",
        "seed": 53,
        "system": {"fronts": 2, "engine": {"max_running": 16, "max_waiting": 8}},
        "duration_seconds": 90,
        "journeys": {"answer": 1, "answer_grpc": 1},
        "tenants": {"first": 3, "second": 1, "third": 1},
        "script": {"messages": 4, "interval_seconds": 2.0},
    }
)


@dataclass(frozen=True)
class Alone:
    """Seconds of an answer that nobody else is beside: in the front, and at its place of the engine."""

    front: float
    place: float


def asked(scenario: Scenario, per_second: float, seconds: float, law: str = "poisson") -> Scenario:
    arrivals = scenario.arrivals.model_copy(update={"law": law, "per_second": per_second})
    return scenario.model_copy(update={"arrivals": arrivals, "duration_seconds": seconds})


def alone(outcomes: Sequence[Outcome], scenario: Scenario) -> Alone:
    """Raises INTERNAL where none was answered."""
    done = [(o.first_token_seconds, o.last_seconds) for o in outcomes if o.result == "completed"]
    if not done:
        raise ArcusError(Reason.INTERNAL, "No answer came.")
    first = statistics.median(first for first, _ in done if first is not None)
    last = statistics.median(last for _, last in done if last is not None)
    front = max(first - scenario.script.interval_seconds, 1e-6)
    return Alone(front, last - front)


def simulated(scenario: Scenario, of: Alone) -> Result:
    """The scenario's own schedule. What is told first is one message; a token is what the engine's turns count."""
    engine, messages = scenario.system.engine, scenario.script.messages
    tokens = 1.0 + 2 * messages  # as journeys ask for
    machines = Machines(
        workers=1,
        video_seconds_per_second=1.0,
        engines=1,
        places=engine.max_running,
        waiting=engine.max_waiting,
        answer_tokens_per_second=engine.max_running * tokens / of.place,
        prompt_tokens_per_second=tokens / messages / scenario.script.interval_seconds,
        front_cores=scenario.system.fronts,
        front_questions_per_second=1 / of.front,
    )
    demand = Demand(
        videos=Given([]),
        questions=Given(schedule(scenario)),
        video_seconds=1.0,
        prompt_tokens=tokens / messages,
        answer_tokens=tokens * (1 - 1 / messages),
        seed=scenario.seed,
        all_alike=True,
    )
    return simulate(Cluster(machines, demand).run(0.0, scenario.duration_seconds + SETTLED_SECONDS))


def compared(of_knee: float, scenario: Scenario, made: Run, result: Result) -> At:
    """Raises INTERNAL where the generator was late, or an answer failed or was wrong."""
    if bad := [outcome.problem for outcome in in_time(made).outcomes if outcome.result in ("failed", "wrong")]:
        raise ArcusError(Reason.INTERNAL, f"{len(bad)} answers did not come as they should: {bad[0]}")
    done = [outcome for outcome in made.outcomes if outcome.result == "completed"]
    came = [(outcome.order.at_seconds + last, last) for outcome in done if (last := outcome.last_seconds) is not None]
    first = [outcome.first_token_seconds for outcome in done if outcome.first_token_seconds is not None]
    seconds = scenario.duration_seconds
    return At(
        of_knee,
        len(made.outcomes),
        (len(made.outcomes) - len(done), result.refused),
        (_answered(came, seconds), _answered(result.answered, seconds)),
        (round(percentile(first, 95), 4), round(percentile(result.first_token, 95), 4)),
        (
            round(percentile([last for _, last in came], 95), 4),
            round(percentile([last for _, last in result.answered], 95), 4),
        ),
    )


def _answered(answers: Sequence[tuple[float, float]], seconds: float) -> float:
    """Each second, while it was asked."""
    return round(sum(when <= seconds for when, _ in answers) / seconds, 3)


def calibrate(scenario: Scenario, system: Doors) -> Calibration:
    made = partial(_made, system=system)
    of = alone(made(asked(scenario, 0.2, ALONE_SECONDS, "constant")).outcomes, scenario)
    places = scenario.system.engine.max_running
    knee = places / of.place
    print(f"alone {of.front:.4f} s in a front, {of.place:.4f} s at a place: {places} write {knee:.3f} a second")
    loads = []
    for of_knee in LOADS:
        each = asked(scenario, of_knee * knee, scenario.duration_seconds)
        loads.append(compared(of_knee, each, made(each), simulated(each, of)))
        print(loads[-1], flush=True)
    return Calibration(
        **measured_on(),
        engines=1,
        places=places,
        waiting=scenario.system.engine.max_waiting,
        fronts=scenario.system.fronts,
        knee_per_second=round(knee, 3),
        loads=tuple(loads),
    )


def _made(scenario: Scenario, system: Doors) -> Run:
    return asyncio.run(run(scenario, system))[1]


def _of_fronts(seconds: float) -> tuple[Calibration, Path]:
    scenario = SCENARIO.model_copy(update={"duration_seconds": seconds})
    with own_system([scenario]) as system:
        return calibrate(scenario, system), CALIBRATION


def _of_workers(seconds: float) -> tuple[WorkersCalibration, Path]:
    return calibrate_workers(SHAPE, seconds), WORKERS_CALIBRATION


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.calibrate", description=__doc__.split("\n")[0])
    parser.add_argument("of", nargs="?", choices=("fronts", "workers"), default="fronts")
    parser.add_argument("--seconds", type=some_seconds, default=SCENARIO.duration_seconds, help="of each load")
    parser.add_argument("--write", action="store_true", help="where `arcus plan --simulate` shows it")
    given = parser.parse_args()
    try:
        found, path = (_of_workers if given.of == "workers" else _of_fronts)(given.seconds)
    except (ArcusError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(found.table()))
    if given.write:
        path.write_text(json.dumps(asdict(found), indent=1) + "\n")
    if beyond := found.beyond():
        print(f"more than a tenth: {'; '.join(beyond)}")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
