"""Answers: takes a request from admission to its last event, in the foreground or behind it, and lets them be read again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, aclosing, suppress
from typing import Any
from uuid import uuid4

from services.core.answers.log import Lease, ResponseLog, Stored
from services.core.answers.responses import Responses
from services.core.errors import WIRE, ArcusError, Reason, not_found
from services.nimbus.answers.background import BackgroundResponses, ended_body
from services.nimbus.answers.conversation import continued
from services.nimbus.answers.events import Event, EventLog, failure_entry, opening_body
from services.nimbus.answers.following import follow
from services.nimbus.answers.generation import Generation, Step
from services.nimbus.answers.log_writer import LogWriter, LostError
from services.nimbus.answers.running import InterruptedWorkError, Running, RunningResponses, cancel_on
from services.nimbus.context.sources import ContextBuilder, Prepared, needs_plan
from services.nimbus.engine.client import EngineClient
from services.nimbus.requests.responses import ResponseRequest


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


class Answers:
    def __init__(
        self,
        *,
        engine: EngineClient,
        sources: ContextBuilder,
        responses: Responses,
        response_log: ResponseLog,
        writer: LogWriter,
        running: RunningResponses,
        background: BackgroundResponses,
    ) -> None:
        self._engine = engine
        self._sources = sources
        self._responses = responses
        self._log = response_log
        self._writer = writer
        self._running = running
        self._background = background

    async def create(self, tenant_id: str, request: ResponseRequest) -> dict[str, Any]:
        """The whole response at once: what its events add up to. A failure of the engine is raised, and kept too.

        A background response is returned as it begins.
        """
        if request.background:
            return await self._start(tenant_id, request)
        async with aclosing(await self.stream(tenant_id, request)) as events:
            async for event in events:
                if event["type"] in ("response.completed", "response.cancelled"):
                    return event["response"]
                if event["type"] == "error":
                    raise ArcusError(_reason(event["code"]), event["message"])
        raise ArcusError(Reason.INTERNAL)

    async def stream(self, tenant_id: str, request: ResponseRequest) -> Answer:
        """Checks the request, finds its sources and starts the engine, then returns the events. Closing them stops it.

        Those of a background response are read from its log: closing them stops nothing.
        Raises before the first event: NOT_FOUND, INVALID_ARGUMENT, LIMIT_EXCEEDED, ENGINE_UNAVAILABLE.
        """
        if request.background:
            return await self.follow(tenant_id, (await self._start(tenant_id, request))["id"])
        return await Answer.begun(self._run(tenant_id, request))

    async def follow(self, tenant_id: str, response_id: str, starting_after: int = -1) -> Answer:
        """The events after a number, of a response that runs anywhere or has ended. Raises NOT_FOUND."""
        stored = await self._log.read(tenant_id, response_id)
        if stored is None:
            raise not_found("Response", response_id)
        return Answer(None, follow(self._log, self._writer, response_id, stored, starting_after))

    async def cancel(self, tenant_id: str, response_id: str) -> dict[str, Any]:
        """Ends a response that is in progress, wherever it runs; one that has ended stays as it is. Raises NOT_FOUND."""
        for lease in self._running.leases:
            if lease.response_id == response_id:  # what was told here is kept before it is cut off
                with suppress(LostError):
                    await self._writer.written(lease)
        stored = await self._log.end(tenant_id, response_id, lambda stored: ended_body(stored, ["cancelled"]))
        if stored is None:
            raise not_found("Response", response_id)
        if stored.status == "cancelled":
            self._running.stop(response_id)
        return stored.body

    async def _start(self, tenant_id: str, request: ResponseRequest) -> dict[str, Any]:
        """What can be refused is refused now: the knowledge base and the response that is continued."""
        await self._sources.check(tenant_id, await continued(self._responses, tenant_id, request))
        body = opening_body(request, str(uuid4()), int(time.time()))
        lease = Lease(body["id"], self._running.owner, 1)
        stored = Stored(tenant_id, "in_progress", True, request.sent, body, None, [], "", 0)
        with self._background.places(tenant_id) as places:
            await self._store(tenant_id, request, body, lease)
            self._background.start(lease, stored, places.pop_all())
        return body

    async def _run(self, tenant_id: str, request: ResponseRequest) -> AsyncGenerator[Event, None]:
        body = opening_body(request, str(uuid4()), int(time.time()))
        running = Running(Lease(body["id"], self._running.owner, 1))
        foreground = ForegroundLog(EventLog(body), running.lease, self._writer if request.store else None)
        with self._running.place(), ExitStack() as listing:
            # Written while sources are found and the engine begins; it is there before anyone is told its id.
            storing = asyncio.create_task(
                self._store(tenant_id, request, body, running.lease), name=f"store-{body['id']}"
            )
            if request.store:
                listing.enter_context(self._running.listed(running, storing))
            try:
                request = await continued(self._responses, tenant_id, request)
                prepared = await self._prepare(tenant_id, request, running)
                generation = running.begin(Generation(self._engine, prepared, foreground.log))
                async with (
                    aclosing(generation.steps()) as steps,
                    aclosing(self._tell(tenant_id, foreground, steps, storing)) as events,
                ):
                    async for event in events:
                        yield event
            except InterruptedWorkError:
                yield foreground.last(await self._lost_entry(tenant_id, foreground))
            finally:
                if not foreground.is_over:
                    await asyncio.shield(self._abandon(tenant_id, foreground, storing))
                self._writer.forget(running.lease)

    async def _prepare(self, tenant_id: str, request: ResponseRequest, running: Running) -> Prepared:
        """Planning may take a language model long. Raises InterruptedWorkError when the response is stopped meanwhile."""
        work = self._sources.prepare(tenant_id, request, running.lease.response_id)
        return await (cancel_on(running.stopped.wait(), work) if needs_plan(request) else work)

    async def _tell(
        self, tenant_id: str, foreground: ForegroundLog, steps: AsyncIterator[Step], storing: asyncio.Task[None]
    ) -> AsyncGenerator[Event, None]:
        """The events of the steps, and of their failure once one was told."""
        try:
            async for step in steps:
                if not foreground.begun:
                    await storing
                for event in await foreground.take(step):
                    foreground.begun = True
                    yield event
            if not foreground.is_over:  # stopped by whoever ended it, who has kept that too
                yield foreground.last(await self._lost_entry(tenant_id, foreground))
        except LostError:
            yield foreground.last(await self._lost_entry(tenant_id, foreground))
        except Exception as error:
            if not foreground.begun:
                raise
            event = foreground.last(failure_entry(foreground.log.id, error))
            with suppress(LostError, ArcusError):  # without it, the response is swept as abandoned
                await foreground.keep_last()
            yield event

    async def _lost_entry(self, tenant_id: str, foreground: ForegroundLog) -> list[Any]:
        """Why a response is not written any more: cancelled, deleted, or its log could not be kept."""
        stored = await self._log.read(tenant_id, foreground.log.id)
        if stored is None:
            return ["failed", "The response was deleted.", "not_found"]
        if stored.status == "cancelled":
            return ["cancelled"]
        return ["failed", WIRE[Reason.STORAGE_UNAVAILABLE].message, Reason.STORAGE_UNAVAILABLE.lower()]

    async def _abandon(self, tenant_id: str, foreground: ForegroundLog, storing: asyncio.Task[None]) -> None:
        """The client went away: what it saw is kept as cancelled. A request refused before its first event leaves nothing."""
        await asyncio.wait({storing})
        if storing.exception() is not None or not foreground.is_kept:
            return
        if not foreground.begun:
            await self._responses.delete(tenant_id, foreground.log.id)
            return
        foreground.last(["cancelled"])
        with suppress(LostError):
            await foreground.keep_last()

    async def _store(self, tenant_id: str, request: ResponseRequest, body: dict[str, Any], lease: Lease) -> None:
        if request.store:
            await self._responses.create(
                tenant_id,
                body,
                request.sent,
                lease,
                background=request.background,
                previous_response_id=request.previous_response_id,
            )


class ForegroundLog:
    """Applies steps to the log of a foreground response, and gives them to the writer if the response is kept."""

    def __init__(self, log: EventLog, lease: Lease, writer: LogWriter | None) -> None:
        self.log = log
        self.begun = False
        self._hold = lease
        self._writer = writer
        self._told = 0  # events
        self._last: list[Any] = []

    @property
    def is_kept(self) -> bool:
        return self._writer is not None

    @property
    def is_over(self) -> bool:
        return self.log.is_terminal

    async def take(self, step: Step) -> list[Event]:
        """The events of a step. The end is kept before it is told: an answer that a client saw completed is never lost."""
        if self._writer is None:
            events = [self.log.apply(entry) for entry in step.entries]
        else:
            events = await self._writer.take(self._hold, self.log, step)
        self._told = self.log.next_number
        return events

    def last(self, entry: list[Any]) -> Event:
        """Ends the log otherwise than its steps would have, right behind what was told."""
        self.log.next_number = self._told
        self._last = entry
        return self.log.apply(entry)

    async def keep_last(self) -> None:
        if self._writer is not None:
            self._writer.add(self._hold, self._told, [self._last], body=self.log.body)
            await self._writer.written(self._hold)


def _reason(code: str) -> Reason:
    name = code.upper()
    return Reason(name) if name in Reason.__members__ else Reason.INTERNAL
