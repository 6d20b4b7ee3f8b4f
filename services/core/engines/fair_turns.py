"""Turns before an engine that takes so many requests at once: those that wait are served fairly between tenants.

Deficit round robin (Shreedhar and Varghese, 1995): tenants that wait are served in a circle, each for as many tokens as the
others, whatever it asks at once and however long its requests are. Of the places, a few are left to tenants who run less than
their share, so that one who asks little finds a place beside one who asks for all of them, and does not wait for an end: as few
as it takes, one more after each such request that finds none, and fewer again while none has to wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.core.errors import ArcusError, Reason

QUANTUM_TOKENS = (
    64  # that a tenant may begin in one round: fewer than a request has, so that one has not many turns in a row
)
WAIT_SHARE = 1 / 500  # of the requests that places are left to: well below what a p99 tells
REMEMBERED_SECONDS = 60.0  # that a tenant counts for the shares after it asked


@dataclass(eq=False)
class _Waiting:
    tokens: int
    turn: asyncio.Future[None]


@dataclass
class _Tenant:
    waiting: deque[_Waiting] = field(default_factory=deque)
    tokens: int = 0  # of those
    credit: int = 0  # tokens that it may begin in this round


class FairTurns:
    def __init__(
        self,
        running: int,
        waiting: int,
        *,
        may_begin: Callable[[], bool] = lambda: True,
        quantum_tokens: int = QUANTUM_TOKENS,
    ) -> None:
        """At most `running` at once and `waiting` behind them, which begin only where `may_begin` says so or none runs."""
        self._most_running = running
        self._most_waiting = waiting
        self._may_begin = may_begin
        self._quantum_tokens = quantum_tokens
        self._running = 0
        self._waiting = 0
        self._circle: OrderedDict[str, _Tenant] = OrderedDict()  # those that wait; the first one is being served
        self._left_free = 1.0  # places, as a mean
        self._places: Counter[str] = Counter()  # of those that run
        self._asked_at: OrderedDict[str, float] = OrderedDict()  # who asked last is last

    @property
    def waiting(self) -> int:
        return self._waiting

    @asynccontextmanager
    async def turn(self, tenant_id: str, tokens: int) -> AsyncIterator[None]:
        """A place, once it is this request's turn. `tokens`: what it will cost, about.

        Where no more can wait, the tenant with the most tokens waiting loses its newest request. Raises LIMIT_EXCEEDED.
        """
        self._remember(tenant_id)
        self._learn_left_free(tenant_id)
        if not self._circle and self._may_run_more(tenant_id):
            self._take_place(tenant_id)
        else:
            await self._wait(tenant_id, _Waiting(max(tokens, 1), asyncio.get_running_loop().create_future()))
        try:
            yield
        finally:
            self._give_back(tenant_id)

    def _remember(self, tenant_id: str) -> None:
        now = asyncio.get_running_loop().time()
        self._asked_at[tenant_id] = now
        self._asked_at.move_to_end(tenant_id)
        while next(iter(self._asked_at.values())) < now - REMEMBERED_SECONDS:
            self._asked_at.popitem(last=False)

    def _learn_left_free(self, tenant_id: str) -> None:
        """Goes to where WAIT_SHARE of the requests that places are left to find none (Robbins and Monro, 1951)."""
        if len(self._asked_at) < 2:
            self._left_free = 1.0
        elif self._is_below_share(tenant_id) and tenant_id not in self._circle:
            step = 1 if self._running >= self._most_running else -WAIT_SHARE
            self._left_free = min(max(self._left_free + step, 1), self._most_running / 2)

    def _is_below_share(self, tenant_id: str) -> bool:
        return self._places[tenant_id] < max(self._most_running / len(self._asked_at), 1)

    def _may_run_more(self, tenant_id: str) -> bool:
        free = self._most_running - self._running
        if len(self._asked_at) < 2:
            return free > 0
        return free - 1 >= self._left_free or (free > 0 and self._is_below_share(tenant_id))

    def _take_place(self, tenant_id: str) -> None:
        self._running += 1
        self._places[tenant_id] += 1

    def _give_back(self, tenant_id: str) -> None:
        self._running -= 1
        self._places[tenant_id] -= 1
        if not self._places[tenant_id]:
            del self._places[tenant_id]
        self._begin()

    async def _wait(self, tenant_id: str, request: _Waiting) -> None:
        tenant = self._circle.setdefault(tenant_id, _Tenant())
        tenant.waiting.append(request)
        tenant.tokens += request.tokens
        self._waiting += 1
        if self._waiting > self._most_waiting:
            self._refuse_one(tenant_id)
        self._begin()  # a place may be left for it, and not for those before it
        try:
            await request.turn
        except asyncio.CancelledError:
            if request in tenant.waiting:
                self._take(tenant_id, request)
                self._begin()
            elif not request.turn.cancelled() and request.turn.exception() is None:
                self._give_back(tenant_id)  # its turn came as its caller went
            raise

    def _refuse_one(self, newest: str) -> None:
        """Among equals it is the tenant that came last."""
        id = max(self._circle, key=lambda id: (self._circle[id].tokens, id == newest))
        request = self._circle[id].waiting[-1]
        self._take(id, request)
        if not request.turn.done():
            most = self._most_running + self._most_waiting
            told = f"The engine has {most} requests under way, its limit; try again later."
            request.turn.set_exception(ArcusError(Reason.LIMIT_EXCEEDED, told))

    def _take(self, tenant_id: str, request: _Waiting) -> None:
        """Out of those that wait. A tenant of whom nothing waits keeps no credit."""
        tenant = self._circle[tenant_id]
        tenant.waiting.remove(request)
        tenant.tokens -= request.tokens
        self._waiting -= 1
        if not tenant.waiting:
            del self._circle[tenant_id]

    def _skip_rounds(self, ids: Iterable[str]) -> None:
        """Those in which none of them could begin anything, at once."""
        served = [self._circle[id] for id in ids]
        rounds = min((each.waiting[0].tokens - each.credit - 1) // self._quantum_tokens for each in served)
        if rounds > 0:
            for each in served:
                each.credit += rounds * self._quantum_tokens

    def _next(self) -> str | None:
        """Whose turn it is, of those who may run more."""
        ids = deque(id for id in self._circle if self._may_run_more(id))
        while ids:
            tenant = self._circle[ids[0]]
            if tenant.credit >= tenant.waiting[0].tokens:
                return ids[0]
            self._skip_rounds(ids)
            tenant.credit += self._quantum_tokens
            self._circle.move_to_end(ids[0])
            ids.rotate(-1)
        return None

    def _begin(self) -> None:
        while not self._running or self._may_begin():
            if (id := self._next()) is None:
                return
            tenant = self._circle[id]
            request = tenant.waiting[0]
            tenant.credit -= request.tokens
            self._take(id, request)
            if not request.turn.done():  # else its caller has just gone
                self._take_place(id)
                request.turn.set_result(None)
