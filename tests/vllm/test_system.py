"""Everything at once: a video understood and asked about with every role on vLLM, and what happens when a model dies."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running_system import LECTURE, RunningSystem, create_collection, ingest
from tests.vllm.vllm_system import model_process, vllm_system

ASKED = {"model": "nimbus-001", "input": "What does the moon do?", "max_output_tokens": 40}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Path]) -> Iterator[RunningSystem]:
    with vllm_system(tmp_path_factory.mktemp("system"), models) as running:
        yield running


@pytest.fixture(scope="module")
def lecture(system: RunningSystem) -> tuple[str, str]:
    """(collection, file) of the example video, understood."""
    with system.client() as client:
        collection_id = create_collection(client, "lecture")
        return collection_id, ingest(client, LECTURE, collection_id)["id"]


def events(client: httpx.Client, **changes: Any) -> Iterator[dict[str, Any]]:
    with client.stream("POST", "/responses", json={**ASKED, "stream": True, **changes}) as reply:
        assert reply.status_code == 200, reply.read()
        for line in reply.iter_lines():
            if line.startswith("data: {"):
                yield json.loads(line[6:])


def based_on(collection_id: str) -> dict[str, Any]:
    return {"knowledge_base": {"collections": [collection_id]}}


def test_every_segment_is_described_heard_and_found(system: RunningSystem, lecture: tuple[str, str]) -> None:
    collection_id, file_id = lecture
    with system.client() as client:
        path = f"/collections/{collection_id}/videos/{file_id}/media-descriptions"
        described = client.get(path).raise_for_status().json()
        assert described["title"] and described["summary"] and len(described["speech"]) > 1
        assert len(described["visual_scene_description"]) >= 1
        body = {"query": "the moon", "scope": "segment", "collections": [collection_id]}
        assert client.post("/search", json=body).raise_for_status().json()["results"]


@pytest.mark.parametrize("model", ["nimbus-001", "nimbus-002-preview"])
def test_an_answer_streams_and_is_counted(system: RunningSystem, lecture: tuple[str, str], model: str) -> None:
    with system.client() as client:
        seen = list(events(client, model=model, **based_on(lecture[0])))
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    deltas = [event for event in seen if event["type"] == "response.output_text.delta"]
    final = seen[-1]["response"]
    assert len(deltas) > 3 and final["status"] in ("completed", "incomplete")
    assert final["usage"]["output_tokens"] == 40 and final["usage"]["input_tokens"] > 100


async def test_two_hundred_questions_at_once_are_answered_or_refused(
    system: RunningSystem, lecture: tuple[str, str]
) -> None:
    headers = {"Authorization": f"Bearer {system.key}"}
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(headers=headers, timeout=300, limits=limits, trust_env=False) as client:
        body = {**ASKED, "max_output_tokens": 300, **based_on(lecture[0])}
        replies = await asyncio.gather(*(client.post(f"{system.http}/responses", json=body) for _ in range(200)))
        told = Counter(reply.status_code for reply in replies)
        others = Counter(reply.text for reply in replies if reply.status_code not in (200, 429))
        assert set(told) == {200, 429} and told[200] >= 64, (told, others)
        assert all("retry-after" in reply.headers for reply in replies if reply.status_code == 429)
        assert (await client.post(f"{system.http}/responses", json=body)).status_code == 200


def test_a_model_that_is_killed_fails_its_answer_alone_and_is_started_again(
    system: RunningSystem, lecture: tuple[str, str]
) -> None:
    with system.client() as client:
        before = model_process(system, "eyes")
        seen, killed = [], False
        for event in events(client, max_output_tokens=1_000, **based_on(lecture[0])):
            seen.append(event)
            if len([each for each in seen if each["type"] == "response.output_text.delta"]) == 3 and not killed:
                before.kill()
                killed = True
        assert killed
        assert seen[-1]["type"] in ("error", "response.failed", "response.completed", "response.incomplete")
        assert client.get("/collections").status_code == 200
        deadline = time.monotonic() + 300
        status = 0
        while status != 200 and time.monotonic() < deadline:
            # The front itself ends what waits for an engine.
            reply = client.post("/responses", json={**ASKED, **based_on(lecture[0])}, timeout=200)
            status = reply.status_code
            assert status in (200, 429, 500, 503, 504), reply.text
            time.sleep(1)
        assert status == 200 and reply.json()["status"] in ("completed", "incomplete")
        assert model_process(system, "eyes").pid != before.pid
