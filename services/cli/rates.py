"""What one GPU or one core does in a second, where that was measured, and when: the numbers that a plan rests on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

OWN = "loadtests/RESULTS.md"
MEASURED = Path(__file__).with_name("measured_rates.json")


@dataclass(frozen=True)
class Rate:
    """`quoted`: as the source prints it. Rates of Arcus itself stand in `OWN` in a row of their date."""

    value: float
    unit: str
    hardware: str
    source: str
    date: str
    quoted: str
    at_least: bool = False  # what was asked ended before it was too much

    def __str__(self) -> str:
        least = "at least " if self.at_least else ""
        return f"{least}{self.value:,.4g} {self.unit} on {self.hardware}: {self.source} ({self.date})"


def measured_rates(path: Path = MEASURED) -> dict[str, Rate]:
    """Those of Arcus itself, by what they are of: `python -m loadtests.sweep --write` writes some of them."""
    return {name: Rate(**fields) for name, fields in json.loads(path.read_text()).items()}


# Where Arcus's own GPU figures are still to come (loadtests/gpu.py makes them), the published ones of others with like models.
RATES: dict[str, Rate] = {
    "describe": Rate(
        27.5,
        "video seconds/s",
        "one H100",
        "NVIDIA VSS, captions of 10 s chunks by an 8B model, as published",
        "2026-11",
        "27.5",
    ),
    "embed": Rate(
        125, "video seconds/s", "one H100", "NVIDIA VSS, embedding of 10 s chunks, as published", "2026-11", "125"
    ),
    "transcribe": Rate(
        216, "video seconds/s", "one A100 80 GB", "Open ASR Leaderboard, whisper-large-v3-turbo, RTFx", "2026-11", "216"
    ),
    "answer": Rate(
        5103,
        "answer tokens/s",
        "one H100",
        "Red Hat, MLPerf Inference v5.1, Llama 3.1 8B on vLLM, Server scenario",
        "2025-09",
        "5103",
    ),
    **measured_rates(),
}
