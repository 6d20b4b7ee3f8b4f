"""Whatever happens, in whatever order: a search finds exactly what was acknowledged, of its own tenant, and nothing else."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ray_jobs.index import torch_vectors
from ray_jobs.index.device import CpuDevice, Device, TorchDevice
from services.core.store.database import Database
from services.core.store.schema import metadata
from services.core.store.tenant_schema import kept_since
from tests.contract.index_world import DIMENSIONS, REPLICAS, World, run, vector

MAX_SHARDS = 3
APPEND_ONLY = ("audit_records", "usage_records")
# By database: a step on PostgreSQL costs several times one on SQLite.
EXAMPLES = {"sqlite": 10, "postgres": 2}
TORCH_EXAMPLES = 3  # the same front and log, which cost most of the time, over other vectors
STEPS = 30


class IndexMachine(RuleBasedStateMachine):
    """Draws numbers and takes them modulo what there is, so that every step does something."""

    def __init__(self, url: str, device: Device) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="arcus-index-"))
        self.runner = asyncio.Runner()
        self.world = World(url, self.folder, device)

    def do(self, work: Any) -> Any:
        return run(self.runner, work)

    def tenant(self, number: int) -> str:
        return self.world.tenants[number % 2]

    def collections(self, tenant: str) -> list[str]:
        return sorted(id for owner, id in self.world.truth.collections if owner == tenant)

    def members(self) -> list[tuple[str, str, str]]:
        held = self.world.truth.collections
        return sorted((tenant, id, file) for (tenant, id), files in held.items() for file in files)

    @initialize(shards=st.integers(1, MAX_SHARDS), files=st.lists(st.integers(0, 3), min_size=4, max_size=12))
    def begin(self, shards: int, files: list[int]) -> None:
        self.do(self.world.open(shards))
        for tenant in self.world.tenants:
            for _ in range(2):
                self.do(self.world.make_collection(tenant))
        for number in files:
            self.add(number % 2, number // 2, 1, 2)

    @rule(who=st.integers(0, 1), where=st.integers(0, 1), segments=st.integers(1, 2), pieces=st.integers(1, 3))
    def add(self, who: int, where: int, segments: int, pieces: int) -> None:
        tenant = self.tenant(who)
        file = self.do(self.world.make_file(tenant))
        self.do(self.world.join(tenant, self.collections(tenant)[where], file, segments, pieces))

    @rule(who=st.integers(0, 1), where=st.integers(0, 1), which=st.integers(0, 99))
    def share(self, who: int, where: int, which: int) -> None:
        """Into the other collection, or once more into the same."""
        tenant = self.tenant(who)
        if files := sorted(self.world.truth.files.get(tenant, ())):
            self.do(self.world.join(tenant, self.collections(tenant)[where], files[which % len(files)], 1, 2))

    @rule(
        how=st.sampled_from(["leave", "leave", "leave", "return", "return", "file", "collection"]),
        which=st.integers(0, 99),
    )
    def remove(self, how: str, which: int) -> None:
        if how == "collection":
            owned = sorted(self.world.truth.collections)
            tenant, collection = owned[which % len(owned)]
            self.do(self.world.delete_collection(tenant, collection))
            self.do(self.world.make_collection(tenant))
        elif members := self.members():
            tenant, collection, file = members[which % len(members)]
            if how == "file":
                self.do(self.world.delete_file(tenant, file))
            else:
                self.do(self.world.leave(tenant, collection, file))
            if how == "return":
                self.do(self.world.join(tenant, collection, file, 1, 2))

    @rule(
        who=st.integers(0, 1),
        some=st.sets(st.integers(0, 9), min_size=1, max_size=4),
        seed=st.integers(10**6, 10**6 + 50),
        limit=st.integers(1, 12),
        distinct=st.sampled_from(["embedding", "embedding", "segment", "file"]),
        narrow=st.integers(0, 3),
    )
    def search(self, who: int, some: set[int], seed: int, limit: int, distinct: str, narrow: int) -> None:
        """In collections of any tenant: those of another hold nothing for this one."""
        every = sorted(id for _, id in self.world.truth.collections)
        ids = sorted({every[number % len(every)] for number in some})
        files = sorted(file for ids in self.world.truth.files.values() for file in ids)
        only = files[narrow :: 4 - narrow] if narrow else []
        self.do(self.world.check(self.tenant(who), ids, vector(seed), limit, distinct, only))

    @rule(number=st.integers(0, REPLICAS - 1))
    def ask_another_replica(self, number: int) -> None:
        """The others fall behind, until they are asked again."""
        self.world.engine.chosen = number

    @rule(
        what=st.sampled_from(["snapshot", "snapshot", "snapshot", "kill", "kill", "upkeep", "damage"]),
        shard=st.integers(0, MAX_SHARDS - 1),
        number=st.integers(0, REPLICAS - 1),
    )
    def happen(self, what: str, shard: int, number: int) -> None:
        async def work() -> None:
            replica = await self.world.replica(shard % self.world.shard_count, number)
            await (replica.write_snapshot() if what == "snapshot" else replica.upkeep())

        if what == "kill":
            self.do(self.world.kill(shard, number))
        elif what == "damage":
            for stored in self.folder.rglob("snapshot"):
                stored.write_bytes(b"damaged")
        else:
            self.do(work())

    @rule(number=st.integers(0, REPLICAS - 1), which=st.integers(0, 99))
    def sleep_through_a_snapshot(self, number: int, which: int) -> None:
        """One replica misses removals that leave the log before it reads on."""
        self.ask_another_replica(number)
        self.both_tenants_find_all_that_is_theirs()
        self.ask_another_replica(1 - number)
        for _ in range(3):
            self.remove("leave", which)
        for shard in range(self.world.shard_count):
            self.happen("snapshot", shard, 1 - number)
        self.ask_another_replica(number)

    @rule(count=st.integers(1, MAX_SHARDS), who=st.integers(0, 1), seed=st.integers(10**6, 10**6 + 50))
    def reshard(self, count: int, who: int, seed: int) -> None:
        """A search that read where its collections are just before misses nothing."""
        tenant = self.tenant(who)
        ids = self.collections(tenant)
        placements = self.do(self.world.log.placements(ids))
        self.do(self.world.reshard(count))
        self.do(self.world.check(tenant, ids, vector(seed), 10, "embedding", placements=placements))

    @invariant()
    def both_tenants_find_all_that_is_theirs(self) -> None:
        for tenant in getattr(self.world, "tenants", ()):
            self.do(self.world.check(tenant, self.collections(tenant), vector(0), 1000, "embedding"))

    def teardown(self) -> None:
        self.do(self.world.close())
        self.runner.close()
        shutil.rmtree(self.folder)


async def _empty(url: str) -> None:
    database = Database(url)
    async with database.write() as connection:
        for name in APPEND_ONLY:  # what is before this may be deleted
            await connection.execute(kept_since.delete().where(kept_since.c.table_name == name))
            await connection.execute(kept_since.insert().values(table_name=name, at=2**62))
        for table in reversed(metadata.sorted_tables):
            if table is not kept_since:
                await connection.execute(table.delete())
    await database.close()


@pytest.fixture(params=["cpu", "torch-cpu"])
def where(request: pytest.FixtureRequest, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Device:
    if request.param == "cpu":
        return CpuDevice(DIMENSIONS)
    if not database_url.startswith("sqlite"):
        pytest.skip("what holds the vectors does not see the database")
    # So small that even a dozen vectors are searched by a first pass, and narrowed ones by its mask.
    for name, value in {"COARSE_FROM": 1, "GROUP": 2, "GROUPS": 2, "SPARE": 1, "WIDER": 2, "GATHERED": 2}.items():
        monkeypatch.setattr(torch_vectors, name, value)
    return TorchDevice(DIMENSIONS, "cpu")


def test_any_order_of_changes_searches_and_failures_keeps_the_index_exact(database_url: str, where: Device) -> None:
    def machine() -> IndexMachine:
        asyncio.run(_empty(database_url))
        return IndexMachine(database_url, where)

    kind = "sqlite" if database_url.startswith("sqlite") else "postgres"
    examples = EXAMPLES[kind] if isinstance(where, CpuDevice) else TORCH_EXAMPLES
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
