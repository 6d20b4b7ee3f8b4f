"""Questions over HTTP, at once and streamed, with the real Cloudglue and OpenAI clients and a scripted engine."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from cloudglue import CloudglueError

from services.core.settings import Settings
from tests.acceptance.described import describe, upload
from tests.acceptance.live_front import Account, Front
from tests.acceptance.scripted_server import ScriptedServer

QUESTION = "What is said of parsing?"
MODEL = "nimbus-001"


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("arcus"),
        engine_secret="a-secret-of-the-tests",  # type: ignore[arg-type]
        engine_timeout_seconds=10,
        min_free_bytes=0,
    )
    running = Front(settings, ScriptedServer()).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def asker(answering: Front) -> tuple[Account, str]:
    """An account with one described file, and its collection."""
    account = answering.account()
    collection = account.sdk.collections.create(collection_type="media-descriptions", name="talks")
    file_id = upload(account)
    account.sdk.collections.add_video(collection.id, file_id=file_id)
    describe(account, collection.id, file_id)
    return account, collection.id


def script(**values: Any) -> str:
    return json.dumps(values)


def running_streams(front: Front) -> int:
    assert front.engine is not None
    return front.engine.engine.running


def test_the_cloudglue_sdk_gets_an_answer_that_cites(asker: tuple[Account, str]):
    account, collection_id = asker
    response = account.sdk.responses.create(
        model=MODEL,
        input=QUESTION,
        collections=[collection_id],
        include=["cloudglue_citations.media_descriptions"],
        instructions=script(messages=3, text="It splits a document [1]. "),
    )
    assert response.status == "completed" and response.object == "response"
    (part,) = response.output[0].actual_instance.content
    assert part.text.startswith("It splits a document")
    (citation,) = part.annotations
    assert (citation.collection_id, citation.start_time, citation.end_time) == (collection_id, 20.0, 40.0)
    assert citation.speech == ["résumé parsing splits a document"]
    assert response.usage.output_tokens > 0
    assert account.sdk.responses.get(response.id).id == response.id
    listed = account.sdk.responses.list(status="completed")
    assert response.id in [item.id for item in listed.data]
    assert account.sdk.responses.delete(response.id).deleted is True
    with pytest.raises(CloudglueError) as gone:
        account.sdk.responses.get(response.id)
    assert gone.value.status_code == 404


def test_list_items_have_neither_output_nor_error(asker: tuple[Account, str]):
    account, collection_id = asker
    account.sdk.responses.create(model=MODEL, input=QUESTION, collections=[collection_id])
    with account.http as http:
        items = http.get("/v1/responses").json()["data"]
    assert items and all("output" not in item and "error" not in item and "usage" in item for item in items)


def test_the_cloudglue_sdk_streams_events_as_they_are_made(asker: tuple[Account, str]):
    account, collection_id = asker
    instructions = script(messages=5, interval_seconds=0.05, tokens_per_message=2)
    stream = account.sdk.responses.create(
        model="nimbus-002-preview",
        input=QUESTION,
        collections=[collection_id],
        instructions=instructions,
        stream=True,
    )
    events, seen_while_running = [], 0
    for event in stream:
        events.append(event)
        seen_while_running += running_streams(account.front)
    assert seen_while_running > 2  # the first events came while the engine was still writing
    names = [event["event"] for event in events]
    assert names[0] == "response.created" and names[-2:] == ["response.completed", None]
    assert events[-1]["data"] == "[DONE]"
    datas = [event["data"] for event in events[:-1]]
    assert [data["sequence_number"] for data in datas] == list(range(len(datas)))
    assert [data["type"] for data in datas] == names[:-1]
    text = "".join(data["delta"] for data in datas if data["type"] == "response.output_text.delta")
    assert datas[-1]["response"]["output"][0]["content"][0]["text"] == text


def test_the_openai_client_asks_streams_lists_models_and_deletes(asker: tuple[Account, str]):
    account, collection_id = asker
    base = {"knowledge_base": {"collections": [collection_id]}}
    with openai.OpenAI(api_key=account.key, base_url=f"{account.front.url}/v1/", max_retries=0) as client:
        answer = client.responses.create(model=MODEL, input=QUESTION, extra_body=base)
        assert answer.output_text.startswith("word") and answer.status == "completed"
        assert client.responses.retrieve(answer.id).output_text == answer.output_text
        types = [event.type for event in client.responses.create(model=MODEL, input="x", stream=True, extra_body=base)]
        assert types[0] == "response.created" and types[-1] == "response.completed"
        assert [model.id for model in client.models.list()] == ["nimbus-001", "nimbus-002-preview"]
        assert client.models.retrieve(MODEL).id == MODEL
        client.responses.delete(answer.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(answer.id)
        with pytest.raises(openai.BadRequestError):
            client.responses.create(model="gpt-4", input="x")


def test_the_stream_is_chunked_one_event_to_a_chunk_and_ascii(asker: tuple[Account, str]):
    account, collection_id = asker
    with _post(account, collection_id, text="café [1] ", messages=2) as connection:
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    lowered = head.lower()
    assert lowered.startswith(b"http/1.1 200") and b"transfer-encoding: chunked" in lowered
    assert b"content-type: text/event-stream; charset=utf-8" in lowered and b"cache-control: no-cache" in lowered
    assert b"content-length" not in lowered and body.isascii() and b"caf\\u00e9" in body
    chunks = []
    while body:
        size, _, body = body.partition(b"\r\n")
        chunks.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    assert chunks[-2:] == [b"data: [DONE]\n\n", b""]
    for chunk in chunks[:-2]:
        name, data, *rest = chunk.decode().split("\n")
        assert name.startswith("event: ") and data.startswith("data: ") and rest == ["", ""]
        assert json.loads(data[6:])["type"] == name[7:]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_frees_the_engine(asker: tuple[Account, str], stream: bool):
    account, collection_id = asker
    with _post(account, collection_id, stream=stream, messages=10_000, interval_seconds=0.02) as connection:
        if stream:
            connection.recv(100)
        _until(lambda: running_streams(account.front) == 1)
    _until(lambda: running_streams(account.front) == 0)
    with account.http as http:
        _until(lambda: http.get("/v1/responses?limit=1").json()["data"][0]["status"] == "cancelled")


def test_an_engine_that_fails_ends_the_stream_with_an_error_event(asker: tuple[Account, str]):
    account, collection_id = asker
    failing = script(messages=5, fail_after=2, fail_reason="ENGINE_UNAVAILABLE")
    common = {"model": MODEL, "input": QUESTION, "collections": [collection_id], "instructions": failing}
    *_, error, done = account.sdk.responses.create(**common, stream=True)
    assert error["event"] == error["data"]["type"] == "error" and done["data"] == "[DONE]"
    assert isinstance(error["data"]["error"]["message"], str) and error["data"]["sequence_number"] > 2
    with pytest.raises(CloudglueError) as failed:
        account.sdk.responses.create(**common)
    assert failed.value.status_code == 503


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": "gpt-4"}, 400, "model"),
        ({"input": ""}, 400, "input"),
        ({"background": True, "store": False}, 400, "store"),
        ({"background": True, "knowledge_base": {"collections": ["unknown"]}}, 404, "unknown"),
        ({"previous_response_id": "unknown"}, 404, "unknown"),
        ({"tool_choice": {"type": "function", "name": "unknown"}}, 400, "tool_choice"),
        ({"temperature": 3}, 400, "temperature"),
        ({"knowledge_base": {"collections": ["unknown"]}}, 404, "unknown"),
        ({"knowledge_base": {"collections": []}}, 400, "knowledge_base.collections"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_question_is_refused_before_any_event(asker: tuple[Account, str], change, status, words, stream):
    account, collection_id = asker
    body = {"model": MODEL, "input": "x", "knowledge_base": {"collections": [collection_id]}, "stream": stream}
    with account.http as http:
        reply = http.post("/v1/responses", json={**body, **change})
    assert reply.status_code == status and words in reply.json()["error"], reply.text


def test_a_front_with_its_engine_is_ready(answering: Front):
    account = answering.account()
    with account.http as http:
        assert http.get("/readyz").json() == {"status": "ok", "database": "ok", "engine": "ok"}


def _post(account: Account, collection_id: str, *, stream: bool = True, **values: Any) -> socket.socket:
    body = json.dumps(
        {
            "model": MODEL,
            "input": QUESTION,
            "knowledge_base": {"collections": [collection_id]},
            "instructions": script(**values),
            "stream": stream,
        }
    ).encode()
    head = (
        f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {account.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", account.front.port), timeout=10)
    connection.sendall(head.encode() + body)
    return connection


def _until(true: Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
