"""The log of a foreground response: events are told as they are made, and kept where the response is."""

from __future__ import annotations

from typing import Any

from services.core.answers.log import Lease
from services.nimbus.answers.events import Event, EventLog, stopping_event
from services.nimbus.answers.generation import Step
from services.nimbus.answers.log_writer import LogWriter


class ForegroundLog:
    """Applies steps to the log of a foreground response, and gives them to the writer if the response is kept."""

    def __init__(self, log: EventLog, lease: Lease, writer: LogWriter | None) -> None:
        self.log = log
        self.begun = False
        self._lease = lease
        self._writer = writer
        self._told = 0  # events
        self._last: list[Any] = []
        self.is_handed_over = False

    @property
    def is_kept(self) -> bool:
        return self._writer is not None

    @property
    def is_over(self) -> bool:
        """Here, at least."""
        return self.log.is_terminal or self.is_handed_over

    async def take(self, step: Step) -> list[Event]:
        """The events of a step. The end is kept before it is told: an answer that a client saw completed is never lost."""
        if self._writer is None:
            events = [self.log.apply(entry) for entry in step.entries]
        else:
            events = await self._writer.take(self._lease, self.log, step)
        self._told = self.log.next_number
        return events

    def last(self, entry: list[Any]) -> Event:
        """Ends the log otherwise than its steps would have, right behind what was told."""
        self.log.next_number = self._told
        self._last = entry
        return self.log.apply(entry)

    async def hand_over(self, prompt: bytes) -> Event:
        """Leaves a response that is kept to other fronts, and gives the last event of its stream here. Raises LostError."""
        assert self._writer is not None
        await self._writer.leave(self._lease, self._told, prompt)
        self.is_handed_over = True
        return stopping_event(self.log.id, self._told - 1)

    async def keep_last(self) -> None:
        if self._writer is not None:
            self._writer.add(self._lease, self._told, [self._last], body=self.log.body)
            await self._writer.written(self._lease)
