"""What is asked at a rising rate, and where what is done well no longer follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from loadtests.knees.found import Found
from loadtests.load.generator import Run
from loadtests.load.scenario import Scenario
from loadtests.load.verdict import Verdict, of_generator, percentile
from services.core.errors import invalid

LEAST_GOOD = 0.95  # of what is asked
LEAST_KEPT = 0.9  # beyond the knee, of what is done well at it
MOST_STEPS = 20
HEAD = "| asked/s | done well/s | p95 s | generator late ms | its core | cores of what is asked |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Step:
    asked_per_second: float
    good_per_second: float
    p95_seconds: float  # of the first token; of the whole where nothing has tokens
    delay_seconds: float  # of the generator, median
    cpu_share: float  # of the generator's core
    cores: float = 0.0  # that what is asked has used; 0: not measured

    def __str__(self) -> str:
        cells = f"{self.asked_per_second:.1f} | {self.good_per_second:.1f} | {self.p95_seconds:.3f}"
        return f"| {cells} | {1000 * self.delay_seconds:.1f} | {self.cpu_share:.0%} | {self.cores:.2f} |"

    @property
    def is_measured(self) -> bool:
        return not of_generator(self.delay_seconds, self.cpu_share)

    @property
    def follows(self) -> bool:
        return self.good_per_second >= LEAST_GOOD * self.asked_per_second


@dataclass(frozen=True)
class Swept:
    """What is asked at a rate, and what that rate is of."""

    step: Callable[[float], Step]
    part: str  # of the system
    unit: str
    count: int  # that share what is asked
    rate: str  # among those that a plan rests on
    of: str


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
    at_knee = _at_knee(steps)
    if at_knee is None:
        raise invalid("There is no knee to go beyond; lower --from.")
    if not beyond.is_measured:
        raise invalid("Beyond the knee the generator was late, or out of its core; give it a machine of its own.")
    return beyond.good_per_second / at_knee.good_per_second


def _at_knee(steps: Sequence[Step]) -> Step | None:
    rate, _ = knee(steps)
    return next((step for step in steps if step.asked_per_second == rate), None)


def found(swept: Swept, steps: Sequence[Step]) -> Found | None:
    """None: no step was followed, or the cores were not measured."""
    at, (rate, what) = _at_knee(steps), knee(steps)
    if at is None or not at.cores:
        return None
    return Found(
        rate=swept.rate,
        per_core=at.asked_per_second / at.cores,
        unit=swept.unit,
        of=swept.of,
        steps=f"{rate / swept.count:.1f} {swept.unit} of each, with {at.cores / swept.count:.2f} of a core",
        at_least=what != "the knee",
    )


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


def step_of(scenario: Scenario, verdict: Verdict, made: Run, cores: float | None = None) -> Step:
    """Good journeys by the time in which they were asked: what trails behind the last one is no less work done.
    `cores` in place of those that the fronts tell of.
    """
    measures = verdict.measures
    counted = [outcome for outcome in made.outcomes if outcome.order.counts]
    seconds = [o.first_token_seconds for o in counted if o.first_token_seconds is not None] or [
        o.last_seconds for o in counted if o.last_seconds is not None
    ]
    share = measures["good_per_second"] * max(measures["seconds"] - scenario.warmup_seconds, 1e-9)
    told = measures["saturation"].get("cores used", {"mean": 0.0})["mean"]
    return Step(
        measures["offered_per_second"],
        share / scenario.duration_seconds,
        percentile(seconds, 95) if seconds else float("nan"),
        (measures["generator_delay_seconds"] or {"p50": 0.0})["p50"],
        made.cpu_share,
        told if cores is None else cores,
    )
