"""Whether a run passed, failed, or says nothing."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from loadtests.load.accounts import admitted
from loadtests.load.claims import Claims
from loadtests.load.generator import Run
from loadtests.load.outcomes import Outcome, jain
from loadtests.load.saturation import MEMORY
from loadtests.load.scenario import OF_RUN, SECONDS, Objective, Order, Scenario

MOST_DELAY_SECONDS = 0.010  # median: later than that, the generator measured itself
MOST_CPU_SHARE = 0.80


@dataclass(frozen=True)
class Verdict:
    """INVALID outranks a missed objective: what a bad measurement shows is neither good nor bad. A wrong answer fails at any
    speed, and however bad the measurement was.
    """

    word: Literal["PASS", "FAIL", "INVALID"]
    reasons: list[str]
    measures: dict[str, Any] = field(default_factory=dict)


def judge(scenario: Scenario, run: Run) -> Verdict:
    counted = [outcome for outcome in run.outcomes if outcome.order.counts]
    invalid, failed, lost = [], [], []
    delay = statistics.median(outcome.delay_seconds for outcome in run.outcomes) if run.outcomes else 0.0
    if not counted:
        invalid.append("no journey was counted")
    invalid += of_generator(delay, run.cpu_share)
    if len(run.killed) < len(scenario.faults) or 0 in run.killed:
        invalid.append(f"{len(scenario.faults)} faults were to be made, and killed {list(run.killed)} processes")
    wrong = [outcome for outcome in run.outcomes if outcome.result == "wrong"]  # of the warm-up too
    if wrong:
        lost.append(f"{len(wrong)} wrong answers, first: {_of(wrong[0].order)}: {wrong[0].problem}")
    for objective in scenario.objectives:
        problem, is_valid = _against(objective, counted, scenario, run)
        if problem:
            (failed if is_valid else invalid).append(problem)
    word: Literal["PASS", "FAIL", "INVALID"] = (
        "FAIL" if lost else "INVALID" if invalid else "FAIL" if failed else "PASS"
    )
    return Verdict(word, lost + invalid + failed, measures(scenario, run))


def of_generator(delay_seconds: float, cpu_share: float) -> list[str]:
    """Why what it measured says nothing; empty where it does. delay_seconds: median."""
    told = []
    if delay_seconds > MOST_DELAY_SECONDS:
        told.append(
            f"journeys started {1000 * delay_seconds:.1f} ms late (median), more than {1000 * MOST_DELAY_SECONDS:g} ms"
        )
    if cpu_share > MOST_CPU_SHARE:
        told.append(f"the generator used {cpu_share:.0%} of its core, more than {MOST_CPU_SHARE:.0%}")
    return told


def _of(order: Order) -> str:
    return f"journey {order.number}, {order.journey}"


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank, which is a value that was measured."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100).__int__() - 1)]


def least_samples(percent: float) -> int:
    """As many that at least one lies beyond the percentile: 100 for p99."""
    return round(100 / (100 - percent))


def measures(scenario: Scenario, run: Run) -> dict[str, Any]:
    counted = [outcome for outcome in run.outcomes if outcome.order.counts]
    seconds = max(run.seconds - scenario.warmup_seconds, 1e-9)
    done = [outcome for outcome in counted if outcome.result == "completed"]
    return {
        "journeys": len(counted),
        **{
            result: sum(outcome.result == result for outcome in counted)
            for result in ("completed", "refused", "failed", "wrong")
        },
        "problems": dict(Counter(outcome.problem for outcome in counted if outcome.problem).most_common(10)),
        "seconds": round(run.seconds, 3),
        "offered_per_second": round(len(counted) / scenario.duration_seconds, 3),
        "completed_per_second": round(len(done) / seconds, 3),
        "good_per_second": round(sum(is_good(outcome, scenario) for outcome in counted) / seconds, 3),
        "tokens_per_second": round(sum(outcome.tokens for outcome in counted) / seconds, 1),
        "uploaded_bytes_per_second": round(sum(outcome.bytes for outcome in counted) / seconds),
        "video_seconds_per_second": round(sum(outcome.video_seconds for outcome in counted) / seconds, 3),
        "streams_broken": sum(outcome.breaks for outcome in run.outcomes),
        "processes_killed": list(run.killed),
        "generator_delay_seconds": _spread([outcome.delay_seconds for outcome in run.outcomes]),
        "generator_cpu_share": round(run.cpu_share, 3),
        "refused_seconds": _spread(seconds_of("refused_seconds", counted)),
        "saturation": run.saturation.summary(),
        "scrapes_missed": run.saturation.missed,
        "fairness": fairness(scenario, done),
        **of_run(scenario, run),
        "by_journey": {
            name: {
                measure: _spread(seconds_of(measure, [outcome for outcome in done if outcome.order.journey == name]))
                for measure in SECONDS
            }
            for name in scenario.journeys
        },
    }


def goodput_kept(scenario: Scenario, outcomes: Sequence[Outcome]) -> float | None:
    """Journeys that were asked for in the last step and done well ÷ the most of any step before; they last equally long."""
    if len(scenario.arrivals.steps) < 2:
        return None
    good = Counter(
        scenario.step_of(outcome.order.at_seconds)
        for outcome in outcomes
        if outcome.order.counts and is_good(outcome, scenario)
    )
    best = max(good[step] for step in range(len(scenario.arrivals.steps) - 1))
    return round(good[len(scenario.arrivals.steps) - 1] / best, 4) if best else None


def of_run(scenario: Scenario, run: Run) -> dict[str, float | None]:
    """What is measured of a run as a whole; None of what was not."""
    let_in = admitted(scenario.system.limits, run.outcomes)
    return {
        "memory_growth": memory_growth(scenario, run),
        "admitted_of_most": let_in and let_in[0],
        "admitted_of_least": let_in and let_in[1],
        "goodput_kept": goodput_kept(scenario, run.outcomes),
        **_of_claims(scenario, run.claims),
        "unsound": run.unsound,
        "usage_of_written": run.usage_of_written,
    }


def _of_claims(scenario: Scenario, claims: Claims | None) -> dict[str, float | None]:
    if claims is None or scenario.system.backlog is None or len(claims.seconds) < least_samples(99):
        return dict.fromkeys(("claim_p99_seconds", "claim_fairness", "claimed_twice"))
    return {
        "claim_p99_seconds": round(percentile(claims.seconds, 99), 5),
        "claim_fairness": round(claims.fairness(scenario.system.backlog.tenants), 4),
        "claimed_twice": claims.twice,
    }


def memory_growth(scenario: Scenario, run: Run) -> float | None:
    """Of all fronts together: the mean of the last quarter of the counted time ÷ that of the first. None: not measured."""
    begins, quarter = scenario.warmup_seconds, scenario.duration_seconds / 4
    points = run.saturation.series.get(MEMORY, [])
    first, last = (
        [value for at, value in points if start <= at < start + quarter] for start in (begins, begins + 3 * quarter)
    )
    return round(statistics.mean(last) / statistics.mean(first), 4) if first and last else None


def fairness(scenario: Scenario, done: Sequence[Outcome]) -> float | None:
    """Jain's index over the work that was done for tenants by their shares. None: one tenant alone.

    Work is tokens of answers, seconds of videos and all other journeys, each as a part of all that was done of its kind.
    """
    if len(scenario.tenants) < 2:
        return None
    by_kind: dict[str, Counter[str]] = {}
    for outcome in done:
        kind, amount = _work(outcome)
        by_kind.setdefault(kind, Counter())[outcome.order.tenant] += amount
    work = {
        tenant: sum(counts[tenant] / counts.total() for counts in by_kind.values()) / share
        for tenant, share in scenario.tenants.items()
    }
    index = jain(work.values(), len(work))
    return None if index is None else round(index, 4)


def _work(outcome: Outcome) -> tuple[str, int]:
    """(its kind, how much): of an upload milliseconds of video."""
    if outcome.video_seconds > 0:
        return "videos", round(1000 * outcome.video_seconds)
    return ("answers", outcome.tokens) if outcome.tokens > 0 else ("others", 1)


def is_good(outcome: Outcome, scenario: Scenario) -> bool:
    """Completed, and within each time that the scenario sets for a journey like it, whatever share of them it asks."""
    if outcome.result != "completed":
        return False
    for objective in scenario.objectives:
        if objective.percentile is None or objective.at_most is None:
            continue
        if _is_of(objective, outcome):
            if any(value > objective.at_most for value in seconds_of(objective.measure, [outcome])):
                return False
    return True


def _is_of(objective: Objective, outcome: Outcome) -> bool:
    order = outcome.order
    return objective.journey in (None, order.journey) and objective.tenant in (None, order.tenant)


def _against(objective: Objective, counted: Sequence[Outcome], scenario: Scenario, run: Run) -> tuple[str, bool]:
    """(what is wrong, whether the measurement is valid)"""
    asked = [outcome for outcome in counted if _is_of(objective, outcome)]
    of = " of ".join(part for part in (objective.journey, objective.tenant) if part)
    name = f"{objective.measure}{f' of {of}' if of else ''}"
    if objective.measure in OF_RUN:
        measured = of_run(scenario, run)[objective.measure]
        if measured is None:
            return f"{name} was not measured", False
        value = measured
    elif objective.percentile is None:
        if not asked:
            return f"{name}: no journey", False
        if objective.measure == "goodput":
            value = sum(is_good(outcome, scenario) for outcome in asked) / len(asked)
        else:
            value = sum(outcome.result == objective.measure for outcome in asked) / len(asked)
    else:
        name = f"p{objective.percentile:g} {name}"
        values = seconds_of(objective.measure, asked)
        if len(values) < least_samples(objective.percentile):
            return f"{name}: {len(values)} samples, of {least_samples(objective.percentile)} that it takes", False
        value = percentile(values, objective.percentile)
    if objective.at_most is not None and value > objective.at_most:
        return f"{name} is {value:.4g}, more than {objective.at_most:g}", True
    if objective.at_least is not None and value < objective.at_least:
        return f"{name} is {value:.4g}, less than {objective.at_least:g}", True
    return "", True


def seconds_of(measure: str, outcomes: Sequence[Outcome]) -> list[float]:
    """Of every outcome that has it; token_gap_seconds of every gap."""
    if measure == "token_gap_seconds":
        return [gap for outcome in outcomes for gap in outcome.gaps]
    return [value for outcome in outcomes if (value := getattr(outcome, measure)) is not None]


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    shown = {f"p{percent}": round(percentile(values, percent), 5) for percent in (50, 95, 99)}
    return {"samples": len(values), **shown, "most": round(max(values), 5)}
