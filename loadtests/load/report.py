"""What a run showed, as JSON and as one row of a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loadtests.load.generator import Run
from loadtests.load.page import page
from loadtests.load.scenario import Scenario
from loadtests.load.verdict import Verdict

HEAD = (
    "| scenario | verdict | journeys | completed/s | refused | failed | wrong | first token p50 / p95 / p99, ms | why |\n"
    + ("|---|---|---|---|---|---|---|---|---|")
)


def as_json(scenario: Scenario, verdict: Verdict) -> dict[str, Any]:
    return {
        "scenario": scenario.model_dump(mode="json", exclude={"folder"}),
        "verdict": verdict.word,
        "reasons": verdict.reasons,
        **verdict.measures,
    }


def as_row(scenario: Scenario, verdict: Verdict) -> str:
    told = verdict.measures
    spreads = [spread for name in told["by_journey"].values() if (spread := name["first_token_seconds"])]
    firsts = "; ".join(" / ".join(f"{1000 * spread[p]:.0f}" for p in ("p50", "p95", "p99")) for spread in spreads)
    cells = [
        scenario.name,
        verdict.word,
        told["journeys"],
        told["completed_per_second"],
        *(told[result] for result in ("refused", "failed", "wrong")),
        firsts or "–",
        "; ".join(verdict.reasons).replace("|", "\\|") or "–",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def write(folder: Path, scenario: Scenario, verdict: Verdict, run: Run) -> None:
    """NAME.json, and NAME.html with plots."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{scenario.name}.json").write_text(json.dumps(as_json(scenario, verdict), indent=1) + "\n")
    (folder / f"{scenario.name}.html").write_text(page(scenario, verdict, run))
