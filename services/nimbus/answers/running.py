"""What this front is writing: how many answers, how to stop one, and work that is given up as soon as something else happens."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

from services.core.answers.log import Lease
from services.core.errors import ArcusError, Reason
from services.nimbus.answers.generation import Generation

Result = TypeVar("Result")


@dataclass(eq=False)
class Running:
    """One response under way. `stop` ends the engine's work, now or as soon as it begins."""

    lease: Lease
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    generation: Generation | None = None

    def begin(self, generation: Generation) -> Generation:
        self.generation = generation
        if self.stopped.is_set():
            generation.stop()
        return generation

    @property
    def used_tokens(self) -> int:
        return self.generation.used_tokens if self.generation is not None else 0

    def stop(self) -> None:
        self.stopped.set()
        if self.generation is not None:
            self.generation.stop()


class RunningResponses:
    def __init__(self, max_responses: int) -> None:
        self.owner = f"{socket.gethostname()[:40]}:{uuid4().hex[:12]}"
        self._max_responses = max_responses
        self._count = 0
        self._stored: dict[Lease, Running] = {}
        self._heard: set[Running] = set()
        self.is_stopping = False

    @property
    def count(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        return self._count >= self._max_responses

    @property
    def leases(self) -> set[Lease]:
        """Of the responses that are stored while they run."""
        return set(self._stored)

    @contextmanager
    def place(self) -> Iterator[None]:
        """One answer's place until the block ends. Raises LIMIT_EXCEEDED when there is none."""
        if self.is_full:
            raise ArcusError(Reason.LIMIT_EXCEEDED, "This server is answering as many questions as it can; try again.")
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    @contextmanager
    def listed(self, running: Running, storing: asyncio.Task[None] | None = None) -> Iterator[None]:
        """Whoever cancels the response, here or elsewhere, stops this one until the block ends.

        Where it is still being stored, not before its row is there: one without a row counts as deleted.
        """

        def begin(stored: asyncio.Task[None]) -> None:
            if not stored.cancelled() and stored.exception() is None:
                self._stored[running.lease] = running

        if storing is None:
            self._stored[running.lease] = running
        else:
            storing.add_done_callback(begin)
        try:
            yield
        finally:
            if storing is not None:
                storing.remove_done_callback(begin)
            self._stored.pop(running.lease, None)

    @contextmanager
    def heard(self, running: Running) -> Iterator[None]:
        """Its caller listens until the block ends: it is stopped with this front."""
        self._heard.add(running)
        if self.is_stopping:
            running.stop()
        try:
            yield
        finally:
            self._heard.discard(running)

    def stop_heard(self) -> None:
        """Those to come too."""
        self.is_stopping = True
        for running in self._heard:
            running.stop()

    def stop(self, response_id: str) -> None:
        """Stops a response if it runs here."""
        for lease, running in self._stored.items():
            if lease.response_id == response_id:
                running.stop()

    def stop_lost(self, asked: set[Lease], held: set[Lease]) -> None:
        for lease in asked - held:
            if lease in self._stored:
                self._stored[lease].stop()


class InterruptedWorkError(Exception):
    """The signal came before the work was done."""


async def cancel_on(signal: Coroutine[Any, Any, Any], work: Coroutine[Any, Any, Result]) -> Result:
    """The result of work, or what it raises; it is cancelled once `signal` returns. Raises InterruptedWorkError then."""
    task, watch = asyncio.create_task(work, name="work"), asyncio.create_task(signal, name="signal")
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise InterruptedWorkError
        return task.result()
    finally:
        for each in (task, watch):
            each.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)
