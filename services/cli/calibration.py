"""What the simulator said of loads that were run, beside what came: how far a simulated number can be trusted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from pydantic import TypeAdapter

from services.simulation.cluster import Machines

CALIBRATION = Path(__file__).with_name("calibration.json")
WORKERS_CALIBRATION = Path(__file__).with_name("workers_calibration.json")
MOST_ERROR = 0.10


@dataclass(frozen=True)
class Compared:
    """One load. Of each measure (what came, what the simulator says) of the same arrivals."""

    MEASURES: ClassVar[Mapping[str, str]] = {}
    NO_GOALS: ClassVar[Collection[str]] = ()  # measures that are told and not judged

    of_knee: float

    def errors(self) -> dict[str, float]:
        """Of the simulator, by measure, as a share of what came."""
        pairs = {name: getattr(self, name) for name in self.MEASURES}
        return {name: simulated / came - 1 if came else float("nan") for name, (came, simulated) in pairs.items()}

    def counts(self) -> str:
        return ""


@dataclass(frozen=True)
class At(Compared):
    """One load of fronts."""

    MEASURES: ClassVar[Mapping[str, str]] = {
        "answered_per_second": "answered/s",
        "first_token_p95_seconds": "first token p95 s",
        "answered_p95_seconds": "answered p95 s",
    }

    questions: int
    refused: tuple[int, int]
    answered_per_second: tuple[float, float]
    first_token_p95_seconds: tuple[float, float]
    answered_p95_seconds: tuple[float, float]

    def counts(self) -> str:
        return f"{self.refused[0]}, {self.refused[1]} refused"


@dataclass(frozen=True)
class WorkersAt(Compared):
    """One load of workers. Queue age: until a video's first turn begins. Fairness: Jain's index over the video seconds that
    each tenant's done videos have, over its weight.
    """

    MEASURES: ClassVar[Mapping[str, str]] = {
        "video_seconds_per_second": "video s/s",
        "queue_p50_seconds": "queue age p50 s",
        "queue_p95_seconds": "queue age p95 s",
        "done_p95_seconds": "done p95 s",
        "fairness": "fairness",
    }
    NO_GOALS: ClassVar[Collection[str]] = ("queue_p50_seconds",)  # mostly that of a claim alone

    videos: int
    video_seconds_per_second: tuple[float, float]
    queue_p50_seconds: tuple[float, float]
    queue_p95_seconds: tuple[float, float]
    done_p95_seconds: tuple[float, float]
    fairness: tuple[float, float]

    def counts(self) -> str:
        return f"{self.videos} videos"


Load = TypeVar("Load", bound=Compared)


class _Loads(Generic[Load]):
    loads: tuple[Load, ...]

    def beyond(self) -> list[str]:
        """Where the error is more than a tenth."""
        return [
            f"{at.MEASURES[name]} at {at.of_knee:g} of the knee {error:+.0%}"
            for at in self.loads
            for name, error in at.errors().items()
            if name not in at.NO_GOALS and not abs(error) <= MOST_ERROR
        ]

    def table(self) -> Iterator[str]:
        yield f"of the knee {'':15}   {'   '.join(f'{told:>23}' for told in self.loads[0].MEASURES.values())}"
        for at in self.loads:
            cells = [
                f"{came:.3f}, {simulated:.3f}, {at.errors()[name]:+.1%}".rjust(23)
                for name, (came, simulated) in ((name, getattr(at, name)) for name in at.MEASURES)
            ]
            yield f"{at.of_knee:11.1f} {at.counts():>15}   {'   '.join(cells)}"


@dataclass(frozen=True)
class Calibration(_Loads[At]):
    """Of fronts. `knee_per_second`: places ÷ the seconds of an answer that was asked alone."""

    date: str
    hardware: str
    engines: int
    places: int
    waiting: int  # requests behind the places
    fronts: int
    knee_per_second: float
    loads: tuple[At, ...]

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


@dataclass(frozen=True)
class WorkersCalibration(_Loads[WorkersAt]):
    """Of workers of videos. `knee_per_second`: video seconds that as many places read at the rate of a video that was alone."""

    date: str
    hardware: str
    workers: int
    places: int  # of all workers
    video_seconds: float  # mean of an exponential law
    knee_per_second: float
    loads: tuple[WorkersAt, ...]

    def outside(self, machines: Machines, video_seconds: float, workers_busy: float) -> list[str]:
        """As that of fronts. video_seconds: mean; a place of a worker is what the simulator calls a worker."""
        told = []
        if machines.workers != self.places:
            told.append(f"{machines.workers} videos at once, not {self.places}")
        if not abs(video_seconds / self.video_seconds - 1) <= MOST_ERROR:
            told.append(f"videos of {video_seconds:g} s, not {self.video_seconds:g} s")
        least = min(at.of_knee for at in self.loads)
        if workers_busy < least:
            told.append(f"workers are {workers_busy:.0%} busy, less than {least:.0%}")
        return told


def measured_calibration(path: Path = CALIBRATION) -> Calibration:
    """As `python -m loadtests.calibrate --write` wrote it."""
    return TypeAdapter(Calibration).validate_json(path.read_text())


def measured_workers_calibration(path: Path = WORKERS_CALIBRATION) -> WorkersCalibration:
    """As `python -m loadtests.calibrate workers --write` wrote it."""
    return TypeAdapter(WorkersCalibration).validate_json(path.read_text())
