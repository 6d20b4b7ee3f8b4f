"""What became of one journey, and what it took, from when it was meant to start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from loadtests.load.scenario import Order

# completed  done, and what came is what should have come
# refused    told to come later (429, 503 with its reason): the system's own word
# failed     an error, a cut or a time-out
# wrong      an answer that is not what it should be: something was lost, mixed up or told twice
Result = Literal["completed", "refused", "failed", "wrong"]


@dataclass
class Outcome:
    """Seconds are from the intended start: what a user waited, the generator's and the server's queues included."""

    order: Order
    delay_seconds: float = 0.0  # of the generator: started later than was meant
    result: Result = "failed"
    problem: str = ""
    first_event_seconds: float | None = None
    first_token_seconds: float | None = None
    last_seconds: float | None = None
    gaps: list[float] = field(default_factory=list)  # between tokens that follow each other, seconds
    freed_seconds: float | None = None  # from when its user left until the engine wrote nothing more for it
    refused_seconds: float | None = None  # until it was told to come later
    tokens: int = 0
    bytes: int = 0  # uploaded
    video_seconds: float = 0.0  # of what was uploaded and read
    breaks: int = 0  # of its stream, after which it went on


def jain(got: Iterable[float], of: int) -> float | None:
    """Jain's index over what so many got, of whom those that are not told of got nothing: 1 is fair, 1/of is all for one.
    None: nobody got anything.
    """
    amounts = list(got)
    squares = sum(amount * amount for amount in amounts)
    return sum(amounts) ** 2 / (of * squares) if squares else None
