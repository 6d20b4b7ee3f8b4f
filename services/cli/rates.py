"""What one GPU or one core does in a second, where that was measured, and when: the numbers that a plan rests on."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "loadtests/RESULTS.md"


@dataclass(frozen=True)
class Rate:
    """`quoted`: as the source prints it. Rates of Arcus itself stand in `OWN` in a row of their date."""

    value: float
    unit: str
    hardware: str
    source: str
    date: str
    quoted: str


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
    "decode": Rate(
        3267,
        "1080p frames/s",
        "the decoders of one H100",
        f"{OWN}: NVDEC by itself, H.264 of 20 Mbit/s, 8 streams",
        "November 2026",
        "3,267",
    ),
    "answer": Rate(
        5103,
        "answer tokens/s",
        "one H100",
        "Red Hat, MLPerf Inference v5.1, Llama 3.1 8B on vLLM, Server scenario",
        "2025-09",
        "5103",
    ),
    "everything on a core": Rate(
        216 / 108,
        "video seconds/s",
        "one CPU core",
        f"{OWN}: ingest of 4 × the example, 54 s each",
        "2026-11-24",
        "108",
    ),
    "screen text and decoding on a core": Rate(
        216 / 32,
        "video seconds/s",
        "one CPU core",
        f"{OWN}: the same without speech",
        "2026-11-24",
        "32",
    ),
    "questions of a front": Rate(80, "questions/s", "one CPU core", f"{OWN}: first token added", "2026-11-25", "80"),
}
