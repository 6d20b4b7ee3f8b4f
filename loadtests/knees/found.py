"""A rate of one core as a sweep found it: for the table of results, and for `arcus plan`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from services.cli.rates import MEASURED, OWN, Rate, measured_rates


@dataclass(frozen=True)
class Found:
    """`at_least`: the sweep, or its generator, ended before what was asked was too much."""

    rate: str  # its name among those that a plan rests on
    per_core: float
    unit: str
    of: str  # what was asked
    steps: str  # up to which rate it followed
    at_least: bool

    @property
    def quoted(self) -> str:
        return f"{self.per_core:.3g}"

    def row(self, load_before: float, load_after: float) -> str:
        """Of the table of knees in RESULTS.md, today's."""
        load = f"{load_before:.0f} to {load_after:.0f}, {os.cpu_count()} cores, generator beside it"
        cells = (_today().isoformat(), load, self.of, self.steps, f"{self.quoted} {self.unit}")
        return f"| {' | '.join(cells)} | {'at least' if self.at_least else 'the knee'} |"


def write_rate(found: Found, path: Path = MEASURED) -> None:
    """In place of what the file said of it before."""
    source = f"{OWN}: knees, {found.of.replace('`', '')}, of a machine of {os.cpu_count()} cores"
    value = float(found.quoted)
    rate = Rate(value, found.unit, "one CPU core", source, _today().isoformat(), found.quoted, found.at_least)
    write_rates({found.rate: rate}, path)


def write_rates(rates: dict[str, Rate], path: Path = MEASURED) -> None:
    """Each in place of the one of its name, or added."""
    told = {name: asdict(each) for name, each in (measured_rates(path) | rates).items()}
    for fields in told.values():
        if not fields["at_least"]:
            del fields["at_least"]
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def _today() -> date:
    return datetime.now(UTC).date()
