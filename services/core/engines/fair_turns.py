"""Turns before an engine that takes so many requests at once: those that wait are served fairly between tenants.

Deficit round robin (Shreedhar and Varghese, 1995): tenants that wait are served in a circle, each for as many tokens as the
others, whatever it asks at once and however long its requests are.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.core.errors import ArcusError, Reason

QUANTUM_TOKENS = (
    64  # that a tenant may begin in one round: fewer than a request has, so that one has not many turns in a row
)


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

    @property
    def waiting(self) -> int:
        return self._waiting

    @asynccontextmanager
    async def turn(self, tenant_id: str, tokens: int) -> AsyncIterator[None]:
        """A place, once it is this request's turn. `tokens`: what it will cost, about.

        Where no more can wait, the tenant with the most tokens waiting loses its newest request. Raises LIMIT_EXCEEDED.
        """
        if self._running < self._most_running and not self._circle:
            self._running += 1
        else:
            await self._wait(tenant_id, _Waiting(max(tokens, 1), asyncio.get_running_loop().create_future()))
        try:
            yield
        finally:
            self._running -= 1
            self._begin()

    async def _wait(self, tenant_id: str, request: _Waiting) -> None:
        tenant = self._circle.setdefault(tenant_id, _Tenant())
        tenant.waiting.append(request)
        tenant.tokens += request.tokens
        self._waiting += 1
        if self._waiting > self._most_waiting:
            self._refuse_one(tenant_id)
        try:
            await request.turn
        except asyncio.CancelledError:
            if request in tenant.waiting:
                self._take(tenant_id, request)
            elif not request.turn.cancelled() and request.turn.exception() is None:
                self._running -= 1  # its turn came as its caller went
            self._begin()
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

    def _skip_rounds(self) -> None:
        """Those in which nobody could begin anything, at once."""
        rounds = min(
            (each.waiting[0].tokens - each.credit - 1) // self._quantum_tokens for each in self._circle.values()
        )
        if rounds > 0:
            for each in self._circle.values():
                each.credit += rounds * self._quantum_tokens

    def _begin(self) -> None:
        while self._circle and self._running < self._most_running and (not self._running or self._may_begin()):
            id, tenant = next(iter(self._circle.items()))
            request = tenant.waiting[0]
            if tenant.credit < request.tokens:
                self._skip_rounds()
                tenant.credit += self._quantum_tokens
                self._circle.move_to_end(id)
                continue
            tenant.credit -= request.tokens
            self._take(id, request)
            if not request.turn.done():  # else its caller has just gone
                self._running += 1
                request.turn.set_result(None)
