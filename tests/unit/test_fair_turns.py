"""Who waits for an engine is served fairly between tenants, whatever one of them asks at once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.fairness import GOAL, TIMES, Traffic
from services.core.engines.fair_turns import REMEMBERED_SECONDS, FairTurns
from services.core.errors import ArcusError, Reason
from services.simulation.virtual_time import VirtualLoop, simulate


class Caller:
    """Requests whose turns are noted as they come, and which keep their places until they are told to end."""

    def __init__(self, turns: FairTurns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self.ends: list[asyncio.Event] = []

    def ask(self, tenant: str, tokens: int = 100) -> asyncio.Task[None]:
        async def run() -> None:
            async with self.turns.turn(tenant, tokens):
                end = asyncio.Event()
                self.begun.append(tenant)
                self.ends.append(end)
                await end.wait()

        return asyncio.create_task(run())

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def end_one(self) -> None:
        self.ends.pop(0).set()
        await self.settle()

    async def end_all(self) -> list[str]:
        while self.ends:
            await self.end_one()
        return self.begun


async def test_a_tenant_that_asks_ten_times_as_much_makes_another_wait_for_one_request_at_a_time():
    caller = Caller(FairTurns(1, 100, quantum_tokens=100))
    tasks = [caller.ask("loud") for _ in range(50)]
    await caller.settle()
    tasks += [caller.ask("quiet") for _ in range(5)]
    await caller.settle()
    order = await caller.end_all()
    assert "".join(name[0] for name in order[:12]) in ("llqlqlqlqlql", "lqlqlqlqlqll") and Counter(order)["loud"] == 50
    await asyncio.gather(*tasks)


async def test_turns_are_shared_by_tokens_and_not_by_requests():
    caller = Caller(FairTurns(1, 200, quantum_tokens=1000))
    tasks = [caller.ask("long", 1000) for _ in range(20)]
    tasks += [caller.ask("short", 100) for _ in range(100)]
    await caller.settle()
    order = await caller.end_all()
    first = Counter(order[1:56])  # the first had its place before anyone waited
    assert first["long"] == 5 and first["short"] == 50
    await asyncio.gather(*tasks)


async def test_where_no_more_can_wait_it_is_the_tenant_with_the_most_waiting_that_is_refused():
    caller = Caller(FairTurns(1, 4))
    loud = [caller.ask("loud") for _ in range(6)]
    await caller.settle()
    assert loud[5].done() and caller.turns.waiting == 4
    quiet = caller.ask("quiet")
    await caller.settle()
    with pytest.raises(ArcusError, match="5 requests under way") as refused:
        await loud[4]
    assert refused.value.reason is Reason.LIMIT_EXCEEDED and not quiet.done()
    assert Counter(await caller.end_all()) == {"loud": 4, "quiet": 1}
    assert isinstance(loud[5].exception(), ArcusError)


async def test_while_the_engine_is_full_nobody_who_waits_begins_but_where_nothing_runs():
    full = True
    caller = Caller(FairTurns(2, 10, may_begin=lambda: not full))
    tasks = [caller.ask("a") for _ in range(5)]
    await caller.settle()
    assert len(caller.begun) == 2
    await caller.end_one()
    assert len(caller.begun) == 2
    await caller.end_one()
    assert len(caller.begun) == 3
    full = False
    assert len(await caller.end_all()) == 5
    await asyncio.gather(*tasks)


async def test_a_tenant_that_runs_less_than_its_share_finds_a_place_that_others_leave_free():
    caller = Caller(FairTurns(8, 100))
    tasks = [caller.ask("loud") for _ in range(30)]
    await caller.settle()
    assert len(caller.begun) == 8  # nobody else is there
    tasks.append(caller.ask("quiet"))
    await caller.settle()
    await caller.end_one()
    assert caller.begun[8:] == ["quiet"]
    await caller.end_one()
    assert caller.begun[9:] == []  # the place that is left
    tasks.append(caller.ask("quiet"))
    await caller.settle()
    assert caller.begun[9:] == ["quiet"]
    assert Counter(await caller.end_all()) == {"loud": 30, "quiet": 2}
    await asyncio.gather(*tasks)


async def test_one_more_place_is_left_after_a_request_that_found_none():
    caller = Caller(FairTurns(16, 100))
    tasks = [caller.ask("loud") for _ in range(30)]
    await caller.settle()
    for more in (1, 2):
        tasks += [caller.ask("quiet") for _ in range(2 * more - 1)]
        await caller.settle()  # the last of them finds no place
        for _ in range(3 * more):
            await caller.end_one()
        assert 16 - len(caller.ends) == 1 + more
    assert Counter(await caller.end_all()) == {"loud": 30, "quiet": 4}
    await asyncio.gather(*tasks)


async def test_tenants_that_ask_for_more_than_their_shares_fill_all_places_together():
    caller = Caller(FairTurns(8, 100))
    tasks = [caller.ask(tenant) for tenant in ("first", "second") for _ in range(20)]
    await caller.settle()
    for _ in range(24):
        await caller.end_one()
        assert len(caller.ends) == 8
    assert Counter(await caller.end_all()) == {"first": 20, "second": 20}
    await asyncio.gather(*tasks)


def test_who_is_alone_again_has_all_places():
    async def play() -> int:
        turns = FairTurns(8, 100)
        async with turns.turn("quiet", 1):
            pass
        caller = Caller(turns)
        tasks = [caller.ask("loud") for _ in range(8)]
        await caller.settle()
        begun = len(caller.begun)
        await asyncio.sleep(REMEMBERED_SECONDS + 1)
        tasks.append(caller.ask("loud"))
        await caller.settle()
        assert (begun, len(caller.begun)) == (7, 8)
        await caller.end_all()
        await asyncio.gather(*tasks)
        return len(caller.begun)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(play()) == 9


def test_beside_one_that_asks_ten_times_its_share_the_p99_of_a_first_token_at_most_doubles():
    alone = simulate(Traffic(16, apart=True).run(0, questions=600))
    beside = simulate(Traffic(16, apart=True).run(TIMES, questions=600))
    assert len(beside.first_seconds) == len(alone.first_seconds) > 500
    assert beside.p99_seconds <= GOAL * alone.p99_seconds
    assert beside.share_of("loud") > 0.7


@settings(max_examples=200, deadline=None)
@given(
    running=st.integers(1, 3),
    waiting=st.integers(0, 4),
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "cancel", "end"]), st.integers(0, 9), st.integers(1, 3000)), max_size=60
    ),
)
def test_whatever_comes_and_goes_no_place_is_lost_and_none_is_given_twice(running, waiting, steps):
    async def play() -> None:
        turns = FairTurns(running, waiting)
        caller, tasks, inside = Caller(turns), [], Counter()

        async def run(tenant: str, tokens: int) -> None:
            async with turns.turn(tenant, tokens):
                inside["now"] += 1
                assert inside["now"] <= running
                try:
                    await gates[len(gates) - 1].wait()
                finally:
                    inside["now"] -= 1

        gates = [asyncio.Event()]
        for kind, number, tokens in steps:
            if kind == "ask":
                tasks.append(asyncio.create_task(run(str(number % 3), tokens)))
            elif kind == "cancel" and tasks:
                tasks[number % len(tasks)].cancel()
            else:
                gates[-1].set()
                gates.append(asyncio.Event())
            if number % 2:
                await caller.settle()
            assert turns.waiting <= waiting + 1
        while not all(task.done() for task in tasks):
            gates[-1].set()
            gates.append(asyncio.Event())
            await caller.settle()
        assert turns.waiting == 0 and inside["now"] == 0
        for task in tasks:
            assert task.cancelled() or task.exception() is None or isinstance(task.exception(), ArcusError)
        together = asyncio.Barrier(running)  # as many as there are places, all at once
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            for number in range(running):
                group.create_task(_meet(turns, f"after-{number}", together))

    asyncio.run(play())


async def _meet(turns: FairTurns, tenant: str, together: asyncio.Barrier) -> None:
    async with turns.turn(tenant, 1):
        await together.wait()
