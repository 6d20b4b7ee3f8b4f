"""What `loadtests/gpu.py` measured, as rows of RESULTS.md and as the rates that a plan rests on.

    python -m loadtests.on_gpu.report gpu.json [--write]

Prints the rows; `--write` puts the rates of decoding, describing and embedding where `arcus plan` reads them, in place of what
others published. Only what was measured on a GPU, at its full size and without a failed check, becomes a rate.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from loadtests.knees.found import write_rates
from loadtests.on_gpu.rows import BESIDE
from services.cli.rates import MEASURED, OWN, Rate

# A rate's name -> the part, the beginning of what was measured, its unit, and what one GPU of it is.
RATED = {
    "decode": ("decode", "h264 1920x1080, 8 at once, by nvdec on the GPU", "frames/s", "1080p frames/s"),
    "describe": ("captions", "Idefics3-8B's shape, 256 segments", "video-seconds/s", "video seconds/s"),
    "embed": ("embed", "BERT base on vLLM", "video-seconds/s", "video seconds/s"),
}


def rows(report: dict[str, Any]) -> list[str]:
    """Of the table of RESULTS.md: date, card, what, Arcus, the library, the card by itself, and what was wrong."""
    machine, found = report["machine"], []
    for row in report["rows"]:
        if row["ours"] is None:
            continue
        unit = f" {row['unit']}"
        beside = f"{row['reference']} {quoted(row['beside'])}{_share(row, BESIDE)}" if row["beside"] else ""
        card = ", ".join(f"{name} {quoted(rate)}{_share(row, name)}" for name, rate in row["ceilings"].items())
        wrong = f"; FAILED {row['failed']}" if row["failed"] else ""
        what = f"{row['part']}: {row['what']}{wrong}"
        cells = (machine["date"], machine.get("gpu", "no GPU"), what, f"{quoted(row['ours'])}{unit}", beside, card)
        found.append(f"| {' | '.join(cells)} |")
    return found


def rates(report: dict[str, Any]) -> dict[str, Rate]:
    """By their names; none where there was no GPU."""
    machine = report["machine"]
    if "gpu" not in machine:
        return {}
    found = {}
    for name, (part, what, unit, told) in RATED.items():
        for row in report["rows"]:
            is_it = row["part"] == part and row["what"].startswith(what) and row["unit"] == unit
            if is_it and row["ours"] and not row["failed"]:
                number = quoted(row["ours"])
                source = f"{OWN}: {row['part']}, {row['what']}"
                value = float(number.replace(",", ""))
                found[name] = Rate(value, told, f"one {machine['gpu']}", source, machine["date"], number)
    return found


def quoted(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _share(row: dict[str, Any], of: str) -> str:
    share = row["shares"].get(of)
    return "" if share is None else f" ({share:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="what `loadtests/gpu.py --json` wrote")
    parser.add_argument("--write", action="store_true", help="the rates, where `arcus plan` reads them")
    given = parser.parse_args()
    report = json.loads(given.report.read_text())
    print("\n".join(rows(report)))
    if given.write:
        write_rates(rates(report), MEASURED)


if __name__ == "__main__":
    main()
