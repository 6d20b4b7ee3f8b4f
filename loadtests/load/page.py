"""A run as one page of plots that opens without a network: over time, by percentile, and how busy the system was."""

from __future__ import annotations

import html
import io
import json
from collections import Counter
from collections.abc import Sequence
from math import log10
from typing import Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from loadtests.load.generator import Run
from loadtests.load.outcomes import Outcome
from loadtests.load.saturation import Saturation
from loadtests.load.scenario import Scenario
from loadtests.load.verdict import Verdict, seconds_of

RESULTS = {"completed": "#2a7", "refused": "#e90", "failed": "#c33", "wrong": "#70a"}
LATENCIES = {
    "first_token_seconds": "first token, from the intended start",
    "token_gap_seconds": "between tokens",
    "last_seconds": "to the end, from the intended start",
}
TAIL = (0, 50, 90, 99, 99.9, 99.99)  # percentiles that the axis names
MOST_POINTS = 4_000  # of one plot: a page stays small, and what is slowest is always among them
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}} svg{{max-width:100%;height:auto}}
table{{border-collapse:collapse}} td,th{{border:1px solid #ccc;padding:.2rem .6rem;text-align:right}} pre{{white-space:pre-wrap}}
.word{{color:#fff;padding:.1rem .6rem;border-radius:.3rem;background:{colour}}}</style>
<h1>{title} <span class="word">{word}</span></h1>
{reasons}{tables}{figures}
<details><summary>Every figure, and the scenario</summary><pre>{figures_as_text}</pre></details>
</html>
"""
COLOURS = {"PASS": "#2a7", "FAIL": "#c33", "INVALID": "#888"}


def page(scenario: Scenario, verdict: Verdict, run: Run) -> str:
    """The whole HTML. Times on its axes are seconds from the start of the run."""
    drawn = [("Over time", over_time(run)), ("By percentile", by_percentile(scenario, run))]
    if run.saturation.series:
        drawn.append(("How busy the fronts and their database were", how_busy(run.saturation)))
    measures = {"scenario": scenario.model_dump(mode="json", exclude={"folder"}), **verdict.measures}
    return PAGE.format(
        title=html.escape(scenario.name),
        word=verdict.word,
        colour=COLOURS[verdict.word],
        reasons="".join(f"<p>{html.escape(reason)}</p>" for reason in verdict.reasons),
        tables=_table(verdict.measures),
        figures="".join(f"<h2>{heading}</h2>{_svg(figure)}" for heading, figure in drawn),
        figures_as_text=html.escape(json.dumps(measures, indent=1)),
    )


def over_time(run: Run) -> Figure:
    """What became of the journeys that were meant to start in each second, and how long each took."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    buckets = range(int(max((outcome.order.at_seconds for outcome in run.outcomes), default=0)) + 1)
    bottom = [0] * len(buckets)
    for result, colour in RESULTS.items():
        counts = Counter(int(outcome.order.at_seconds) for outcome in run.outcomes if outcome.result == result)
        heights = [counts[second] for second in buckets]
        above.bar(buckets, heights, bottom=bottom, width=1.0, align="edge", color=colour, label=result)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    above.set_ylabel("journeys by second of their intended start")
    for result, colour in RESULTS.items():
        shown = _slowest([outcome for outcome in run.outcomes if outcome.result == result])
        at = [outcome.order.at_seconds for outcome in shown]
        below.plot(at, [outcome.last_seconds for outcome in shown], ".", markersize=3, color=colour)
    below.set_ylabel("seconds to the end")
    below.set_xlabel("seconds from the start of the run")
    warmup = next((outcome.order.at_seconds for outcome in run.outcomes if outcome.order.counts), 0.0)
    for axes in (above, below):
        axes.axvspan(0, warmup, color="#ddd", zorder=0, label="warm-up" if axes is above else None)
    above.legend(ncols=5, fontsize="small")
    return figure


def by_percentile(scenario: Scenario, run: Run) -> Figure:
    """Each latency of completed journeys, its tail drawn as wide as the rest of it."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    done = [outcome for outcome in run.outcomes if outcome.order.counts and outcome.result == "completed"]
    for axes, (measure, told) in zip(figure.subplots(1, len(LATENCIES)), LATENCIES.items(), strict=True):
        most = 1
        for journey in scenario.journeys:
            values = sorted(seconds_of(measure, [outcome for outcome in done if outcome.order.journey == journey]))
            if values:
                most = max(most, len(values))
                axes.plot([_tail(100 * place / len(values)) for place in range(len(values))], values, label=journey)
        named = [percent for percent in TAIL if percent == 0 or 100 / (100 - percent) <= most]
        axes.set_xticks([_tail(percent) for percent in named], [f"p{percent:g}" for percent in named])
        axes.set_title(told, fontsize="medium")
        axes.set_yscale("log")
        axes.set_ylabel("seconds")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    return figure


def how_busy(saturation: Saturation) -> Figure:
    names = list(saturation.series)
    rows = -(-len(names) // 2)
    figure = Figure(figsize=(11, 2.2 * rows), layout="constrained")
    figure.subplots(rows, 2, squeeze=False)
    for axes, name in zip(figure.axes, names, strict=False):
        at, values = zip(*saturation.series[name], strict=True)
        axes.plot(at, values, linewidth=1)
        axes.set_title(name, fontsize="small")
        axes.set_ylim(bottom=0)
    for axes in figure.axes[len(names) :]:
        axes.set_visible(False)
    return figure


def _tail(percent: float) -> float:
    """Where a percentile stands: as far from p90 to p99 as from p99 to p99.9."""
    return -log10(1 - percent / 100)


def _slowest(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """At most MOST_POINTS, of which the slowest are half; those that never ended are left out."""
    ended = sorted(
        (each for each in outcomes if each.last_seconds is not None), key=lambda each: each.last_seconds or 0
    )
    if len(ended) <= MOST_POINTS:
        return ended
    half = MOST_POINTS // 2
    rest = ended[:-half]
    return [*rest[:: -(-len(rest) // half)], *ended[-half:]]


def _table(measures: dict[str, Any]) -> str:
    counts = (
        "journeys",
        "completed",
        "refused",
        "failed",
        "wrong",
        "offered_per_second",
        "good_per_second",
        "fairness",
    )
    cells = {name.replace("_", " "): measures[name] for name in counts}
    cells |= {f"problem: {problem}": count for problem, count in measures["problems"].items()}
    rows = [f"<tr><th>{html.escape(name)}</th><td>{value}</td></tr>" for name, value in cells.items()]
    return f"<table>{''.join(rows)}</table>"


def _svg(figure: Figure) -> str:
    """Without the head of a file of its own."""
    text = io.StringIO()
    FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]
