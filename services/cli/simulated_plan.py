"""Whether so many GPUs hold a load over a day, what breaks first, and what one more buys: by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from services.cli.calibration import (
    Calibration,
    WorkersCalibration,
    measured_calibration,
    measured_workers_calibration,
)
from services.cli.rates import RATES
from services.cli.sizing import PROMPT_TOKEN_COST, PROMPT_TOKENS, SECONDS_PER_DAY, SMALLEST_GPU_SHARE, Load, plan
from services.core.engines.config import VllmOptions
from services.core.errors import invalid
from services.simulation.cluster import Cluster, Demand, Machines, Result
from services.simulation.day import Day
from services.simulation.virtual_time import simulate

MOST_REFUSED = 0.001  # of questions
MOST_FIRST_TOKEN_SECONDS = 2.0  # 95 of 100
MOST_UNDERSTOOD_SECONDS = 900.0  # 95 of 100
MOST_TENANTS, MOST_GPUS, MOST_ARRIVALS = 100_000, 1024, 1_000_000  # the last in a day: some minutes of a core
MOST_PEAK = 24.0  # all of a day in an hour
BUSIEST = SECONDS_PER_DAY * 23 / 48, SECONDS_PER_DAY * 25 / 48  # the hour around the peak, at noon
ENOUGH_QUESTIONS, LEAST_BUSIEST_SECONDS = 20_000, 600.0  # of that hour
LEAST_FACTOR, MOST_FACTOR, STEP, NEAR = 1 / 16, 16.0, 1.25, 1.05


@dataclass(frozen=True)
class Setup:
    load: Load
    gpus: int
    tenants: int
    seed: int = 1

    def __post_init__(self) -> None:
        for name, most in (("gpus", MOST_GPUS), ("tenants", MOST_TENANTS)):
            if not 1 <= getattr(self, name) <= most:
                raise invalid(f"{name} is {getattr(self, name)}; it must be from 1 to {most}.", field=name)
        if self.load.peak > MOST_PEAK:
            raise invalid(
                f"peak is {self.load.peak:g}; a day of one up to {MOST_PEAK:g} can be simulated.", field="peak"
            )
        if self.load.videos_per_day + self.load.questions_per_second == 0:
            raise invalid("Nothing comes: give --videos-per-day or --questions-per-second.", field="videos_per_day")
        arrivals = self.load.videos_per_day + self.load.questions_per_second * SECONDS_PER_DAY / self.load.peak
        if arrivals > MOST_ARRIVALS:
            raise invalid(
                f"A day brings {arrivals:,.0f} videos and questions, and {MOST_ARRIVALS:,} can be simulated; give a "
                "part of the load, and as large a part of the GPUs.",
                field="videos_per_day",
            )


def machines_of(setup: Setup) -> Machines:
    """GPUs are split by what the load needs of them, with the least share that a model can have; a worker or an engine for
    each GPU begun.
    """
    load, rate = setup.load, {name: each.value for name, each in RATES.items()}
    video_cost = sum(1 / rate[name] for name in ("describe", "transcribe", "embed"))  # GPU seconds a video second
    ingest = load.video_seconds_per_second * video_cost
    answers = load.questions_per_second * (load.answer_tokens + PROMPT_TOKENS * PROMPT_TOKEN_COST) / rate["answer"]
    for_answers = setup.gpus * answers / (ingest + answers)
    if answers:
        for_answers = min(
            max(for_answers, SMALLEST_GPU_SHARE), setup.gpus - SMALLEST_GPU_SHARE if ingest else setup.gpus
        )
    for_ingest = setup.gpus - for_answers
    cores = next(need.amount for need in plan(load).needs if need.what == "front") / load.use
    options = VllmOptions.model_fields
    return Machines(
        workers=max(1, math.ceil(for_ingest)),
        video_seconds_per_second=max(for_ingest, 1e-6) / video_cost,
        engines=max(1, math.ceil(for_answers)),
        places=options["max_running"].default,
        waiting=options["max_waiting"].default,
        answer_tokens_per_second=max(for_answers, 1e-6) * rate["answer"],
        prompt_tokens_per_second=rate["answer"],
        front_cores=max(1, math.ceil(cores)),
        front_questions_per_second=rate["questions of a front"],
    )


def day_of(setup: Setup, machines: Machines, *, factor: float = 1.0, span: tuple[float, float]) -> Result:
    """Of `factor` times the load on these machines."""
    load = setup.load
    videos = load.videos_per_day / SECONDS_PER_DAY * load.peak * factor
    demand = Demand(
        videos=Day(videos, load.peak, setup.tenants, f"{setup.seed} videos"),
        questions=Day(load.questions_per_second * factor, load.peak, setup.tenants, f"{setup.seed} questions"),
        video_seconds=load.minutes_per_video * 60,
        prompt_tokens=PROMPT_TOKENS * PROMPT_TOKEN_COST,
        answer_tokens=load.answer_tokens,
        seed=setup.seed,
    )
    return simulate(Cluster(machines, demand).run(*span))


def broken(result: Result) -> list[str]:
    """Which promises a day did not keep."""
    found = []
    if result.questions and result.refused > MOST_REFUSED * result.questions:
        found.append(f"answering engines: {result.refused / result.questions:.1%} of questions are refused")
    if (seconds := late(result.first_token)) > MOST_FIRST_TOKEN_SECONDS:
        found.append(f"answering engines: the first token takes {seconds:,.1f} s (p95)")
    if (seconds := late(result.understood)) > MOST_UNDERSTOOD_SECONDS:
        found.append(f"ingest workers: a video takes {seconds:,.0f} s until it is understood (p95)")
    return found


def late(seconds: list[float]) -> float:
    """The 95th percentile by nearest rank; 0 of none."""
    return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1] if seconds else 0.0


def most_held(setup: Setup, machines: Machines) -> tuple[float, list[str]]:
    """(the largest factor of the load that its busiest time holds, what breaks beyond it), to five in a hundred; the latter
    is empty where all that was tried holds. Videos and questions share no machine, so each is tried without the other.
    """
    held, first = MOST_FACTOR, list[str]()
    for part, full in _parts(setup, machines):

        def breaks(factor: float, part: Setup = part) -> list[str]:
            return broken(day_of(part, machines, factor=factor, span=_busiest(part.load, factor)))

        if not first or breaks(held):  # else it holds what the other one does not
            found, problems = _edge(breaks, full)
            if problems:
                held, first = min(held, found), problems
    return held, first


def _parts(setup: Setup, machines: Machines) -> Iterator[tuple[Setup, float]]:
    """(videos alone or questions alone, the factor of the load at which their machines are full), of what comes."""
    load = setup.load
    if load.videos_per_day:
        full = machines.video_seconds_per_second / load.video_seconds_per_second
        yield replace(setup, load=replace(load, questions_per_second=0.0)), full
    if asked := load.questions_per_second:
        tokens = load.answer_tokens + PROMPT_TOKENS * PROMPT_TOKEN_COST
        most = machines.answer_tokens_per_second / tokens, machines.front_cores * machines.front_questions_per_second
        yield replace(setup, load=replace(load, videos_per_day=0.0)), min(most) / asked


def _busiest(load: Load, factor: float) -> tuple[float, float]:
    """The hour around the peak, at noon, or as much of it as brings enough questions: a queue of theirs fills in seconds."""
    begin, end = BUSIEST
    if load.videos_per_day:
        return begin, end
    seconds = max(LEAST_BUSIEST_SECONDS, min(end - begin, ENOUGH_QUESTIONS / (load.questions_per_second * factor)))
    return SECONDS_PER_DAY / 2 - seconds / 2, SECONDS_PER_DAY / 2 + seconds / 2


def _edge(breaks: Callable[[float], list[str]], guess: float) -> tuple[float, list[str]]:
    """(the largest factor that does not break, what does beyond it), from LEAST_FACTOR to MOST_FACTOR."""
    low = high = min(max(guess, LEAST_FACTOR), MOST_FACTOR)
    first = breaks(low)
    while first and low > LEAST_FACTOR:
        high, low = low, max(low / STEP, LEAST_FACTOR)
        if not (found := breaks(low)):
            break
        first = found
    while not first and high < MOST_FACTOR:
        low, high = high, min(high * STEP, MOST_FACTOR)
        first = breaks(high)
    while first and high / low > NEAR:
        middle = math.sqrt(low * high)
        if found := breaks(middle):
            high, first = middle, found
        else:
            low = middle
    return (low if first else high), first


def print_simulation(setup: Setup) -> bool:
    """Whether it holds."""
    machines = machines_of(setup)
    result = day_of(setup, machines, span=(0.0, float(SECONDS_PER_DAY)))
    problems = broken(result)
    print(f"a simulated day on {setup.gpus} GPUs, {setup.tenants:,} tenants, seed {setup.seed}")
    print(f"  {result.videos:,} videos, {result.left:,} not yet understood at its end; understood p95 "
          f"{late(result.understood):,.0f} s; workers {result.workers_busy:.0%} busy")  # fmt: skip
    print(f"  {result.questions:,} questions, {result.refused:,} refused; first token p95 {late(result.first_token):.2f} s; "
          f"places {result.engines_busy:.0%} busy; fronts {result.fronts_busy:.0%}")  # fmt: skip
    told = "no: " + "; ".join(problems) if problems else "yes"
    print(f"\nholds: {told}", flush=True)  # what follows takes some times as long
    held, first = most_held(setup, machines)
    print(f"breaks first, beyond {held:.2f} × the load: {'; '.join(first) if first else 'nothing that was tried'}")
    more = replace(setup, gpus=setup.gpus + 1)
    buys, _ = most_held(setup, machines_of(more)) if more.gpus <= MOST_GPUS else (held, [])
    print(f"one more GPU: {buys:.2f} × the load ({buys / held - 1:+.0%})")
    print("\nhow far to trust it")
    _print_calibration(machines, result)
    _print_workers_calibration(machines, setup.load.minutes_per_video * 60, result)
    print(f"  promised: p95 of the first token {MOST_FIRST_TOKEN_SECONDS:g} s, of understanding {MOST_UNDERSTOOD_SECONDS:g} s, "
          f"refused {MOST_REFUSED:.1%}")  # fmt: skip
    print("  whose turn it is: the product's own code for claims and engines; not in it: limits of plans, batches, "
          "searches, probes, scaling, faults")  # fmt: skip
    print(
        "  tenants ask as 1, 1/2, 1/3 …; lengths are exponential; the peak is at noon; the split of GPUs is by the load"
    )
    for name in ("describe", "transcribe", "embed", "answer", "questions of a front"):
        print(f"  {RATES[name]}")
    return not problems


def _print_calibration(machines: Machines, result: Result) -> None:
    fronts = measured_calibration()
    of = f"{fronts.fronts} fronts, {fronts.engines} engine of {fronts.places} places, {fronts.waiting} that wait"
    _print_compared(fronts, of, f"{fronts.knee_per_second:g} answers/s")
    _print_outside("questions", fronts.outside(machines, result.engines_busy))


def _print_workers_calibration(machines: Machines, video_seconds: float, result: Result) -> None:
    workers = measured_workers_calibration()
    of = f"{workers.workers} workers with {workers.places} videos at once, of {workers.video_seconds:g} s in the mean"
    _print_compared(workers, of, f"{workers.knee_per_second:g} video seconds/s")
    _print_outside("videos", workers.outside(machines, video_seconds, result.workers_busy))


def _print_compared(calibration: Calibration | WorkersCalibration, of: str, knee: str) -> None:
    print(f"  calibrated {calibration.date} on {calibration.hardware}: {of}; its knee is {knee}")
    print("  the same arrivals: what came, what is simulated, its error")
    for line in calibration.table():
        print(f"    {line}")
    if beyond := calibration.beyond():
        print(f"    more than a tenth: {'; '.join(beyond)}")


def _print_outside(what: str, outside: list[str]) -> None:
    told = f"extrapolated: {'; '.join(outside)}" if outside else "as they were calibrated"
    print(f"  {what}: {told}; the rates below are those of other machines")
