"""What is cancelled at another front stops here once it is told, and is asked for only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from typing import Any

import pytest

from services.core.answers.log import Lease
from services.core.store.notices import ENDED
from services.nimbus.answers import background as background_responses
from services.nimbus.answers.background import CLAIMED_AT_ONCE, BackgroundResponses
from services.nimbus.answers.running import Running, RunningResponses
from tests.waiting import async_until


class Log:
    """Whose responses are all held but those in `ended`; of those to be taken over there are `silent`."""

    def __init__(self) -> None:
        self.ended: set[Lease] = set()
        self.silent: list[Lease] = []
        self.lapsed: list[str] = []  # of responses in the foreground
        self.on_renewal: Callable[[], None] = lambda: None
        self.asked: list[set[Lease]] = []
        self.renewed: set[Lease] = set()
        self.is_free = asyncio.Event()  # a connection, for who takes over
        self.is_free.set()
        self.done: list[str] = []

    async def still_held(self, leases: Iterable[Lease]) -> set[Lease]:
        self.asked.append(set(leases))
        self.done.append("look")
        return set(leases) - self.ended

    async def renew(self, leases: Iterable[Lease]) -> None:
        self.renewed = set(leases)
        self.done.append("renew")
        self.on_renewal()

    async def abandoned(self, *, skip: Collection[str]) -> list[tuple[str, str]]:
        return [("tenant", id) for id in self.lapsed if id not in skip]

    async def end(self, _tenant_id: str, id: str, _body_of: Any) -> None:
        self.done.append(f"end {id}")

    async def claim(self, _owner: str, *, skip: Collection[str]) -> tuple[Lease, Any] | None:
        self.done.append("claim")
        await self.is_free.wait()
        return (self.silent.pop(), None) if self.silent else None


class HeardNotices:
    hears_others = True

    def listen(self, channel: str, listener: Any) -> None:
        assert channel == ENDED
        self.tell = listener


class Background(BackgroundResponses):
    """Starts nothing: what it takes over stands among what runs."""

    def __init__(self, log: Any, running: RunningResponses, notices: Any) -> None:
        nothing: Any = None
        super().__init__(
            engine=nothing,
            sources=nothing,
            responses=nothing,
            response_log=log,
            writer=nothing,
            running=running,
            tenant_limit=nothing,
            metrics=nothing,
            notices=notices,
        )
        self.taken = ExitStack()

    def start(self, lease: Lease, *_: Any) -> None:
        self.taken.enter_context(self._running.listed(Running(lease)))


@pytest.mark.parametrize("told", [["1"], []], ids=["by its id", "that any may have"])
async def test_what_is_told_to_have_ended_is_stopped_and_nothing_else_is_asked_for(told: list[str]) -> None:
    log, notices, places = Log(), HeardNotices(), RunningResponses(10)
    background = Background(log, places, notices)
    here = [Running(Lease(str(number), places.owner, 1)) for number in range(3)]
    with ExitStack() as stack:
        for running in here:
            stack.enter_context(places.listed(running))
        loop = asyncio.create_task(background.run())
        await async_until(lambda: "claim" in log.done, "it looks after all once")
        log.ended.add(here[1].lease)
        notices.tell(["of another front"])
        notices.tell(told)
        await async_until(here[1].stopped.is_set, "it is stopped")
        assert log.asked[:2] == [places.leases, {here[1].lease} if told else places.leases]
        assert [running.stopped.is_set() for running in here] == [False, True, False]
        loop.cancel()


async def test_what_was_cancelled_is_looked_for_while_a_front_takes_over_many() -> None:
    log, places = Log(), RunningResponses(1000)
    log.silent = [Lease(str(number), "another", 1) for number in range(10 * CLAIMED_AT_ONCE)]
    background = Background(log, places, HeardNotices())
    loop = asyncio.create_task(background.run())
    await async_until(lambda: log.done[-1:] == ["claim"] and not log.silent, "all are taken over")
    loop.cancel()
    runs = "".join({"look": " ", "claim": "."}.get(each, "") for each in log.done).split()
    assert max(map(len, runs)) <= CLAIMED_AT_ONCE
    background.taken.close()


async def test_leases_are_renewed_while_taking_over_waits_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_responses, "RENEW_SECONDS", 0.01)
    log, places = Log(), RunningResponses(1000)
    log.silent = [Lease(str(number), "another", 1) for number in range(3)]
    log.is_free.clear()
    background = Background(log, places, HeardNotices())
    background.taken.enter_context(places.listed(Running(Lease("own", places.owner, 1))))
    loop = asyncio.create_task(background.run())
    await async_until(lambda: "claim" in log.done, "it takes over")
    before = log.done.count("renew")
    await async_until(lambda: log.done.count("renew") >= before + 3, "its own is kept")
    assert log.renewed == places.leases and len(log.silent) == 3
    log.is_free.set()
    await async_until(lambda: len(log.renewed) == 4, "and so is what it took over")
    loop.cancel()
    background.taken.close()


async def test_a_front_never_ends_what_runs_in_it_however_late_its_leases_are_renewed() -> None:
    log, places = Log(), RunningResponses(10)
    background = Background(log, places, HeardNotices())
    with ExitStack() as stack:
        stack.enter_context(places.listed(Running(Lease("old", places.owner, 1))))
        # Comes, and lapses, while the renewal waits.
        log.on_renewal = lambda: stack.enter_context(places.listed(Running(Lease("new", places.owner, 1))))
        log.lapsed = ["old", "new", "gone"]
        task = asyncio.create_task(background.run())
        await async_until(lambda: "end gone" in log.done, "what has no front is ended")
        task.cancel()
    assert "renew" in log.done and not {"end old", "end new"} & set(log.done)
