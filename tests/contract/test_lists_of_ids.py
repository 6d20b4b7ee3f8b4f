"""A statement about some collections is the same text for any number of them: a connection keeps each that it prepares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from services.core.library.catalog import Catalog
from services.core.search.filters import SearchFilter
from tests.contract.store_steps import Store, watched

ASKED: dict[str, Callable[[Store, Sequence[str]], Awaitable[Any]]] = {
    "to search": lambda store, ids: store.collections.to_search(store.tenant, ids),
    "placements": lambda store, ids: store.log.placements(ids),
    "catalog": lambda store, ids: Catalog(store.database).files(store.tenant, ids, limit=10),
    "named": lambda store, ids: store.members.named(store.tenant, ids, [f"{id}.mp4" for id in ids]),
    "newest": lambda store, ids: store.members.newest(store.tenant, ids, 10),
    "files kept": lambda store, ids: store.segments.files_kept(store.tenant, SearchFilter(), ids),
    "segments kept": lambda store, ids: store.segments.segments_kept(store.tenant, SearchFilter(), ids),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
async def test_one_text_for_any_number_of_collections(store: Store, ask: Callable[..., Awaitable[Any]]) -> None:
    ids = [(await store.collection(f"talks {number}")).id for number in range(4)]
    with watched(store.database) as sent:
        for count in (1, 2, 4):
            await ask(store, ids[:count])
    assert len({text for text in sent if not text.startswith(("BEGIN", "PRAGMA"))}) == 1, sent
