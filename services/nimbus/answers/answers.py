"""Answers: a request becomes a response in the foreground or behind it; its events can be read again, and it cancelled."""

from __future__ import annotations

import time
from contextlib import aclosing, suppress
from typing import Any
from uuid import uuid4

from services.core.answers.log import Lease, ResponseLog, Stored
from services.core.answers.responses import Responses
from services.core.errors import ArcusError, Reason, not_found
from services.core.tenants.limiter import current
from services.nimbus.answers.answer import Answer, each
from services.nimbus.answers.background import BackgroundResponses, ended_body
from services.nimbus.answers.conversation import continued
from services.nimbus.answers.events import opening_body
from services.nimbus.answers.feeds import Feeds
from services.nimbus.answers.following import follow
from services.nimbus.answers.foreground import ForegroundResponses, keep_row
from services.nimbus.answers.log_writer import LogWriter, LostError
from services.nimbus.answers.references import with_items
from services.nimbus.answers.running import RunningResponses
from services.nimbus.context.sources import ContextBuilder
from services.nimbus.requests.responses import ResponseRequest


class Answers:
    def __init__(
        self,
        *,
        sources: ContextBuilder,
        responses: Responses,
        response_log: ResponseLog,
        writer: LogWriter,
        feeds: Feeds,
        running: RunningResponses,
        foreground: ForegroundResponses,
        background: BackgroundResponses,
    ) -> None:
        self._sources = sources
        self._responses = responses
        self._log = response_log
        self._writer = writer
        self._feeds = feeds
        self._running = running
        self._foreground = foreground
        self._background = background

    async def create(self, tenant_id: str, request: ResponseRequest) -> dict[str, Any]:
        """The whole response at once: what its events add up to. A failure of the engine is raised, and kept too.

        A background response is returned as it begins.
        """
        request = await with_items(self._responses, tenant_id, request)
        if request.background:
            return await self._start(tenant_id, request)
        async with aclosing(await Answer.begun(self._foreground.events(tenant_id, request))) as events:
            async for event in each(events):
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
        request = await with_items(self._responses, tenant_id, request)
        if request.background:
            return await self.follow(tenant_id, (await self._start(tenant_id, request))["id"])
        return await Answer.begun(self._foreground.events(tenant_id, request, is_followed=True))

    async def follow(self, tenant_id: str, response_id: str, starting_after: int = -1) -> Answer:
        """The events after a number, of a response that runs anywhere or has ended. Raises NOT_FOUND."""
        stored = await self._log.read(tenant_id, response_id)
        if stored is None:
            raise not_found("Response", response_id)
        return Answer(None, follow(self._log, self._feeds, response_id, stored, starting_after))

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

    async def stop(self) -> None:
        """Each stream ends at once: those of kept responses with what to follow them by elsewhere, where they go on."""
        self._running.stop_heard()
        self._feeds.stop()
        await self._background.close()

    async def _start(self, tenant_id: str, request: ResponseRequest) -> dict[str, Any]:
        """What can be refused is refused now: the knowledge base and the response that is continued."""
        await self._sources.check(tenant_id, await continued(self._responses, tenant_id, request))
        body = opening_body(request, str(uuid4()), int(time.time()))
        lease = Lease(body["id"], self._running.owner, 1)
        stored = Stored(tenant_id, "in_progress", True, request.sent, body, None, [], "", 0)
        admission = current.get()
        with self._background.places(tenant_id) as places:
            await admission.reserve(self._sources.most_tokens(request))
            await keep_row(self._responses, tenant_id, request, body, lease)
            admission.is_handed_over = True
            self._background.start(lease, stored, places.pop_all(), admission)
        return body


def _reason(code: str) -> Reason:
    name = code.upper()
    return Reason(name) if name in Reason.__members__ else Reason.INTERNAL
