"""A whole Arcus whose every role is played by a server that speaks OpenAI's API: from upload to cited answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from ray_jobs.engines.language.model import Prompt
from ray_jobs.engines.language.scripted import Answer, ScriptedModel, pieces, plain_answer
from services.core.errors import ArcusError
from tests.contract.openai_server import DIMENSIONS, KEY, OpenaiServer, serving
from tests.running_system import LECTURE, RunningSystem, create_collection, ingest, start_system, upload, wait_for
from tests.trace_collector import Collector
from tests.waiting import until

CONFIG = """
engines:
  words: {{kind: openai, base_url: "{url}", model: scripted, api_key_variable: SCRIPTED_KEY, is_vllm: true}}
  vectors: {{kind: openai, base_url: "{url}", model: vectors}}
  ears: {{kind: openai, base_url: "{url}", model: ears}}
roles:
  describe: words
  extract: words
  nimbus-001: words
  nimbus-002-preview: words
  embed: vectors
  transcribe: ears
"""
GARBAGE = "Answer with garbage."
SCHEMA = {
    "type": "object",
    "properties": {"topics": {"type": "array", "items": {"type": "string"}}},
    "required": ["topics"],
}


def answered(prompt: Prompt) -> Answer:
    """Segments whose collection asks for it are described with garbage."""
    if any(GARBAGE in turn.text for turn in prompt.turns):
        return pieces('{"title": "it never ends')
    return plain_answer(prompt)


@dataclass(frozen=True)
class Served:
    system: RunningSystem
    server: OpenaiServer
    config: Path
    traces: Collector


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("openai")
    server = OpenaiServer(ScriptedModel(answered))
    traces = Collector()
    started: list[str] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(server) as url:
            started.append(url)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="openai-server")
    thread.start()
    try:
        assert ready.wait(30)
        (folder / "engines.yaml").write_text(CONFIG.format(url=started[0]))
        environment = {"ARCUS_CONFIG": str(folder / "engines.yaml"), "SCRIPTED_KEY": KEY, "ARCUS_MAX_ATTEMPTS": "1"}
        environment |= {"ARCUS_OTLP_ENDPOINT": traces.endpoint, "ARCUS_TRACE_SHARE": "0"}  # of those who don't ask
        system = start_system(folder / "data", environment=environment)
        yield Served(system, server, folder / "engines.yaml", traces)
        assert system.stop() == 0
    finally:
        traces.stop()
        stop.set()
        thread.join()


def member_of(client: httpx.Client, collection_id: str, file_id: str) -> dict:
    return client.get(f"/collections/{collection_id}/videos/{file_id}/media-descriptions").raise_for_status().json()


def test_a_video_is_understood_found_and_answered_from_by_the_server_alone(served: Served) -> None:
    with served.system.client() as client:
        collection_id = create_collection(client, "lecture")
        file = ingest(client, LECTURE, collection_id)
        described = json.dumps(member_of(client, collection_id, file["id"]))
        for words in ("words of an example", "something loud"):
            assert words in described
        for model in ("nimbus-001", "nimbus-002-preview"):
            body = {
                "model": model,
                "input": "How high is the tide?",
                "knowledge_base": {"source": "collections", "collections": [collection_id]},
            }
            response = client.post("/responses", json=body).raise_for_status().json()
            message = next(item for item in response["output"] if item["type"] == "message")
            content = message["content"][0]
            assert content["text"] == "The tide rises sixteen metres [1]."
            assert content["annotations"][0]["file_id"] == file["id"]
            assert response["usage"]["input_tokens"] > 0
        found = client.post(
            "/search", json={"scope": "segment", "query": "something loud", "collections": [collection_id], "limit": 3}
        )
        assert found.raise_for_status().json()["results"]
    asked = served.server.model.prompts
    seen = [prompt for prompt in asked if prompt.images]
    assert seen and all(image.ndim == 3 for prompt in seen for image in prompt.images)
    assert len({prompt.tenant_id for prompt in asked}) == 1 and all(prompt.tenant_id for prompt in asked)
    assert served.server.model.running == 0


def test_an_upload_and_a_question_are_one_trace_each_over_every_process(served: Served) -> None:
    def asked_for(trace_id: str) -> dict[str, str]:
        return {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}

    uploading, asking, names = "a" * 32, "b" * 32, served.traces.names
    with served.system.client() as client:
        collection_id = create_collection(client, "traced")
        client.headers.update(asked_for(uploading))
        file = ingest(client, LECTURE, collection_id)
        client.headers.update(asked_for(asking))
        body = {
            "model": "nimbus-001",
            "input": "How high is the tide?",
            "knowledge_base": {"source": "collections", "collections": [collection_id]},
        }
        assert file["id"] in client.post("/responses", json=body).raise_for_status().text
    until(lambda: names("arcus-ingest", uploading) == {"job probe", "job describe"}, "the jobs are sent")
    until(lambda: "POST /v1/files" in names("arcus-front", uploading), "the upload is sent")
    until(lambda: {"Plan", "Embed", "Generate"} <= names("arcus-engines", asking), "the engines' part is sent")
    until(lambda: any("Search" in name for name in names("arcus-index", asking)), "the shard's part is sent")
    until(lambda: "POST /v1/responses" in names("arcus-front", asking), "the question is sent")
    assert {span.trace_id.hex() for span in served.traces.spans} == {uploading, asking}, "nobody else asked for one"


def test_entities_are_extracted_by_the_server_and_fit_their_schema(served: Served) -> None:
    with served.system.client() as client:
        collection_id = create_collection(
            client,
            "topics",
            collection_type="entities",
            extract_config={"schema": SCHEMA, "enable_video_level_entities": True},
        )
        file = ingest(client, LECTURE, collection_id)
        entities = client.get(f"/collections/{collection_id}/videos/{file['id']}/entities").raise_for_status().json()
    assert entities["entities"] == {"topics": ["words of an example"]}


def test_garbage_fails_its_own_file_with_the_reason_and_no_other(served: Served) -> None:
    with served.system.client() as client:
        bad = create_collection(client, "bad", describe_config={"prompt": GARBAGE})
        good = create_collection(client, "good")
        file = upload(client, LECTURE)
        for collection_id in (bad, good):
            client.post(f"/collections/{collection_id}/media", json={"file_id": file["id"]}).raise_for_status()
        failed = wait_for(client, f"/collections/{bad}/media/{file['id']}")
        assert failed["status"] == "failed" and "could not be used" in json.dumps(failed)
        assert wait_for(client, f"/collections/{good}/media/{file['id']}")["status"] == "completed"


def test_a_model_that_the_server_does_not_have_is_refused_at_the_start(served: Served, tmp_path: Path) -> None:
    (tmp_path / "engines.yaml").write_text((served.config).read_text().replace("model: vectors", "model: no-such"))
    environment = {"ARCUS_CONFIG": str(tmp_path / "engines.yaml"), "SCRIPTED_KEY": KEY}
    with pytest.raises(ArcusError) as caught:
        start_system(tmp_path / "data", environment=environment)
    assert "has no model 'no-such'; it has: scripted, vectors, ears" in caught.value.message


def test_data_of_other_dimensions_is_refused_at_the_start_with_what_to_do(served: Served, tmp_path: Path) -> None:
    """Runs last: it stops the system and starts it with the embedded engines on the same data."""
    assert served.system.stop() == 0
    with pytest.raises(ArcusError) as caught:
        start_system(served.system.data_dir, log=tmp_path / "arcus.log")
    told = caught.value.message
    assert f"{DIMENSIONS} dimensions" in told and "engine embedded makes 384" in told
    assert told.count("This data holds vectors") == 1, "it is not tried again"
