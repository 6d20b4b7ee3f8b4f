"""Tables of entities that are kept: within bytes and time, by tenant and content."""

from __future__ import annotations

from services.core.library.holdings import Holdings
from services.nimbus.entities.kept_tables import KeptTables, Made, key_of
from services.nimbus.entities.sql import SqlBatch, SqlTable
from services.nimbus.entities.tables import EntityCollection, EntityTables


def made(size: int) -> Made:
    return Made(EntityTables((SqlTable("files", (("a", "VARCHAR"),), (SqlBatch(1, (b"x" * size,)),)),), ()), ())


def test_the_longest_unused_are_forgotten_first() -> None:
    kept = KeptTables(max_bytes=100)
    for name in (b"a", b"b"):
        kept.put(name, made(40))
    assert kept.get(b"a") is not None
    kept.put(b"c", made(40))
    assert kept.get(b"b") is None and kept.get(b"a") and kept.get(b"c")
    kept.put(b"too large", made(101))
    assert (len(kept), kept.size_bytes) == (2, 80)


def test_what_was_not_asked_for_in_a_while_is_forgotten() -> None:
    kept = KeptTables(kept_seconds=0.0)
    kept.put(b"a", made(1))
    assert kept.get(b"a") is None and kept.size_bytes == 0


def test_a_key_is_of_the_tenant_the_collections_and_the_content() -> None:
    facts, renamed = EntityCollection("c", "facts"), EntityCollection("c", "other")
    held, more = Holdings({"n": [1.0, None]}), Holdings({"n": [1.0, "x"]})
    keys = {
        key_of("t", [facts], held),
        key_of("u", [facts], held),
        key_of("t", [renamed], held),
        key_of("t", [facts, renamed], held),
        key_of("t", [facts], more),
    }
    assert len(keys) == 5
    assert key_of("t", [facts], Holdings({"n": [1.0, None]})) in keys
