"""Which model made the stored vectors is remembered, and no other is mixed in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import delete

from services.core.engines.config import MINILM, MULTILINGUAL, parse_engine_config
from services.core.errors import ArcusError
from services.core.index.embedder import ensure_embedder, stored_embedder
from services.core.store.database import Database
from services.core.store.schema import embedder
from tests.contract.store_steps import Store

DEFAULT = parse_engine_config("")


def naming(model: str):
    return parse_engine_config(f"engines: {{embedded: {{kind: embedded, embedder: {model}}}}}")


async def test_new_data_is_embedded_by_what_is_configured_and_stays_with_it(store: Store) -> None:
    assert await ensure_embedder(store.database, naming(MINILM)) == MINILM
    assert await ensure_embedder(store.database, DEFAULT) == MINILM
    assert await stored_embedder(store.database) == MINILM
    # Nothing is stored yet that another model could not be compared with.
    assert await ensure_embedder(store.database, naming(MULTILINGUAL)) == MULTILINGUAL
    assert await stored_embedder(store.database) == MULTILINGUAL


async def test_fronts_that_start_at_once_agree(store: Store) -> None:
    async with store.database.write() as connection:
        await connection.execute(delete(embedder))
    found = await asyncio.gather(*(ensure_embedder(store.database, DEFAULT) for _ in range(8)))
    assert set(found) == {MULTILINGUAL}


async def test_stored_vectors_keep_the_model_that_made_them(store: Store) -> None:
    file, collection = await store.ready(), await store.collection()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    async with store.database.write() as connection:
        await connection.execute(delete(embedder))  # as an earlier version left it
    with pytest.raises(ArcusError, match=f"vectors of {MINILM}.*embedder: {MINILM}"):
        await ensure_embedder(store.database, naming(MULTILINGUAL))
    assert await ensure_embedder(store.database, DEFAULT) == MINILM
    with pytest.raises(ArcusError, match=f"vectors of {MINILM}"):
        await ensure_embedder(store.database, naming(MULTILINGUAL))


async def test_an_engine_that_starts_before_any_front_waits_for_nothing(tmp_path: Path) -> None:
    empty = Database(f"sqlite+aiosqlite:///{tmp_path / 'arcus.db'}")
    assert await stored_embedder(empty) == ""
    await empty.close()
