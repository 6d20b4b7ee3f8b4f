"""Finds where what is done well no longer follows what is asked: of one front, of one index shard, of one worker of videos.

    python -m loadtests.sweep SCENARIO|shard|worker [--from RATE] [--factor FACTOR] [--to RATE] [--beyond FACTOR] [--write]

On a system of its own. A scenario's objectives say what is done well by a front; a search by a shard of 100,000 vectors, within
half a second. Prints each step, and the knee with the machine it is of; a step in which the generator itself was late or out of
its core says nothing, and ends the sweep. `--beyond 2` then asks for twice the knee, and exits 1 where less than 0.9 of what is
done well at the knee is done there. A worker is given more and more videos at once, by the embedded engines, until it reads no
more of them in a second. `--write` puts the rate of a core at the knee where `arcus plan` reads it, and prints the row for
RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from loadtests.arguments import times_beyond
from loadtests.knees.found import Found, write_rate
from loadtests.knees.front import of_a_front
from loadtests.knees.shard import of_a_shard
from loadtests.knees.steps import HEAD, LEAST_KEPT, Step, Swept, found, kept, knee, rates
from loadtests.knees.worker import Reading, found_of, of_a_worker
from services.core.errors import ArcusError


def sweep(swept: Swept, given: argparse.Namespace) -> tuple[list[Step], float | None]:
    """(the steps, what is kept beyond the knee where that is asked for). Raises INVALID_ARGUMENT."""
    steps: list[Step] = []

    def made(rate: float) -> Step:
        step = swept.step(rate)
        print(step, flush=True)
        return step

    print(HEAD, flush=True)
    for rate in rates(given.first, given.factor, given.to):
        steps.append(made(rate))
        if not (steps[-1].is_measured and steps[-1].follows):
            break
    rate, _ = knee(steps)
    return steps, kept(steps, made(given.beyond * rate)) if rate and given.beyond else None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.sweep", description=__doc__.split("\n")[0])
    parser.add_argument("of", help="a scenario's file, or shard, or worker")
    parser.add_argument("--from", dest="first", type=float, default=5.0, help="a second")
    parser.add_argument("--factor", type=float, default=1.5)
    parser.add_argument("--to", type=float, default=2000.0)
    parser.add_argument("--beyond", type=times_beyond, default=0.0, help="times the knee, asked for after it was found")
    parser.add_argument("--write", action="store_true", help="the rate of a core, where `arcus plan` reads it")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    try:
        list(rates(given.first, given.factor, given.to))
        if given.of == "worker":
            return _told(found_of(_readings()), load, write=given.write)
        of: AbstractContextManager[Swept] = of_a_shard() if given.of == "shard" else of_a_front(Path(given.of))
        with of as swept:
            steps, share = sweep(swept, given)
    except (ArcusError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    rate, what = knee(steps)
    machine = f"{os.cpu_count()} cores of {platform.machine()}, generator beside it"
    print(f"{rate / swept.count:.1f} {swept.unit} per {swept.part} ({what}); {machine}")
    if share is not None:
        print(f"{share:.2f} of it at {given.beyond:g} times the knee, at least {LEAST_KEPT:g}")
    if of_a_core := found(swept, steps):
        _told(of_a_core, load, write=given.write)
    return 0 if rate and (share is None or share >= LEAST_KEPT) else 1


def _readings() -> list[Reading]:
    print(
        "| videos at once | video seconds/s | cores of all that runs | video seconds/s of a core |\n|---|---|---|---|"
    )
    made = []
    with of_a_worker() as readings:
        for reading in readings:
            print(reading, flush=True)
            made.append(reading)
    return made


def _told(found: Found, load_before: float, *, write: bool) -> int:
    print(found.row(load_before, os.getloadavg()[0]))
    if write:
        write_rate(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
