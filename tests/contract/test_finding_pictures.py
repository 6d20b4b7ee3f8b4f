"""Pictures are found by what a text says of them: real store, index, front and ingest, over an image-text model's vectors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from loadtests.evaluation.in_process import ROOT, opened
from ray_jobs.engines.engine import Engine
from ray_jobs.pipeline import Described
from services.core.media import DescribeConfig, MediaInfo, SegmentDescription, Span
from services.core.settings import Settings
from services.core.store.database import Database
from services.core.tenants.keys import Keys
from tests.contract.embedding_pipeline import EmbeddingPipeline
from tests.contract.image_text_models import COLOURS, ONLY_SEEN, make_model, picture
from tests.waiting import PAUSE_SECONDS

SHOWN = ("red", "green", "blue", "yellow", "red")  # in the five segments of a file


class SeeingPipeline(EmbeddingPipeline):
    """Stages of ingest of which the model alone is real: each segment shows one colour, and nothing is said."""

    def __init__(self, players: dict[str, Engine]) -> None:
        super().__init__(players)
        self._seer: Any = players["engine-eyes"].seer

    async def describe(
        self, _tenant: str, _key: str, _info: MediaInfo, span: Span, _config: DescribeConfig, *, thumbnail: bool
    ) -> Described:
        frames = [picture(SHOWN[int(span.start_time // 20)])] * 3
        times = np.linspace(span.start_time, span.end_time, 5)[1:-1]
        described = Described(SegmentDescription(title=f"Part {span.start_time:.0f}"))
        return described.with_seen(await self._seer.see(frames, times, span))


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def given(**options: Any) -> None:
        eyes = {"kind": "image_text", "folder": str(make_model(tmp_path / "model")), "search_threshold": 0.9, **options}
        (tmp_path / "engines.yaml").write_text(f"engines: {{eyes: {eyes}}}\nroles: {{see: eyes, nimbus-001: scripted}}")
        monkeypatch.setenv("ARCUS_CONFIG", str(tmp_path / "engines.yaml"))

    return given


async def ingested(http: httpx.AsyncClient, name: str) -> tuple[str, str]:
    """(collection, file), described."""
    content = (ROOT / "examples" / "lecture" / "lecture.mp4").read_bytes()
    file = (await http.post("/files", files={"file": (name, content)})).json()["id"]
    body = {"name": name, "collection_type": "media-descriptions"}
    collection = (await http.post("/collections", json=body)).json()["id"]
    await http.post(f"/collections/{collection}/media", json={"file_id": file})

    async with asyncio.timeout(30):  # one reply after the other: there is no event
        while (await http.get(f"/collections/{collection}/media/{file}")).json()["status"] != "completed":  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_SECONDS)
    return collection, file


async def search(http: httpx.AsyncClient, collection: str, query: str, **more: Any) -> list[dict[str, Any]]:
    body = {"collections": [collection], "query": query, "scope": "segment", **more}
    reply = await http.post("/search", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()["results"]


async def another_tenant(http: httpx.AsyncClient, settings: Settings) -> httpx.AsyncClient:
    database = Database(settings.database)
    key = await Keys(database).create("another")
    await database.close()
    return httpx.AsyncClient(
        transport=http._transport, base_url=http.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=60
    )


async def test_a_text_finds_the_moment_that_shows_it_in_the_tenants_own_files_until_they_go(
    tmp_path: Path, engines: Callable[..., None]
) -> None:
    engines()
    async with opened(tmp_path / "build", SeeingPipeline) as (http, settings):
        collection, file = await ingested(http, "ours.mp4")
        other = await another_tenant(http, settings)
        theirs, _ = await ingested(other, "theirs.mp4")
        find = partial(search, http, collection)
        blue, red = (await find("blue", limit=5))[0], await find("Red", limit=5)
        assert (blue["file_id"], blue["start_time"], blue["end_time"]) == (file, 40.0, 60.0)
        assert {item["start_time"] for item in red[:2]} == {0.0, 80.0}
        assert blue["visual_description"] == [], "no tags without a list"
        assert {item["file_id"] for item in red} == {file}, "nothing of another tenant"
        assert (await find("blue", scope="file"))[0]["file_id"] == file
        foreign = {"collections": [theirs], "query": "blue", "scope": "segment"}
        assert (await http.post("/search", json=foreign)).status_code == 404
        narrowed = {"file": [{"path": "id", "operator": "Equal", "valueText": file}]}
        assert (await find("blue", filter=narrowed))[0]["start_time"] == 40.0
        await http.delete(f"/files/{file}")
        assert not await find("blue")
        assert (await search(other, theirs, "blue"))[0]["start_time"] == 40.0
        await other.aclose()


async def test_an_answer_leans_on_the_segment_that_shows_what_is_asked_for_and_tells_its_tags(
    tmp_path: Path, engines: Callable[..., None]
) -> None:
    engines(tags=list(COLOURS), tag_threshold=0.9, tag_prompt="The {}")
    async with opened(tmp_path / "build", SeeingPipeline) as (http, _settings):
        collection, file = await ingested(http, "ours.mp4")
        (best, *_) = await search(http, collection, "blue")
        assert best["visual_description"] == [{"text": "Tags: blue (1.00).", "start_time": 40.0, "end_time": 60.0}]
        script = json.dumps({"messages": 1, "text": "There [1]."})
        for question, start_time in (("blue", 40.0), (ONLY_SEEN, 60.0)):
            body = {"input": question, "instructions": script, "knowledge_base": {"collections": [collection]}}
            reply = (await http.post("/responses", json={"model": "nimbus-001", **body})).json()
            notes = [note for item in reply["output"] for part in item["content"] for note in part["annotations"]]
            assert [(note["file_id"], note["start_time"]) for note in notes] == [(file, start_time)]
