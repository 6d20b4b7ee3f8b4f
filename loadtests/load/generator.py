"""Starts each journey at its time, whatever became of the earlier ones: an open loop, as users are one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from loadtests.load.claims import Claims
from loadtests.load.outcomes import Outcome
from loadtests.load.saturation import Saturation
from loadtests.load.scenario import Order


class WrongAnswerError(Exception):
    """What came is not what should have come."""


class RefusedError(Exception):
    """The system says to come later."""


Clock = Callable[[], float]  # seconds since the intended start
Journey = Callable[[Order, Outcome, Clock], Awaitable[None]]


@dataclass(frozen=True)
class Run:
    outcomes: list[Outcome]
    seconds: float
    cpu_share: float  # of one core, which is what the generator's loop has
    saturation: Saturation = field(default_factory=Saturation)
    usage_of_written: float | None = None
    unsound: int | None = None
    claims: Claims | None = None
    killed: tuple[int, ...] = ()  # processes, by each fault of the scenario


async def generate(orders: Sequence[Order], journey: Journey, *, timeout_seconds: float) -> Run:
    """Every order has an outcome, in order. A journey that outlasts its time fails."""
    loop = asyncio.get_running_loop()
    began, cpu = loop.time(), time.process_time()
    tasks: list[asyncio.Task[Outcome]] = []
    for order in orders:
        wait = began + order.at_seconds - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(_made(order, began + order.at_seconds, journey, timeout_seconds)))
    outcomes = list(await asyncio.gather(*tasks))
    seconds = loop.time() - began
    return Run(outcomes, seconds, (time.process_time() - cpu) / max(seconds, 1e-9))


async def _made(order: Order, intended: float, journey: Journey, timeout_seconds: float) -> Outcome:
    loop = asyncio.get_running_loop()
    outcome = Outcome(order, delay_seconds=max(0.0, loop.time() - intended))
    try:
        async with asyncio.timeout(timeout_seconds):
            await journey(order, outcome, lambda: loop.time() - intended)
        outcome.result, outcome.last_seconds = "completed", loop.time() - intended
    except RefusedError as refused:
        outcome.result, outcome.problem, outcome.refused_seconds = "refused", str(refused), loop.time() - intended
    except WrongAnswerError as wrong:
        outcome.result, outcome.problem = "wrong", str(wrong)
    except TimeoutError:
        outcome.problem = f"not done within {timeout_seconds:g} s"
    except Exception as error:  # of the client's libraries, of many kinds: the run goes on and counts it
        outcome.problem = f"{type(error).__name__}: {error}"[:300]
    return outcome
