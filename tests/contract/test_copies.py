"""A video that is there many times: its copies hide neither each other's passages nor those of another video."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import httpx

from loadtests.evaluation.in_process import ROOT, opened
from ray_jobs.engines.engine import Engine
from ray_jobs.pipeline import Described
from services.core.media import DescribeConfig, MediaInfo, SegmentDescription, Span, Speech
from services.nimbus.context.retrieval import VECTOR_LIMIT
from tests.contract.embedding_pipeline import EmbeddingPipeline
from tests.waiting import PAUSE_SECONDS

# What is said in the five segments of each of two videos.
HARBOUR = (
    "The lighthouse stands on the cliff above Port Selby, and it is thirty-one metres high.",
    "The keeper's name is Ragna Holt. She paints the lantern room every second summer.",
    "The harbour wall was broken by the storm of 1968 and mended within a year.",
    "The ferry to the island takes forty minutes when the sea is calm.",
    "Seals rest on the rocks at low tide; please keep away from them.",
)
TOWER = (
    "The water tower of Port Selby was built of brick in 1904.",
    "Its tank holds nine hundred thousand litres.",
    "Today a school of music has its rooms below the tank.",
    "From the platform one sees as far as the lighthouse.",
    "It is open to visitors on the first Sunday of each month.",
)


class TellingPipeline(EmbeddingPipeline):
    """Tells TOWER of the files that are named in `of_the_tower`, and HARBOUR of all others."""

    def __init__(self, of_the_tower: list[str], players: dict[str, Engine]) -> None:
        super().__init__(players)
        self._of_the_tower = of_the_tower

    async def describe(
        self, _tenant: str, key: str, _info: MediaInfo, span: Span, _config: DescribeConfig, *, thumbnail: bool
    ) -> Described:
        told = TOWER if any(id in key for id in self._of_the_tower) else HARBOUR
        said = Speech(told[int(span.start_time // 20)], span.start_time, span.end_time)
        return Described(SegmentDescription(speech=(said,)))


async def upload(http: httpx.AsyncClient) -> str:
    content = (ROOT / "examples" / "lecture" / "lecture.mp4").read_bytes()
    return (await http.post("/files", files={"file": ("selby.mp4", content)})).json()["id"]


async def add(http: httpx.AsyncClient, collection: str, file: str) -> None:
    (await http.post(f"/collections/{collection}/media", json={"file_id": file})).raise_for_status()
    async with asyncio.timeout(60):  # one reply after the other: there is no event
        while (await http.get(f"/collections/{collection}/media/{file}")).json()["status"] != "completed":  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_SECONDS)


async def answer(http: httpx.AsyncClient, collection: str, question: str) -> tuple[str, set[str]]:
    """(what is said, the files that it cites)."""
    body = {"model": "nimbus-001", "input": question, "knowledge_base": {"collections": [collection]}}
    (content,) = (await http.post("/responses", json=body)).raise_for_status().json()["output"][0]["content"]
    return content["text"], {item["file_id"] for item in content["annotations"]}


async def test_what_is_asked_is_answered_however_often_a_video_is_there(tmp_path: Path) -> None:
    of_the_tower: list[str] = []
    async with opened(tmp_path / "build", partial(TellingPipeline, of_the_tower)) as (http, _):
        body = {"name": "Port Selby", "collection_type": "media-descriptions"}
        collection = (await http.post("/collections", json=body)).json()["id"]
        tower = await upload(http)
        of_the_tower.append(tower)
        await add(http, collection, tower)
        copies = 0
        for most in (1, 5, VECTOR_LIMIT // len(HARBOUR) + 3):
            while copies < most:
                copies += 1
                await add(http, collection, await upload(http))
            for question, told in (
                ("How long does the ferry to the island take?", "forty minutes"),
                ("In which year did the storm break the harbour wall?", "1968"),
            ):
                said, cited = await answer(http, collection, question)
                assert told in said, (copies, said)
                assert cited and tower not in cited
            said, cited = await answer(http, collection, "When was the water tower built?")
            assert "1904" in said, (copies, said)
            assert cited == {tower}
            said, cited = await answer(http, collection, "How many people live in Port Selby?")
            assert not cited, (copies, said)
