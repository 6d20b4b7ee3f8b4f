"""Limits that hold over all fronts: requests at a time and a minute, and tokens a minute, of a tenant and of a key."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import Connection

from services.core.errors import ArcusError, Reason, invalid
from services.core.store import limit_tables as _tables  # noqa: F401  of the statements
from services.core.store.database import Database
from services.core.tenants import gcra
from services.core.tenants.gcra import MINUTE_US, burst_us, cost_us
from services.core.tenants.plans import Plans, Rates

LEASE_SECONDS = 15.0  # a front that is silent this long gives its places back
BEATS = 3  # in a lease
SETTLE_SECONDS = 2.0  # longest that a request's end waits for what it gives back to be written
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Subject:
    """A tenant or a key, and what it may use."""

    id: str
    tenant_id: str
    rates: Rates
    is_shadow: bool


@dataclass(frozen=True)
class Standing:
    """Of one rate: the limit a minute, what is left of the burst, and when all of it is there again."""

    limit: int
    remaining: int
    reset_seconds: float

    @classmethod
    def of(cls, per_minute: int, burst: int | None, tat: int, now: int) -> Standing:
        ahead = max(0, tat - now)
        left = (burst_us(burst, per_minute) - ahead) * per_minute // MINUTE_US
        return cls(per_minute, max(0, left), ahead / 1_000_000)


class _RefusedError(Exception):
    def __init__(self, subject: Subject) -> None:
        self.subject = subject


@dataclass
class Admission:
    """A request that was let in, until it is closed. Without limits it is nothing but that."""

    limiter: Limiter | None = None
    subjects: list[Subject] = field(default_factory=list)
    front: str = ""  # that holds its places
    places: list[str] = field(default_factory=list)  # subjects that it holds one of
    standings: dict[str, Standing] = field(default_factory=dict)  # of requests and tokens: the tightest
    reserved: int = 0  # tokens
    is_handed_over: bool = False  # to work that goes on after the request, and closes it

    async def reserve(self, tokens: int) -> None:
        """Takes an upper bound of what an answer will use. Raises LIMIT_EXCEEDED, INVALID_ARGUMENT: it never fits."""
        if self.limiter is not None and tokens > 0:
            await self.limiter.reserve(self, tokens)

    async def spend(self, tokens: int) -> None:
        """What the answer did use, in place of what was reserved. Once; never raises."""
        reserved, self.reserved = self.reserved, 0
        if self.limiter is not None and reserved:
            await self.limiter.settle(self, reserved, tokens)

    async def close(self) -> None:
        """Gives its places back. Again is nothing. Tokens that were reserved and never spent are given back too."""
        if self.limiter is None:
            return
        await self.spend(0)
        if self.places:
            await self.limiter.leave(self)

    async def __aenter__(self) -> Admission:
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        await self.end()

    async def end(self) -> None:
        """The request is over; what it handed its admission to may go on."""
        if not self.is_handed_over:
            await self.close()


NO_LIMITS = Admission()
current: ContextVar[Admission] = ContextVar("admission", default=NO_LIMITS)  # of the request that is being handled


class Limiter:
    """Charges and refuses by rows that all fronts share. What has no limits costs no statement.

    `run` is the loop that tells the others that this front lives, as long as it holds places.
    """

    def __init__(
        self,
        database: Database,
        plans: Plans,
        *,
        lease_seconds: float = LEASE_SECONDS,
        clock: Callable[[], int] | None = None,
        failed: Callable[[], object] = lambda: None,
    ) -> None:
        """`clock`: microseconds, in place of the database's. `failed` is called where a limit could not be looked up."""
        self._database = database
        self._plans = plans
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._failed = failed
        self._front = str(uuid4())
        self._beat_at = -math.inf  # monotonic
        self._holding: dict[int, Admission] = {}  # places, by id()
        self._owed: dict[tuple[str, str], Counter[str]] = {}  # (subject, front) → what is to be given back
        self._flushing = asyncio.Lock()
        self._beating = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def admit(self, tenant_id: str, key_id: str = "", *, reads: bool = False) -> Admission:
        """Charges a request, and takes a place. Raises LIMIT_EXCEEDED with when to try again.

        `reads`: where what is charged can't be written, the request is let in.
        """
        allowed = await self._plans.of(tenant_id, key_id)
        subjects = [
            Subject(id, tenant_id, rates, allowed.tenant.shadow)
            for id, rates in ((tenant_id, allowed.tenant), (key_id, allowed.key))
            if rates.has_rates
        ]
        if not subjects:
            return NO_LIMITS
        admission = Admission(self, sorted(subjects, key=lambda subject: subject.id))  # one order: no deadlock
        try:
            if any(subject.rates.requests_in_progress for subject in subjects):
                await self._keep_alive()
            admission.front = self._front
            await self._charge(admission, requests=1)
        except ArcusError as error:
            if error.reason is not Reason.LIMIT_EXCEEDED:
                self._failed()
            if not reads or error.reason not in (Reason.STORAGE_UNAVAILABLE, Reason.STORAGE_FULL):
                raise
            log.warning("limiter_failed", reason=error.reason, tenant_id=tenant_id)
            return NO_LIMITS
        return admission

    async def reserve(self, admission: Admission, tokens: int) -> None:
        for subject in admission.subjects:
            rates = subject.rates
            if rates.tokens_per_minute is None or subject.is_shadow:
                continue
            burst = rates.tokens_burst or rates.tokens_per_minute
            if tokens > burst:
                raise invalid(
                    f"The answer may take {tokens} tokens, and {burst} are allowed at once; "
                    "lower max_output_tokens, or shorten the input.",
                    field="max_output_tokens",
                )
        if await self._charge(admission, tokens=tokens):
            admission.reserved = tokens

    async def settle(self, admission: Admission, reserved: int, used: int) -> None:
        for subject in admission.subjects:
            per_minute = subject.rates.tokens_per_minute
            if per_minute is not None:
                self._owe(
                    subject.id, admission.front, token_us=cost_us(used, per_minute) - cost_us(reserved, per_minute)
                )
        await self._flushed()

    async def leave(self, admission: Admission) -> None:
        places, admission.places = admission.places, []
        self._holding.pop(id(admission), None)
        for subject_id in places:
            self._owe(subject_id, admission.front, places=1)
        await self._flushed()

    async def run(self) -> None:
        """Until cancelled: lives on as long as places are held, and writes what could not be written."""
        while True:
            await asyncio.sleep(self._lease_seconds / BEATS)
            try:
                if self._holding:
                    await self._beat()
                if self._owed:
                    self._flush_soon()  # which the next beat does not wait for
            except ArcusError as error:
                self._failed()
                log.warning("limiter_failed", reason=error.reason)

    async def close(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _charge(self, admission: Admission, *, requests: int = 0, tokens: int = 0) -> bool:
        """False where it was let pass uncharged, in shadow mode."""
        if not requests and not any(subject.rates.tokens_per_minute for subject in admission.subjects):
            return False
        for _ in range(3):  # what refused it may be over once it is looked at
            try:
                rows = await self._statements(admission, requests, tokens)
            except _RefusedError as refused:
                error = await self._refusal(refused.subject, admission, requests, tokens)
                if error is None:
                    continue
                if not refused.subject.is_shadow:
                    raise error from None
                log.info("limit_would_refuse", tenant_id=refused.subject.tenant_id, message=error.message)
                self._owe(refused.subject.id, admission.front, refused=1)
                await self._flushed()
                return False
            for subject, row in zip(admission.subjects, rows, strict=True):
                self._stand(admission, subject.rates, row)
                if requests and subject.rates.requests_in_progress is not None:
                    admission.places.append(subject.id)
                    self._holding[id(admission)] = admission
            return True
        raise ArcusError(Reason.LIMIT_EXCEEDED)

    async def _statements(self, admission: Admission, requests: int, tokens: int) -> list[Any]:
        sqlite = self._database.is_sqlite
        charges = []
        for subject in admission.subjects:
            takes_place = bool(requests) and subject.rates.requests_in_progress is not None
            charges.append(
                (subject, gcra.admit(sqlite, takes_place), self._values(subject, admission, requests, tokens))
            )
        if len(charges) == 1:
            subject, statement, values = charges[0]
            rows = await self._database.charge(statement, values)
            if not rows:
                raise _RefusedError(subject)
            return list(rows)

        def work(connection: Connection) -> list[Any]:
            rows = []
            for subject, statement, values in charges:
                row = connection.execute(statement, values).first()
                if row is None:
                    raise _RefusedError(subject)
                rows.append(row)
            return rows

        return await self._database.writing(work)

    def _values(self, subject: Subject, admission: Admission, requests: int, tokens: int) -> dict[str, Any]:
        rates = subject.rates
        return {
            "id": subject.id,
            "tenant_id": subject.tenant_id,
            "now": self._now,
            "request_us": cost_us(requests, rates.requests_per_minute),
            "request_burst_us": burst_us(rates.requests_burst, rates.requests_per_minute),
            "token_us": cost_us(tokens, rates.tokens_per_minute),
            "token_burst_us": burst_us(rates.tokens_burst, rates.tokens_per_minute),
            "front": admission.front,
            "most": rates.requests_in_progress,
        }

    async def _refusal(self, subject: Subject, admission: Admission, requests: int, tokens: int) -> ArcusError | None:
        """Why a row refused, and for how long; None where it would not any more."""
        values = self._values(subject, admission, requests, tokens)
        (row,) = await self._database.fetch(gcra.look(self._database.is_sqlite), values)
        rates = subject.rates
        self._stand(admission, rates, row)
        whose = "tenant" if subject.id == subject.tenant_id else "API key"
        for unit, cost, tat in (("requests", "request", row.requests_tat), ("tokens", "token", row.tokens_tat)):
            wait_us = tat + values[f"{cost}_us"] - row.now - values[f"{cost}_burst_us"]
            if wait_us > 0:
                seconds = math.ceil(wait_us / 1_000_000)
                limit = getattr(rates, f"{unit}_per_minute")
                return RefusedError(
                    f"This {whose} may use {limit} {unit} a minute; try again in {seconds} s.",
                    retry_after_seconds=seconds,
                    standings=admission.standings,
                )
        if requests and rates.requests_in_progress is not None and row.places >= rates.requests_in_progress:
            return RefusedError(
                f"{row.places} requests of this {whose} are in progress, the most allowed; try again when one has ended.",
                retry_after_seconds=1,
                standings=admission.standings,
            )
        return None

    def _stand(self, admission: Admission, rates: Rates, row: Any) -> None:
        for unit, per_minute, burst, tat in (
            ("requests", rates.requests_per_minute, rates.requests_burst, row.requests_tat),
            ("tokens", rates.tokens_per_minute, rates.tokens_burst, row.tokens_tat),
        ):
            if per_minute is not None:
                found, known = Standing.of(per_minute, burst, tat, row.now), admission.standings.get(unit)
                if known is None or known.limit > per_minute or found.remaining <= known.remaining:
                    admission.standings[unit] = found

    # What is given back is added up, and written for all that end at a time.

    def _owe(self, subject_id: str, front: str, **counts: int) -> None:
        self._owed.setdefault((subject_id, front), Counter()).update(counts)

    async def _flushed(self) -> None:
        await asyncio.wait({self._flush_soon()}, timeout=SETTLE_SECONDS)  # goes on whatever becomes of the request

    def _flush_soon(self) -> asyncio.Task[None]:
        task = asyncio.create_task(self._flush(), name="limits-settle")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("limiter_failed", reason=str(error))  # `run` tries again

    async def _flush(self) -> None:
        async with self._flushing:
            owed, self._owed = self._owed, {}
            if not owed:
                return
            rows = [
                {"id": id, "front": front, **{name: counts[name] for name in ("places", "token_us", "refused")}}
                for (id, front), counts in sorted(owed.items())  # one order: no deadlock
            ]
            try:
                await self._database.store(gcra.settle(self._database.is_sqlite), rows)
            except BaseException:
                for (id, front), counts in owed.items():
                    self._owe(id, front, **counts)
                raise

    async def _keep_alive(self) -> None:
        async with self._beating:
            if time.monotonic() - self._beat_at > self._lease_seconds / BEATS:
                await self._beat()

    async def _beat(self) -> None:
        began = time.monotonic()
        sqlite, lease_us = self._database.is_sqlite, int(self._lease_seconds * 1_000_000)
        values = {"now": self._now, "lease_us": lease_us}

        def beat(connection: Connection) -> bool:
            return bool(connection.execute(gcra.beat(sqlite), values | {"front": self._front}).all())

        if not await self._database.renewing(beat):
            # Silent for too long: its places may be others' by now. What it holds still counts under another name.
            log.warning("limiter_lease_lost", front=self._front)
            self._front = str(uuid4())
            for admission in self._holding.values():
                admission.front = self._front
                for subject_id in admission.places:
                    self._owe(subject_id, self._front, places=-1)
            await self._database.renewing(beat)
            await self._flush()
            await self._database.renewing(lambda connection: connection.execute(gcra.forget_fronts(sqlite), values))
        self._beat_at = began

    @property
    def _now(self) -> int | None:
        if self._clock is not None:
            return self._clock()
        return time.time_ns() // 1000 if self._database.is_sqlite else None


class RefusedError(ArcusError):
    """A rate that refused, and how the rates stand."""

    def __init__(self, message: str, *, retry_after_seconds: int, standings: Mapping[str, Standing]) -> None:
        super().__init__(Reason.LIMIT_EXCEEDED, message, retry_after_seconds=retry_after_seconds)
        self.standings = standings
