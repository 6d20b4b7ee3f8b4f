"""Where a system is asked, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtests.load.claims import Claims
from loadtests.load.scenario import Fault


@dataclass(frozen=True)
class Doors:
    http: Sequence[str]  # with /v1, of each front or of what stands before them
    grpc: Sequence[str]
    keys: dict[str, str]  # by tenant
    metrics: Sequence[str]  # each front's page
    make: Callable[[Fault], int] | None = None  # a fault: how many processes it ended; in a system of the run's own
    engine: str = ""  # where the scripted engine tells what it writes: `scripted_engine`
    keeps_videos: bool = True
    unsound: Callable[[], int] | None = None  # what does not fit together of what is stored, once nobody asks any more
    claimed: Callable[[], Claims] | None = None  # ends the workers at a backlog, and tells what they claimed
