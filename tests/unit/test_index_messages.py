"""What the front sends to a shard and reads from it, in groups or search by search, is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.index.deployment import IndexReplica
from ray_jobs.index.replica import BATCH_QUERIES, Answer
from ray_jobs.index.shard import Query, Shard
from services.core.errors import ArcusError
from services.core.index.embedding_log import LogRow
from services.nimbus.engine.searches import Found, Groups, Search, found
from tests.unit.index_rows import unit

DIMENSIONS = 16
TENANTS, COLLECTIONS = ("t1", "t2"), ("a", "b", "c")


class Replica:
    """A shard that is asked at once. `passes`: the row that each call wants to be reflected."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.passes: list[int] = []

    async def search(self, query: Query, min_sequence: int) -> Answer:
        (answer,) = await self.search_many([query], min_sequence)
        return answer

    async def search_many(self, queries: list[Query], min_sequence: int) -> list[Answer]:
        self.passes.append(min_sequence)
        return [Answer(hits, self.shard.sequence, 9) for hits in self.shard.search_many(queries)]


@pytest.fixture
def edge() -> Any:
    """The edge of a shard where two tenants have collections of the same names."""
    random = np.random.default_rng(3)
    rows = [
        LogRow(n + 1, "add", TENANTS[n % 2], COLLECTIONS[n % 3], f"f{n // 9}", f"s{n // 3}", n + 1, vector.tobytes())
        for n, vector in enumerate(unit(random.standard_normal((600, DIMENSIONS))).astype("<f4"))
    ]
    shard = Shard(DIMENSIONS)
    shard.apply(rows)
    made: Any = object.__new__(IndexReplica.func_or_class)  # type: ignore[attr-defined]
    made._dimensions, made._replica = DIMENSIONS, Replica(shard)
    return made


def searches(count: int) -> list[Search]:
    random = np.random.default_rng(4)
    made = []
    for vector in unit(random.standard_normal((count, DIMENSIONS))).astype("<f4"):
        names = tuple(random.permutation(["a", "b", "c", "elsewhere"])[: random.integers(1, 4)].tolist())
        distinct: Any = random.choice(["embedding", "segment", "file"])
        tenant_id = str(random.choice([*TENANTS, "nobody"]))
        made.append(Search(tenant_id, names, vector.tobytes(), int(random.integers(1, 9)), 5, distinct, "", ()))
    return made


def sent(message: Any) -> Any:
    """As the other side reads it."""
    return type(message).FromString(message.SerializeToString())


async def asked(edge: Any, message: pb.SearchManyRequest) -> pb.SearchManyResponse:
    return sent(await edge._search_many(sent(message)))


def named(each: Found) -> list[tuple[int, str]]:
    return [(hit.embedding_id, hit.collection_id) for hit in each.hits]


async def test_searches_in_groups_find_what_each_finds_by_itself(edge):
    many = searches(BATCH_QUERIES)
    many += [many[0]._replace(vector=each.vector) for each in many[1:4]]  # of one group
    many = many[:3] + many[-3:] + many[3 : BATCH_QUERIES - 3]
    groups = Groups(many)
    request = groups.request()
    assert len(request.groups) < len(many) == sum(group.count for group in request.groups)
    together = groups.found((await asked(edge, request)).groups)
    alone = [found(sent(await edge._search(sent(search.request())))) for search in many]
    assert [named(each) for each in together] == [named(each) for each in alone]
    for one, other in zip(together, alone, strict=True):
        assert np.allclose([hit.score for hit in one.hits], [hit.score for hit in other.hits], atol=1e-6)
    assert sum(len(each.hits) for each in together) > BATCH_QUERIES
    assert {each.moved_sequence for each in together} == {9}
    for search, each in zip(many, together, strict=True):
        tenants = {TENANTS[(hit.embedding_id - 1) % 2] for hit in each.hits}
        assert tenants <= {search.tenant_id}
        assert {hit.collection_id for hit in each.hits} <= set(search.collection_ids)


async def test_a_front_of_the_version_before_is_answered_as_it_asks(edge):
    many = searches(20)
    reply = await asked(edge, pb.SearchManyRequest(searches=[search.request() for search in many]))
    assert not reply.HasField("groups")
    groups = Groups(many)
    assert [found(each) for each in reply.responses] == groups.found((await asked(edge, groups.request())).groups)


async def test_a_group_waits_for_the_newest_row_that_one_of_it_wants(edge):
    one, other, third = searches(3)
    newer = one._replace(vector=other.vector, min_sequence=70)
    await asked(edge, Groups([one, newer, third]).request())
    assert edge._replica.passes == [70]


async def test_vectors_of_another_length_are_a_group_of_their_own(edge):
    (one,) = searches(1)
    seen = one._replace(space="frame:x")
    wider = seen._replace(vector=np.ones(8, "<f4").tobytes())
    groups = Groups([seen, wider, seen])
    assert sorted(group.count for group in groups.request().groups) == [1, 2]
    assert groups.found((await asked(edge, groups.request())).groups) == [Found([], 9)] * 3


@pytest.mark.parametrize("count", [0, 3, BATCH_QUERIES + 1, 2**32 - 1])
async def test_a_group_of_another_size_than_its_vectors_is_refused(edge, count):
    (one,) = searches(1)
    group = one.request()
    group.count = count
    with pytest.raises(ArcusError):
        await asked(edge, pb.SearchManyRequest(groups=[group]))


async def test_groups_together_may_not_hold_more_than_a_pass(edge):
    groups = Groups([one._replace(limit=n % 3 + 1) for n, one in enumerate(searches(1) * (BATCH_QUERIES + 1))])
    with pytest.raises(ArcusError):
        await asked(edge, groups.request())


async def test_nothing_is_asked_of_no_searches(edge):
    assert await asked(edge, pb.SearchManyRequest()) == pb.SearchManyResponse() and not edge._replica.passes
