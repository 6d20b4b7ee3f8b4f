"""Deletions: what a file, a collection and a tenant cost beside little and beside much of others, and for how long a step holds
what it locks."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from loadtests.scale.figures import Figure
from loadtests.scale.filling import add_tenants, analyse
from loadtests.scale.library import WORD, Filled, fill_library
from loadtests.scale.sizes import USUAL, Sizes
from services.core.errors import ArcusError, Reason
from services.core.library.collections import Collections
from services.core.library.deletions import Deletions
from services.core.library.files import Files
from services.core.library.members import Members
from services.core.search.full_text import FullText
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.store.pages import Page
from services.core.store.schema import index_log
from services.core.tenants.tenants import Tenants

FEW_FILES, PER_FILE = 10, 100  # of others, at first
COLLECTIONS = 20  # of a tenant that is deleted
FIRST = replace(USUAL, deleted_files=1, file_segments=2, collection_files=25, tenant_files=25)
GOAL_STEP_MS, GOAL_RATIO = 50.0, 1.5


@dataclass(frozen=True)
class Step:
    """One transaction: how long it held its locks, and the processor time of this process meanwhile."""

    seconds: float
    worked_seconds: float


class SteppedDatabase(Database):
    """A database that notes each of its transactions, from when it may write to after its commit."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.steps: list[Step] = []

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        async with super().write() as connection:
            began, worked = time.perf_counter(), time.process_time()
            yield connection
        self.steps.append(Step(time.perf_counter() - began, time.process_time() - worked))

    def cost(self, step: Step) -> float:
        """SQLite works in this process, PostgreSQL in others."""
        return step.worked_seconds if self.is_sqlite else step.seconds


@dataclass(frozen=True)
class Deleted:
    """cost_seconds: of the whole of a file, of a step of what takes many. seen: what readers still find after the request."""

    steps: int
    cost_seconds: float
    longest_seconds: float
    longest_worked_seconds: float
    request_seconds: float
    seen: int


class Subjects:
    """Makes what is to be deleted, each time as much, and deletes it as a request does, and then the job."""

    def __init__(self, database: SteppedDatabase, folder: str, sizes: Sizes) -> None:
        self._database, self._sizes = database, sizes
        self._files = Files(database, Objects(f"file://{folder}"), max_upload_bytes=1)
        self._collections = Collections(database, shard_count=1)
        self._members, self._full_text = Members(database), FullText(database)
        self._tenants = Tenants(database, {})

    def makers(self) -> dict[str, Callable[[], Awaitable[Deleted]]]:
        """By name."""
        return {
            f"a file of {self._sizes.file_segments} segments": self.file,
            f"a collection of {self._sizes.collection_files} files": self.collection,
            f"a tenant of {self._sizes.tenant_files} files": self.tenant,
        }

    async def file(self) -> Deleted:
        """The cheapest of some: each costs little."""
        owners = await add_tenants(self._database, self._sizes.deleted_files)
        every = [await self._made(owner, files_of=2, segments_of=self._sizes.file_segments) for owner in owners]
        await analyse(self._database)
        found = []
        for owner, made in zip(owners, every, strict=True):
            gone, kept = made.file_ids
            (collection_id,) = made.collection_ids

            async def seen(owner: str = owner, gone: str = gone, kept: str = kept, within: str = collection_id) -> int:
                shown = {item.id for item in (await self._files.list(owner, Page())).items}
                members = {item.file_id for item in (await self._members.list(owner, within, Page())).items}
                hits = await self._full_text.search(owner, [within], [WORD], 2 * self._sizes.file_segments)
                said = {hit.file_id for hit in hits}
                assert all(kept in place for place in (shown, members, said)), "what was kept is found"
                return sum(gone in place for place in (shown, members, said))

            found.append(
                await self._deleted(lambda owner=owner, id=gone: self._files.delete(owner, id), seen, whole=True)
            )
        return min(found, key=lambda each: each.cost_seconds)

    async def collection(self) -> Deleted:
        (owner,) = await add_tenants(self._database, 1)
        made = await self._made(owner, files_of=self._sizes.collection_files, segments_of=1)
        (id,) = made.collection_ids
        await analyse(self._database)

        async def seen() -> int:
            listed = await self._collections.list(owner, Page())
            assert (await self._files.list(owner, Page(limit=1))).total == self._sizes.collection_files, (
                "its files stay"
            )
            return listed.total + await _is_found(lambda: self._members.list(owner, id, Page()))

        return await self._deleted(lambda: self._collections.delete(owner, id), seen)

    async def tenant(self) -> Deleted:
        (owner,) = await add_tenants(self._database, 1)
        await self._made(owner, files_of=self._sizes.tenant_files, segments_of=3, collections_of=COLLECTIONS)
        await analyse(self._database)
        return await self._deleted(
            lambda: self._tenants.delete(owner, owner), lambda: _is_found(lambda: self._tenants.get(owner))
        )

    async def _made(self, owner: str, *, files_of: int, segments_of: int, collections_of: int = 1) -> Filled:
        return await fill_library(
            self._database, owner, files_of=files_of, segments_of=segments_of, collections_of=collections_of
        )

    async def _deleted(
        self, request: Callable[[], Awaitable[None]], seen: Callable[[], Awaitable[int]], *, whole: bool = False
    ) -> Deleted:
        steps, began = self._database.steps, time.perf_counter()
        steps.clear()
        await request()
        taken = time.perf_counter() - began
        found = await seen()
        await Deletions(self._database).sweep()
        costs = [self._database.cost(step) for step in steps]
        cost = sum(costs) if whole else statistics.median(costs)
        longest, worked = max(step.seconds for step in steps), max(step.worked_seconds for step in steps)
        return Deleted(len(steps), cost, longest, worked, taken, found)


async def delete_rows(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    """Each thing beside little of others, and then beside much."""
    own = SteppedDatabase(database.url)
    try:
        with tempfile.TemporaryDirectory() as folder:
            told = Subjects(own, folder, sizes).makers()
            for make in Subjects(own, folder, FIRST).makers().values():  # statements are made by the first of each
                await make()
            (other,) = await add_tenants(own, 1)
            await fill_library(own, other, files_of=FEW_FILES, segments_of=PER_FILE, are_searched=False)
            alone = await _each(own, told)
            (other,) = await add_tenants(own, 1)
            more = sizes.stored_segments // PER_FILE
            await fill_library(own, other, files_of=more, segments_of=PER_FILE, are_searched=False)
            beside = await _each(own, told)
    finally:
        await own.close()
    figures = []
    for name, few in alone.items():
        figures += _figures(kind, name, few, beside[name], sizes)
    return figures


async def _each(database: SteppedDatabase, told: dict[str, Callable[[], Awaitable[Deleted]]]) -> dict[str, Deleted]:
    """The removals of the round before are taken from the log: each round finds it as the other did."""
    async with database.write() as connection:
        await connection.execute(delete(index_log).where(index_log.c.operation == "remove"))
    return {name: await make() for name, make in told.items()}


def _figures(kind: str, name: str, few: Deleted, much: Deleted, sizes: Sizes) -> list[Figure]:
    assert abs(few.steps - much.steps) <= 1, f"{name}: {few.steps} and {much.steps} steps of as much"
    told = f"delete, {name}"
    of_what = "processor time" if kind == "sqlite" else "time"
    part = "of all steps, the least" if "a file" in name else "of a step, p50"
    stored = f"{sizes.stored_segments} segments of others"
    figures = [
        Figure(kind, f"{told}: steps", much.steps, "steps"),
        Figure(kind, f"{told}: the request", 1000 * much.request_seconds, "ms"),
        Figure(kind, f"{told}: {of_what} {part}", 1000 * much.cost_seconds, "ms"),
        Figure(kind, f"{told}: the same beside {stored} ÷ few", much.cost_seconds / few.cost_seconds, "x", GOAL_RATIO),
        Figure(kind, f"{told}: longest step", 1000 * much.longest_seconds, "ms", GOAL_STEP_MS),
        Figure(kind, f"{told}: seen by readers after the request", few.seen + much.seen, "times", 0.0),
    ]
    if kind == "sqlite":  # without what other processes took
        name = f"{told}: longest processor time of a step"
        figures.insert(-1, Figure(kind, name, 1000 * much.longest_worked_seconds, "ms"))
    return figures


async def _is_found(read: Callable[[], Awaitable[object]]) -> int:
    try:
        await read()
    except ArcusError as error:
        assert error.reason is Reason.NOT_FOUND
        return 0
    return 1
