"""Answers whose front may have been killed: what the engine wrote is counted, where no front has done so."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import structlog
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.pulse import PULSE_SECONDS
from services.core.clock import now_ms
from services.core.errors import KEY_HEADER, ArcusError
from services.core.store.database import Database
from services.core.tenants.usage import Usage, usage_record

HELD_UP_SECONDS = 3 * PULSE_SECONDS
SETTLE_SECONDS = 2.0  # a front that lives has counted by then; of a dead one, none has taken over what it held
MOST_WAITING = 10_000  # the oldest are forgotten first
MOST_AT_ONCE = 500

log = structlog.get_logger()


class LeftAnswers:
    """Of one replica. Calls tell of themselves by `begin`; those that end are looked up together."""

    def __init__(self, database: Database) -> None:
        self._usage = Usage(database)
        self._ended: deque[dict[str, Any]] = deque(maxlen=MOST_WAITING)
        self._settling: asyncio.Task[None] | None = None

    def begin(self, request: pb.GenerateRequest, metadata: Mapping[str, str]) -> Counted:
        return Counted(self, request, metadata.get(KEY_HEADER))

    def ended(self, record: dict[str, Any]) -> None:
        self._ended.append(record)
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle(), name="left-answers")

    async def close(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)

    async def _settle(self) -> None:
        while self._ended:
            await asyncio.sleep(SETTLE_SECONDS)
            before = now_ms() - 1000 * SETTLE_SECONDS
            due = [record for record in self._ended if record["at"] <= before][:MOST_AT_ONCE]
            if not due:
                continue
            try:
                counted = await self._usage.settle(due)
            except ArcusError as error:
                log.warning("answers_not_counted", answers=len(due), reason=error.reason)
                continue
            if counted:
                log.info("left_answers_counted", answers=counted)
            for record in due:
                if self._ended and self._ended[0] is record:
                    self._ended.popleft()


class Counted:
    """One call: `told` of each chunk that is written, `sent` and `taken` around each that is read, `ended` once."""

    def __init__(self, left: LeftAnswers, request: pb.GenerateRequest, key_id: str | None) -> None:
        self._left = left
        self._request = request
        self._key_id = key_id
        self._input_tokens, self._output_tokens = 0, request.output_tokens_written
        self._silent_since: float | None = time.monotonic()

    def told(self, chunk: pb.GenerateChunk) -> None:
        self._output_tokens += chunk.output_tokens
        self._input_tokens += chunk.input_tokens

    def sent(self) -> None:
        self._silent_since = None

    def taken(self) -> None:
        self._silent_since = time.monotonic()

    def ended(self) -> None:
        """Nothing follows of one that wrote nothing, or that others go on with: a front asks another replica where this one,
        pulses too, was held up for seconds.
        """
        if self._key_id is None or not (self._input_tokens or self._output_tokens):
            return
        if self._silent_since is not None and time.monotonic() - self._silent_since > HELD_UP_SECONDS:
            return
        request, tokens = self._request, {"input_tokens": self._input_tokens, "output_tokens": self._output_tokens}
        record = usage_record("response", request.tenant_id, request.request_id, model=request.model, **tokens)
        self._left.ended({**record, "key_id": self._key_id})
