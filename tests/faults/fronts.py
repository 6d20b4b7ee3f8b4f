"""Fronts that are processes of their own, on one database and one engine that follows scripts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ray_jobs.engines.left_answers import LeftAnswers
from services.core.store.database import Database
from services.core.tenants.keys import Keys
from tests.acceptance.scripted_server import ScriptedServer
from tests.front_process import FrontProcess, start_front

SILENCE_SECONDS = 30  # a hang guard: a stream goes on by then, from whichever front


@dataclass
class Fronts:
    environment: dict[str, str]
    key: str
    engine: ScriptedServer

    def start(self) -> FrontProcess:
        return start_front(self.environment)

    def client(self, front: FrontProcess) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=front.url, headers=headers, timeout=SILENCE_SECONDS, trust_env=False)


@contextmanager
def fronts_on(folder: Path, database_url: str, engine: ScriptedServer) -> Iterator[Fronts]:
    """For as many fronts as are started on them; the database's schema and one tenant are made."""
    ready, over = Future[str](), threading.Event()

    async def serve() -> None:
        database = Database(database_url)
        engine.left = LeftAnswers(database)
        ready.set_result(await engine.start())
        await asyncio.to_thread(over.wait)
        await engine.stop()
        await engine.left.close()
        await database.close()

    async def new_key() -> str:
        database = Database(database_url)
        await database.migrate()
        key = await Keys(database).create("first")
        await database.close()
        return key

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="engine")
    thread.start()
    try:
        yield Fronts(environment(folder, database_url, ready.result(timeout=20)), asyncio.run(new_key()), engine)
    finally:
        over.set()
        thread.join()


def environment(folder: Path, database_url: str, engine_address: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARCUS_")}
    settings = {
        "ARCUS_DATA_DIR": str(folder),
        "ARCUS_DATABASE_URL": database_url,
        "ARCUS_ENGINE_ADDRESS": engine_address,
        "ARCUS_ENGINE_SECRET": "a-secret-of-the-tests",
        "ARCUS_MIN_FREE_BYTES": "0",
    }
    return {**inherited, **settings}
