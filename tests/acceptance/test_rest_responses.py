"""Questions over HTTP, at once and streamed, with the real Cloudglue and OpenAI clients and a scripted engine."""

from __future__ import annotations

import json
import socket
from typing import Any

import openai
import pytest

from tests.acceptance.described import described_talk
from tests.acceptance.live_front import Account, Front

QUESTION = "What is said of parsing?"
MODEL = "nimbus-001"


@pytest.fixture(scope="module")
def asker(answering: Front) -> tuple[Account, str]:
    """An account with one described file, and its collection."""
    account = answering.account()
    return account, described_talk(account)[0]


def script(**values: Any) -> str:
    return json.dumps(values)


def test_list_items_have_neither_output_nor_error(asker: tuple[Account, str]):
    account, collection_id = asker
    account.sdk.responses.create(model=MODEL, input=QUESTION, collections=[collection_id])
    with account.http as http:
        items = http.get("/v1/responses").json()["data"]
    assert items and all("output" not in item and "error" not in item and "usage" in item for item in items)


def test_the_openai_client_finds_models_and_reads_the_text(asker: tuple[Account, str]):
    account, collection_id = asker
    base = {"knowledge_base": {"collections": [collection_id]}}
    with openai.OpenAI(api_key=account.key, base_url=f"{account.front.url}/v1/", max_retries=0) as client:
        answer = client.responses.create(model=MODEL, input=QUESTION, extra_body=base)
        assert answer.output_text.startswith("word") and answer.status == "completed"
        assert [model.id for model in client.models.list()] == ["nimbus-001", "nimbus-002-preview"]
        assert client.models.retrieve(MODEL).id == MODEL
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt-4")


def test_the_stream_is_chunked_and_each_chunk_holds_whole_events_in_ascii(asker: tuple[Account, str]):
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
        *events, rest = chunk.decode().split("\n\n")
        assert rest == "" and events
        for event in events:
            name, data = event.split("\n")
            assert name.startswith("event: ") and data.startswith("data: ")
            assert json.loads(data[6:])["type"] == name[7:]


def test_a_front_with_its_engine_is_ready(answering: Front):
    account = answering.account()
    with account.http as http:
        assert http.get("/status").json()["engine"] == "ok"


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
