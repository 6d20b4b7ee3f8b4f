"""Background responses: written by this front, or taken over from one that is gone; and the care for all that runs here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from time import perf_counter
from typing import Any

import structlog

from services.core.answers.log import Lease, ResponseLog, Stored
from services.core.answers.responses import Responses
from services.core.errors import ArcusError, Reason
from services.core.store.notices import ENDED, Notices
from services.core.tenants.limiter import NO_LIMITS, Admission
from services.core.tenants.limits import TenantLimit
from services.nimbus.answers.conversation import continued
from services.nimbus.answers.events import EventLog, failure_entry
from services.nimbus.answers.generation import Generation
from services.nimbus.answers.log_writer import LogWriter, LostError
from services.nimbus.answers.running import InterruptedWorkError, Running, RunningResponses, cancel_on
from services.nimbus.context.sources import ContextBuilder, Prepared
from services.nimbus.engine.client import EngineClient
from services.nimbus.requests.responses import parse_request
from services.telemetry.metrics import AnswerMeter, Metrics

TICK_SECONDS = 0.4  # how soon a cancellation in another front is noticed where it is not told
RENEW_SECONDS = 2.0  # and where it is, since a notice may be lost
PACE_SECONDS = 0.02  # between looks, however much is told
CLAIMED_AT_ONCE = 8  # before it is looked again at what was cancelled elsewhere
ENGINE_PAUSES_SECONDS = (1, 2, 4, 8, 15)  # a background response waits this long for an engine that is away
INTERRUPTED = ["failed", "The server restarted while it answered; ask again.", "interrupted"]

log = structlog.get_logger()


class BackgroundResponses:
    def __init__(
        self,
        *,
        engine: EngineClient,
        sources: ContextBuilder,
        responses: Responses,
        response_log: ResponseLog,
        writer: LogWriter,
        running: RunningResponses,
        tenant_limit: TenantLimit,
        metrics: Metrics,
        notices: Notices,
    ) -> None:
        self._engine = engine
        self._sources = sources
        self._responses = responses
        self._log = response_log
        self._writer = writer
        self._running = running
        self._tenant_limit = tenant_limit
        self._metrics = metrics
        self._tasks: dict[asyncio.Task[None], Lease] = {}
        self._notices = notices
        self._due: set[Lease] = set()  # that may have ended
        self._wake = asyncio.Event()
        notices.listen(ENDED, self._hear)

    def places(self, tenant_id: str) -> contextlib.ExitStack:
        """Room for one more of this tenant, in this front, until it is closed. Raises LIMIT_EXCEEDED."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._tenant_limit.admit(tenant_id))
            stack.enter_context(self._running.place())
            return stack.pop_all()

    def start(
        self, lease: Lease, stored: Stored, places: contextlib.ExitStack, admission: Admission = NO_LIMITS
    ) -> None:
        """Goes on with a response that this front holds, in a task of its own that closes the others at its end."""
        work = self._work(lease, stored, places, admission)
        task = asyncio.create_task(work, name=f"response-{lease.response_id}")
        self._tasks[task] = lease
        task.add_done_callback(self._tasks.pop)

    async def run(self) -> None:
        """Until cancelled: keeps leases, notices what was cancelled elsewhere, takes over, ends what nobody can go on with."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_leases(), name="response-leases")
            group.create_task(self._look_after(), name="responses-attended")

    async def _keep_leases(self) -> None:
        """However long all else waits for the database."""
        while True:
            leases = self._running.leases
            try:
                if leases and not self._running.is_stopping:  # what is left to others stays so
                    await self._log.renew(leases)
            except ArcusError as error:
                log.warning("leases_not_renewed", reason=error.reason)
            await asyncio.sleep(RENEW_SECONDS)

    async def _look_after(self) -> None:
        clock = asyncio.get_running_loop().time
        attend_at = 0.0
        while True:
            self._wake.clear()
            due, self._due = self._due, set()
            try:
                if clock() >= attend_at:
                    attend_at = clock() + RENEW_SECONDS
                    if await self._attend():
                        attend_at = 0.0
                else:
                    await self._stop_ended(due if self._notices.hears_others else self._running.leases)
            except ArcusError as error:
                log.warning("responses_not_attended", reason=error.reason)
            await asyncio.sleep(PACE_SECONDS)
            pause = RENEW_SECONDS if self._notices.hears_others else TICK_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(pause, attend_at - clock())):
                    await self._wake.wait()

    async def close(self) -> None:
        """Stops all work here and lets other fronts have it at once."""
        leases = set(self._tasks.values())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if leases:
            with contextlib.suppress(ArcusError):
                await self._log.renew(leases, milliseconds=0)

    def _hear(self, response_ids: Collection[str]) -> None:
        """Any may have ended where there are none."""
        told = set(response_ids)
        self._due |= {lease for lease in self._running.leases if not told or lease.response_id in told}
        if self._due:
            self._wake.set()

    async def _stop_ended(self, leases: set[Lease]) -> None:
        if leases:
            self._running.stop_lost(leases, await self._log.still_held(leases))

    @property
    def _own(self) -> list[str]:
        return [lease.response_id for lease in self._running.leases]

    async def _attend(self) -> bool:
        """True: there may be more to take over."""
        await self._stop_ended(self._running.leases)
        # Those here may have lapsed while their renewal waited for others' writes: nobody has taken them.
        for tenant_id, id in await self._log.abandoned(skip=self._own):
            await self._log.end(tenant_id, id, lambda stored: ended_body(stored, INTERRUPTED))
        for _ in range(CLAIMED_AT_ONCE):
            if self._running.is_full or self._running.is_stopping:
                return False
            claimed = await self._log.claim(self._running.owner, skip=self._own)
            if claimed is None:
                return False
            lease, stored = claimed
            log.info("response_taken_over", response_id=lease.response_id, attempt=lease.attempt)
            with contextlib.ExitStack() as stack:  # its tenant was admitted when it asked
                stack.enter_context(self._running.place())
                self.start(lease, stored, stack.pop_all())
        return True

    async def _work(self, lease: Lease, stored: Stored, places: contextlib.ExitStack, admission: Admission) -> None:
        running = Running(lease)
        events = EventLog.replayed(stored.body, stored.entries)
        with places, self._running.listed(running):
            try:
                await self._write(running, stored, events)
            except LostError:
                log.info("response_lost", response_id=lease.response_id)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                number = events.next_number
                entry = failure_entry(lease.response_id, error)
                events.apply(entry)
                with contextlib.suppress(LostError, ArcusError):  # then whoever takes over tries again
                    self._writer.add(lease, number, [entry], body=events.body)
                    await self._writer.written(lease)
            finally:
                self._writer.forget(lease)
                await admission.spend(running.used_tokens)
                await admission.close()

    async def _write(self, running: Running, stored: Stored, events: EventLog) -> None:
        started = perf_counter()
        written, output_tokens = [stored.engine_text], stored.output_tokens
        prepared = Prepared.from_bytes(stored.prompt) if stored.prompt else None
        for pause in (*ENGINE_PAUSES_SECONDS, None):
            try:
                if prepared is None:
                    prepared = await cancel_on(running.stopped.wait(), self._prepare(running, stored))
                meter = AnswerMeter(self._metrics, stored.tenant_id, prepared.prompt.model, started)
                text = "".join(written)
                generation = running.begin(
                    Generation(self._engine, prepared, events, meter, written=text, output_tokens=output_tokens)
                )
                async with contextlib.aclosing(generation.steps()) as steps:
                    async for step in steps:
                        written.append(step.engine_text)
                        output_tokens += step.output_tokens
                        await self._writer.take(running.lease, events, step, urgent=True)
                return
            except InterruptedWorkError:
                return
            except ArcusError as error:
                if error.reason is not Reason.ENGINE_UNAVAILABLE or pause is None:
                    raise
                log.info("response_waits_for_engine", response_id=running.lease.response_id, seconds=pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await running.stopped.wait()
            if running.stopped.is_set():
                return

    async def _prepare(self, running: Running, stored: Stored) -> Prepared:
        request = await continued(self._responses, stored.tenant_id, parse_request(stored.request))
        prepared = await self._sources.prepare(stored.tenant_id, request, running.lease.response_id)
        if not await self._log.set_prompt(running.lease, prepared.to_bytes()):
            raise LostError
        return prepared


def ended_body(stored: Stored, entry: list[Any]) -> dict[str, Any]:
    """The response that its log so far and one last entry add up to."""
    return EventLog.replayed(stored.body, [*stored.entries, entry]).body
