"""One answer: its events as they come, live or read again, whichever made them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from services.nimbus.answers.events import Event


class Answer:
    """The events of one response, of which the first may be at hand. Closing it stops them, begun upon or not."""

    def __init__(self, first: Event | None, rest: AsyncGenerator[Event, None]) -> None:
        self._first: Event | None = first
        self._rest = rest

    @classmethod
    async def begun(cls, events: AsyncGenerator[Event, None]) -> Answer:
        """Raises what the events raise before the first of them."""
        try:
            return cls(await anext(events), events)
        except BaseException:
            await events.aclose()
            raise

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> Event:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._rest)

    async def aclose(self) -> None:
        await self._rest.aclose()
