"""One answer: its events as they come, live or read again, whichever made them; those that come together, together."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from services.nimbus.answers.events import Event


class Answer:
    """Lists of 1 or more events of one response, of which the first may be at hand. Closing it stops them, begun upon or not."""

    def __init__(self, first: list[Event] | None, rest: AsyncGenerator[list[Event], None]) -> None:
        self._first = first
        self._rest = rest

    @classmethod
    async def begun(cls, events: AsyncGenerator[list[Event], None]) -> Answer:
        """Raises what the events raise before the first of them."""
        try:
            return cls(await anext(events), events)
        except BaseException:
            await events.aclose()
            raise

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> list[Event]:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._rest)

    async def aclose(self) -> None:
        await self._rest.aclose()


async def each(answer: Answer) -> AsyncGenerator[Event, None]:
    """Its events one by one, for whoever writes none of them. The answer is closed by whoever opened it."""
    async for together in answer:
        for event in together:
            yield event
