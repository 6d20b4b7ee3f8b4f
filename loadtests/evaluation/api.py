"""Arcus as the evaluation uses it, over HTTP: the collections go in once, then questions are asked."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from loadtests.evaluation.citations import Described, is_valid
from loadtests.evaluation.clips import Span, clips, spans
from loadtests.evaluation.collections import Collection, Question
from loadtests.evaluation.grading import Reply
from loadtests.evaluation.records import fill
from services.core.settings import Settings
from services.core.store.database import Database

INGEST_SECONDS = 1800  # a guard against waiting for ever
POLL_SECONDS = 0.5
ASKED_AT_ONCE = 2
ENTITIES_MODEL = "nimbus-002-preview"  # the only one that is asked about entities


@dataclass(frozen=True)
class Held:
    """A collection as Arcus holds it: the ids of its files by name, and those that did not become complete, with why."""

    collection: Collection
    id: str
    files: Mapping[str, str]
    failed: Mapping[str, str]
    when: Mapping[tuple[str, str], Span]  # the time of each part
    described: Mapping[str, Described]  # by the id of the file

    def invalid(self, reply: Reply) -> list[Mapping[str, Any]]:
        """The citations of a reply that do not hold."""
        return [
            note
            for note in reply.notes
            if note["file_id"] not in self.described or not is_valid(note, self.described[note["file_id"]])
        ]

    async def ask(self, http: httpx.AsyncClient, question: Question, model: str) -> Reply:
        """Asks turn by turn, each with the replies so far; the last reply."""
        turns: list[dict[str, str]] = []
        reply = Reply("")
        for turn in question.turns:
            turns.append({"type": "message", "role": "user", "content": turn})
            reply = await self._answer(http, question, turns, model)
            turns.append({"type": "message", "role": "assistant", "content": reply.text or "?"})
        return reply

    async def _answer(
        self, http: httpx.AsyncClient, question: Question, turns: Sequence[Mapping[str, str]], model: str
    ) -> Reply:
        body = {
            "model": ENTITIES_MODEL if self.collection.schema else model,
            "input": turns[0]["content"] if len(turns) == 1 else turns,
            "knowledge_base": self._base(question),
            "include": ["cloudglue_citations.media_descriptions"],
            "store": False,
        }
        answer = await http.post("/responses", json=body)
        if answer.status_code != 200:
            return Reply("", error=answer.text[:300])
        return Reply.of(answer.json(), {id: name for name, id in self.files.items()})

    def _base(self, question: Question) -> dict[str, Any]:
        if self.collection.schema:
            return {
                "type": "entity_backed_knowledge",
                "entity_backed_knowledge_config": {"entity_collections": [{"collection_id": self.id}]},
            }
        if question.within:
            return {"source": "files", "files": [self.files[name] for name in question.within]}
        return {"collections": [self.id]}


async def ask_all(
    http: httpx.AsyncClient, asked: Sequence[tuple[Held, Question]], model: str = "nimbus-001"
) -> list[Reply]:
    """The replies in the order of the questions."""
    places = asyncio.Semaphore(ASKED_AT_ONCE)

    async def one(held: Held, question: Question) -> Reply:
        async with places:
            return await held.ask(http, question, model)

    return list(await asyncio.gather(*(one(held, question) for held, question in asked)))


async def hold(http: httpx.AsyncClient, settings: Settings, collections: Sequence[Collection]) -> list[Held]:
    """Uploads what isn't there yet, and waits until each file has ended. Entities go into the database of the settings."""
    known = {item["name"]: item["id"] for item in await _items(http, "/collections")}
    database = Database(settings.database)
    try:
        entered = [await _enter(http, database, collection, known) for collection in collections]
    finally:
        await database.close()
    async with asyncio.timeout(INGEST_SECONDS):
        return [await _ended(http, *item) for item in entered]


def stored_name(collection: Collection) -> str:
    """Another for other scripts, so that what is held is what is asked about."""
    made_of = json.dumps([collection.description, collection.videos, collection.schema, collection.records])
    return f"{collection.name} {hashlib.sha256(made_of.encode()).hexdigest()[:8]}"


async def _enter(
    http: httpx.AsyncClient, database: Database, collection: Collection, known: Mapping[str, str]
) -> tuple[Collection, str, dict[str, str]]:
    """(collection, its id, the ids of its files by name), its files all uploaded in the order of the script."""
    id = known.get(stored_name(collection)) or await _create(http, database, collection)
    files = {item["file"]["filename"]: item["file_id"] for item in await _items(http, f"/collections/{id}/media")}
    paths = await asyncio.to_thread(clips, collection)
    for name, path in paths.items():
        if name not in files:
            files[name] = await _upload(http, path)
            await _post(http, f"/collections/{id}/media", {"file_id": files[name]})
    return collection, id, files


async def _create(http: httpx.AsyncClient, database: Database, collection: Collection) -> str:
    wanted: dict[str, Any] = {"name": stored_name(collection), "description": collection.description or None}
    if not collection.schema:
        return (await _post(http, "/collections", {**wanted, "collection_type": "media-descriptions"}))["id"]
    wanted |= {"collection_type": "entities", "extract_config": {"schema": collection.schema}}
    id = (await _post(http, "/collections", wanted))["id"]
    await fill(database, id, collection)
    return id


async def _ended(http: httpx.AsyncClient, collection: Collection, id: str, files: dict[str, str]) -> Held:
    failed: dict[str, str] = {}
    described: dict[str, Described] = {}
    for name, file_id in files.items():
        member = await _get(http, f"/collections/{id}/media/{file_id}")
        while member["status"] not in ("completed", "failed"):
            await asyncio.sleep(POLL_SECONDS)
            member = await _get(http, f"/collections/{id}/media/{file_id}")
        if member["status"] == "failed":
            failed[name] = member.get("error") or ""
        elif not collection.schema:
            file = await _get(http, f"/files/{file_id}")
            description = await _get(http, f"/collections/{id}/videos/{file_id}/media-descriptions")
            described[file_id] = Described(file["media_info"]["duration_seconds"], description)
    when = {(name, part): span for name, script in collection.videos.items() for part, span in spans(script).items()}
    return Held(collection, id, files, failed, when, described)


async def _upload(http: httpx.AsyncClient, path: Path) -> str:
    content = await asyncio.to_thread(path.read_bytes)
    return _good(await http.post("/files", files={"file": (path.name, content)}))["id"]


async def _items(http: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    return (await _get(http, f"{path}?limit=100"))["data"]


async def _get(http: httpx.AsyncClient, path: str) -> dict[str, Any]:
    return _good(await http.get(path))


async def _post(http: httpx.AsyncClient, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return _good(await http.post(path, json=body))


def _good(reply: httpx.Response) -> dict[str, Any]:
    if reply.status_code != 200:
        raise RuntimeError(f"{reply.request.method} {reply.request.url.path}: {reply.status_code} {reply.text[:500]}")
    return reply.json()
