"""What the simulator said of loads that were run, beside what came: how far a simulated number can be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from services.simulation.cluster import Machines

CALIBRATION = Path(__file__).with_name("calibration.json")
MOST_ERROR = 0.10
MEASURES = {
    "answered_per_second": "answered/s",
    "first_token_p95_seconds": "first token p95 s",
    "answered_p95_seconds": "answered p95 s",
}


@dataclass(frozen=True)
class At:
    """One load. Of each measure (what came, what the simulator says) of the same arrivals."""

    of_knee: float
    questions: int
    refused: tuple[int, int]
    answered_per_second: tuple[float, float]
    first_token_p95_seconds: tuple[float, float]
    answered_p95_seconds: tuple[float, float]

    def errors(self) -> dict[str, float]:
        """Of the simulator, by measure, as a share of what came."""
        pairs = {name: getattr(self, name) for name in MEASURES}
        return {name: simulated / came - 1 if came else float("nan") for name, (came, simulated) in pairs.items()}


@dataclass(frozen=True)
class Calibration:
    """`knee_per_second`: places ÷ the seconds of an answer that was asked alone."""

    date: str
    hardware: str
    engines: int
    places: int
    waiting: int  # requests behind the places
    fronts: int
    knee_per_second: float
    loads: tuple[At, ...]

    def beyond(self) -> list[str]:
        """Where the error is more than a tenth."""
        return [
            f"{MEASURES[name]} at {at.of_knee:g} of the knee {error:+.0%}"
            for at in self.loads
            for name, error in at.errors().items()
            if not abs(error) <= MOST_ERROR
        ]

    def table(self) -> Iterator[str]:
        yield f"of the knee   refused   {'   '.join(f'{told:>26}' for told in MEASURES.values())}"
        for at in self.loads:
            cells = [
                f"{came:.3f}, {simulated:.3f}, {at.errors()[name]:+.1%}".rjust(26)
                for name, (came, simulated) in ((name, getattr(at, name)) for name in MEASURES)
            ]
            yield f"{at.of_knee:11.1f}   {at.refused[0]:3d}, {at.refused[1]:3d}  {'   '.join(cells)}"

    def outside(self, machines: Machines, engines_busy: float) -> list[str]:
        """Why answers on these machines are extrapolated from it. Empty: they are like those that were calibrated."""
        told = []
        if (machines.engines, machines.places) != (self.engines, self.places):
            told.append(f"engines: {machines.engines} of {machines.places} places, not {self.engines} of {self.places}")
        if machines.waiting != self.waiting:
            told.append(f"{machines.waiting} may wait, not {self.waiting}")
        least = min(at.of_knee for at in self.loads)
        if engines_busy < least:
            told.append(f"places are {engines_busy:.0%} busy, less than {least:.0%}")
        return told


def measured_calibration(path: Path = CALIBRATION) -> Calibration:
    """As `python -m loadtests.calibrate --write` wrote it."""
    return TypeAdapter(Calibration).validate_json(path.read_text())
