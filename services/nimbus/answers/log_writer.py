"""Writes what all responses of this front add to their logs: one transaction for everything that waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from services.core.answers.log import Batch, Lease, ResponseLog
from services.core.errors import ArcusError, Reason
from services.nimbus.answers.events import Entry, Event, EventLog
from services.nimbus.answers.generation import Step

PACE_SECONDS = 0.25  # between writes that nobody waits for
MAX_UNWRITTEN = 4096  # entries of one response; its stream then waits for the database
MAX_RESPONSES = 256
# What is to be written waits this long, 5 s in all, for a database that is away: less than a lease lasts.
PAUSES_SECONDS = (0.1, 0.3, 0.6, 1.0, 1.0, 2.0)

log = structlog.get_logger()


class LostError(Exception):
    """The response is another front's by now, was cancelled or deleted: stop."""


@dataclass
class _Pending:
    lease: Lease
    first_number: int
    entries: list[Entry] = field(default_factory=list)
    engine_text: list[str] = field(default_factory=list)
    output_tokens: int = 0
    body: dict[str, Any] | None = None
    prompt_left: bytes | None = None
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    def batch(self) -> Batch:
        text = "".join(self.engine_text)
        return Batch(self.lease, self.first_number, self.entries, text, self.output_tokens, self.body, self.prompt_left)


class LogWriter:
    """`run` is the one loop that writes. A response that could not be written is lost: nothing more of it is accepted."""

    def __init__(self, response_log: ResponseLog, *, pauses_seconds: Sequence[float] = PAUSES_SECONDS) -> None:
        self._log = response_log
        self._pauses_seconds = pauses_seconds
        self._pending: dict[Lease, _Pending] = {}
        self._taken: dict[Lease, _Pending] = {}  # in the transaction that is under way
        self._held: set[Lease] = set()  # of which more may be added
        self._lost: set[Lease] = set()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. What is added while a transaction is under way goes into the next one, together."""
        while True:
            await self._wake.wait()
            if not self._urgent.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PACE_SECONDS):
                        await self._urgent.wait()
            await self._flush()

    def add(
        self,
        lease: Lease,
        number: int,
        entries: Sequence[Entry],
        engine_text: str = "",
        output_tokens: int = 0,
        *,
        body: dict[str, Any] | None = None,
        urgent: bool = False,
    ) -> bool:
        """Adds entries from `number` on; with `body` the response ends. True means that much is unwritten: wait.

        Raises LostError.
        """
        if lease in self._lost:
            raise LostError
        pending = self._pending.get(lease)
        if pending is None:
            self._held.add(lease)
            pending = self._pending[lease] = _Pending(lease, number)
            self._wake.set()
        pending.entries += entries
        if engine_text:
            pending.engine_text.append(engine_text)
        pending.output_tokens += output_tokens
        pending.body = body
        if urgent:
            self._urgent.set()
        return len(pending.entries) >= MAX_UNWRITTEN

    async def take(self, lease: Lease, log: EventLog, step: Step, *, urgent: bool = False) -> list[Event]:
        """Applies a step to its log, adds it, and gives its events. Waits where the response ends or much is unwritten.

        Raises LostError, STORAGE_UNAVAILABLE, STORAGE_FULL.
        """
        number = log.next_number
        events = [log.apply(entry) for entry in step.entries]
        body = log.body if log.is_terminal else None
        full = self.add(lease, number, step.entries, step.engine_text, step.output_tokens, body=body, urgent=urgent)
        if full or body is not None:
            await self.written(lease)
        return events

    async def leave(self, lease: Lease, number: int, prompt: bytes) -> None:
        """Once all that was added is in the database, any front goes on from `number` by the prompt. Raises as `written`."""
        self.add(lease, number, ())
        self._pending[lease].prompt_left = prompt
        await self.written(lease)

    async def written(self, lease: Lease) -> None:
        """Returns once all that was added is in the database. Raises LostError, STORAGE_UNAVAILABLE, STORAGE_FULL."""
        if lease in self._lost:
            raise LostError
        pending = self._pending.get(lease) or self._taken.get(lease)
        if pending is None:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pending.waiters.append(waiter)
        self._urgent.set()
        await waiter

    def forget(self, lease: Lease) -> None:
        """Nothing more will be added for this lease."""
        self._held.discard(lease)
        self._lost.discard(lease)

    async def _flush(self) -> None:
        self._taken = taken = dict(list(self._pending.items())[:MAX_RESPONSES])
        for lease in taken:
            del self._pending[lease]
        self._rest_if_done()
        failure: Exception | None = None
        try:
            lost = await self._append([pending.batch() for pending in taken.values()])
        except Exception as error:
            # Told to whoever waits; whoever does not finds the response lost, and a background one is taken over.
            failure, lost = error, set(taken)
            reason = error.reason if isinstance(error, ArcusError) else repr(error)
            log.warning("events_not_written", responses=len(taken), reason=reason)
        self._taken = {}
        self._lost |= lost & self._held  # nobody asks after the others
        for lease, pending in taken.items():
            waiters = pending.waiters
            if lease in lost and (later := self._pending.pop(lease, None)):
                waiters += later.waiters  # what came meanwhile would stand behind a gap
            for waiter in waiters:
                if waiter.done():
                    continue
                if lease in lost:
                    waiter.set_exception(failure or LostError())
                else:
                    waiter.set_result(None)
        self._rest_if_done()

    async def _append(self, batches: Sequence[Batch]) -> set[Lease]:
        """Tries again where the database is away."""
        again = False
        for pause in self._pauses_seconds:
            try:
                return await self._log.append(batches, again=again)
            except ArcusError as error:
                if error.reason is not Reason.STORAGE_UNAVAILABLE:
                    raise
                log.info("events_wait_for_database", responses=len(batches), seconds=pause)
            again = True
            await asyncio.sleep(pause)
        return await self._log.append(batches, again=again)

    def _rest_if_done(self) -> None:
        if not self._pending:
            self._wake.clear()
            self._urgent.clear()
