"""Foreground responses: one is answered while its caller listens, and ends with the caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack, aclosing, suppress
from time import perf_counter
from typing import Any
from uuid import uuid4

import structlog

from services.core.answers.log import Lease, ResponseLog
from services.core.answers.responses import Responses
from services.core.errors import WIRE, ArcusError, Reason
from services.core.tenants.limiter import current
from services.core.tenants.usage import Usage, calling_key, usage_record
from services.nimbus.answers.conversation import continued
from services.nimbus.answers.events import Event, EventLog, failure_entry, opening_body
from services.nimbus.answers.foreground_log import ForegroundLog
from services.nimbus.answers.generation import Generation, Step
from services.nimbus.answers.log_writer import LogWriter, LostError
from services.nimbus.answers.running import InterruptedWorkError, Running, RunningResponses, cancel_on
from services.nimbus.context.sources import ContextBuilder, Prepared
from services.nimbus.engine.client import EngineClient
from services.nimbus.requests.responses import ResponseRequest
from services.telemetry.metrics import AnswerMeter, Metrics

log = structlog.get_logger()


class ForegroundResponses:
    def __init__(
        self,
        *,
        engine: EngineClient,
        sources: ContextBuilder,
        responses: Responses,
        response_log: ResponseLog,
        writer: LogWriter,
        running: RunningResponses,
        metrics: Metrics,
        usage: Usage,
    ) -> None:
        self._engine = engine
        self._sources = sources
        self._responses = responses
        self._log = response_log
        self._writer = writer
        self._running = running
        self._metrics = metrics
        self._usage = usage

    async def events(
        self, tenant_id: str, request: ResponseRequest, *, is_followed: bool = False
    ) -> AsyncGenerator[list[Event], None]:
        """Those that come together, from the first to the last. Raises before the first what keeps it from being answered;
        closing them stops it.

        is_followed: where this front ends before a response that is kept, another goes on with it.
        """
        started = perf_counter()
        body = opening_body(request, str(uuid4()), int(time.time()))
        running = Running(Lease(body["id"], self._running.owner, 1))
        foreground = ForegroundLog(EventLog(body), running.lease, self._writer if request.store else None)
        admission = current.get()
        with self._running.place(), ExitStack() as listing:
            await admission.reserve(self._sources.most_tokens(request))
            # Written while sources are found and the engine begins; it is there before anyone is told its id.
            row = keep_row(self._responses, tenant_id, request, body, running.lease)
            storing = asyncio.create_task(row, name=f"store-{body['id']}")
            if request.store:
                listing.enter_context(self._running.listed(running, storing))
            listing.enter_context(self._running.heard(running))
            try:
                request = await continued(self._responses, tenant_id, request)
                prepared = await self._prepare(tenant_id, request, running)
                meter = AnswerMeter(self._metrics, tenant_id, request.model, started)
                generation = running.begin(
                    Generation(self._engine, prepared, foreground.log, meter, key_id=calling_key.get())
                )
                left = prepared.to_bytes if is_followed and request.store else None
                async with (
                    aclosing(generation.steps()) as steps,
                    aclosing(self._tell(tenant_id, foreground, steps, storing, left)) as events,
                ):
                    async for together in events:
                        yield together
            except InterruptedWorkError:
                self._check_stopping()
                yield [foreground.last(await self._lost_entry(tenant_id, foreground))]
            finally:
                if not foreground.is_over:
                    await asyncio.shield(self._abandon(tenant_id, foreground, storing))
                self._writer.forget(running.lease)
                if not request.store and running.generation is not None:
                    used = usage_record(
                        "response",
                        tenant_id,
                        foreground.log.id,
                        model=request.model,
                        **running.generation.counted_tokens,
                    )
                    await asyncio.shield(self._count(used))
                await admission.spend(running.used_tokens)

    async def _prepare(self, tenant_id: str, request: ResponseRequest, running: Running) -> Prepared:
        """Planning may take a language model long. Raises InterruptedWorkError when the response is stopped meanwhile."""
        work = self._sources.prepare(tenant_id, request, running.lease.response_id)
        return await cancel_on(running.stopped.wait(), work)

    async def _tell(
        self,
        tenant_id: str,
        foreground: ForegroundLog,
        steps: AsyncIterator[Step],
        storing: asyncio.Task[None],
        prompt_left: Callable[[], bytes] | None,
    ) -> AsyncGenerator[list[Event], None]:
        """The events of each step, and of their failure once one was told.

        prompt_left: what another front goes on with, where it may.
        """
        try:
            async for step in steps:
                if not foreground.begun:
                    await storing
                if events := await foreground.take(step):
                    foreground.begun = True
                    yield events
            if foreground.is_over:
                return
            if self._running.is_stopping and foreground.begun and prompt_left is not None:
                yield [await foreground.hand_over(prompt_left())]
            else:  # stopped with this front, or by whoever ended it, who has kept that too
                self._check_stopping()
                yield [foreground.last(await self._lost_entry(tenant_id, foreground))]
        except LostError:
            yield [foreground.last(await self._lost_entry(tenant_id, foreground))]
        except Exception as error:
            if not foreground.begun:
                raise
            event = foreground.last(failure_entry(foreground.log.id, error))
            with suppress(LostError, ArcusError):  # without it, the response is swept as abandoned
                await foreground.keep_last()
            yield [event]

    def _check_stopping(self) -> None:
        if self._running.is_stopping:
            raise ArcusError(Reason.SERVER_STOPPING)

    async def _count(self, used: dict[str, Any]) -> None:
        """Of a response that is not kept: what ends one that is counts it."""
        try:
            await self._usage.record(used)
        except ArcusError as error:
            log.error("usage_not_recorded", reason=error.reason, **used)

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


async def keep_row(
    responses: Responses, tenant_id: str, request: ResponseRequest, body: dict[str, Any], lease: Lease
) -> None:
    """Writes the row of a response that begins, if it is to be stored."""
    if request.store:
        await responses.create(
            tenant_id,
            body,
            request.sent,
            lease,
            background=request.background,
            previous_response_id=request.previous_response_id,
        )
