"""Reads: how often answers ask the database and the engine, and how long lists hold a front's event loop."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from loadtests import lists
from loadtests.scale.figures import Figure
from loadtests.scale.sizes import Sizes
from services.core.store.database import Database
from tests.acceptance.live_front import Front, front_settings
from tests.acceptance.query_counts import MOST, MOST_AT_ONCE, add_library, add_talks, planned, queries_of
from tests.acceptance.scripted_server import ScriptedServer

TALKS = 3


async def read_rows(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    """A front in this process is asked for answers; clients and its event loop have threads of their own."""
    return await asyncio.to_thread(_measured, kind, database.url, sizes)


def _measured(kind: str, url: str, sizes: Sizes) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        settings = front_settings(Path(folder), database_url=url)
        front = Front(settings, ScriptedServer()).start()
        try:
            figures = _counted(kind, front, sizes)
        finally:
            front.stop()
        return [*figures, *_lists(kind, url, Path(folder), sizes)]


def _counted(kind: str, front: Front, sizes: Sizes) -> list[Figure]:
    account = front.account()
    add_talks(account, TALKS)
    ids = [item.id for item in account.sdk.collections.list().data]
    some = len(queries_of(account, {"collections": ids}))
    times, at_once = planned(account, ids)
    front.call(add_library(account, sizes.tenant_collections, sizes.asked_files))
    every = len(queries_of(account, {"source": "default"}))
    stored = f"{sizes.tenant_collections} collections, {sizes.asked_files} files"
    return [
        Figure(kind, f"read, an answer from {TALKS} collections: queries", some, "queries", MOST),
        Figure(kind, f"read, an answer from everything of {stored}: queries", every, "queries", MOST),
        Figure(
            kind, "read, a question of 5 parts, video by video: queries at a time", at_once, "queries", MOST_AT_ONCE
        ),
        Figure(kind, "read, the same: embeddings of one text", times, "times", 1.0),
    ]


def _lists(kind: str, url: str, folder: Path, sizes: Sizes) -> list[Figure]:
    """In a front of its own, which has not answered anything before."""
    settings = front_settings(folder, database_url=url)
    asked = lists.SMALL if sizes.lists_are_small else lists.Sizes()
    figures = list(lists.measure(kind, settings, asked))
    longest = max(figures, key=lambda figure: figure.held_ms)
    name = f"read, {len(figures)} lists of {asked.files} videos of {asked.segments} segments"
    return [
        Figure(kind, f"{name}: longest stop, of {longest.name}", longest.held_ms, "ms", lists.GOAL_MS),
        Figure(kind, f"{name}: the same, of work alone", max(figure.worked_ms for figure in figures), "ms"),
    ]
