"""The system that is asked: where its doors are, and for each tenant a key and what it has stored."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from services.core.errors import ArcusError, Reason

POLL_SECONDS = 0.2
PREPARE_SECONDS = 180.0


@dataclass(frozen=True)
class Clip:
    name: str
    data: bytes


@dataclass(frozen=True)
class Tenant:
    name: str
    key: str
    collection_id: str
    file_ids: frozenset[str]  # all that it has stored: nothing else may ever be shown to it

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass(frozen=True)
class Target:
    http: tuple[str, ...]  # with /v1; of several, each request goes to the next
    grpc: tuple[str, ...]  # empty: HTTP alone
    clip: Clip  # what journeys upload
    tenants: dict[str, Tenant]
    engine: str = ""  # URL of what the scripted engine tells, where it can be asked


async def prepare(session: aiohttp.ClientSession, http: str, name: str, key: str, clip: Clip) -> Tenant:
    """A collection of the tenant's own that holds the clip. Raises INTERNAL where it can't be made ready."""
    headers = {"Authorization": f"Bearer {key}"}
    body = {"name": f"load {name}", "collection_type": "media-descriptions"}
    collections = await _json(session.get(f"{http}/collections", params={"limit": "100"}, headers=headers))
    known = next((item for item in collections["data"] if item["name"] == body["name"]), None)
    collection_id = (known or await _json(session.post(f"{http}/collections", json=body, headers=headers)))["id"]
    members = await _json(session.get(f"{http}/collections/{collection_id}/media", headers=headers))
    if members["data"]:
        file_id = members["data"][0]["file_id"]
    else:
        file_id = (await upload(session, http, headers, clip))["id"]
        added = session.post(f"{http}/collections/{collection_id}/media", json={"file_id": file_id}, headers=headers)
        await _json(added)
    await until_done(session, f"{http}/collections/{collection_id}/media/{file_id}", headers)
    files = await _json(session.get(f"{http}/files", params={"limit": "100"}, headers=headers))
    return Tenant(name, key, collection_id, frozenset(item["id"] for item in files["data"]))


async def upload(session: aiohttp.ClientSession, http: str, headers: dict[str, str], clip: Clip) -> dict:
    """What is told of the file, once it is read."""
    form = video_form(clip.name, clip.data)
    file = await _json(session.post(f"{http}/files", data=form, headers=headers))
    return {**file, **await until_done(session, f"{http}/files/{file['id']}", headers)}


def video_form(name: str, content: bytes | AsyncIterator[bytes]) -> aiohttp.FormData:
    """A file is sent piece by piece: written at once, a large one holds up all journeys that are meant to start meanwhile."""
    sent = io.BytesIO(content) if isinstance(content, bytes) else content
    form = aiohttp.FormData()
    form.add_field("file", sent, filename=name, content_type="video/mp4")
    return form


async def until_done(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str], every_seconds: float = POLL_SECONDS
) -> dict:
    """What it tells then. Raises INTERNAL where it has failed, or is not done within `PREPARE_SECONDS`."""
    state: dict = {}
    try:
        async with asyncio.timeout(PREPARE_SECONDS):
            while True:
                state = await _json(session.get(url, headers=headers))
                if state["status"] == "completed":
                    return state
                if state["status"] == "failed":
                    raise ArcusError(Reason.INTERNAL, f"{url} failed: {state}")
                await asyncio.sleep(every_seconds)
    except TimeoutError as error:
        told = f"after {PREPARE_SECONDS:g} s it is {state.get('status', 'not told of')}"
        raise ArcusError(Reason.INTERNAL, f"{url}: {told}; do its workers run, and is nothing before it?") from error


async def _json(request: aiohttp.client._RequestContextManager) -> dict:
    async with request as reply:
        body = await reply.json(content_type=None)
        if reply.status >= 400:
            raise ArcusError(Reason.INTERNAL, f"{reply.url}: {reply.status} {str(body)[:300]}")
        return body
