"""What is of chat completions over HTTP alone, beside the scenarios of every door: the clients' models, and the wire."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from services.rest.schemas import chat as schemas
from tests.acceptance.described import described_talk
from tests.acceptance.live_front import Account, Front
from tests.acceptance.test_rest_document import unknown_fields

MODEL = "nimbus-001"
QUESTION = {"role": "user", "content": "What is said of parsing?"}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
OLD_SDK = Path(__file__).parents[2] / "build" / "cloudglue-0.7.19"
OLD_CHAT = """
import sys
from cloudglue import Cloudglue
client = Cloudglue(api_key=sys.argv[1], host=sys.argv[2])
messages = [{"role": "user", "content": "What is said of parsing?"}]
made = client.chat.completions.create(messages=messages, collections=[sys.argv[3]], temperature=0.5)
kept = client.chat.completions.get(made.id)
listed = client.chat.completions.list(limit=1)
assert kept.choices[0].message.content == made.choices[0].message.content == listed.data[0].choices[0].message.content
print(kept.choices[0].citations[0].start_time.actual_instance, listed.data[0].payload.temperature)
"""


@pytest.fixture(scope="module")
def asker(answering: Front) -> tuple[Account, str]:
    """An account with one described file, and its collection."""
    account = answering.account()
    return account, described_talk(account)[0]


@pytest.fixture(scope="module")
def client(asker: tuple[Account, str]) -> Iterator[openai.OpenAI]:
    account, _ = asker
    with openai.OpenAI(api_key=account.key, base_url=f"{account.front.url}/v1", max_retries=0) as client:
        yield client


def script(**values: Any) -> dict[str, str]:
    """A system message that tells the scripted engine what to do."""
    return {"role": "system", "content": json.dumps(values)}


def test_the_cloudglue_sdk_reads_a_completion_into_its_models(asker: tuple[Account, str]):
    account, collection_id = asker
    chat = account.sdk.chat.completions
    messages = [script(messages=3, text="It splits a document [1]. "), QUESTION]
    filter = chat.create_filter(file_filters=[{"path": "filename", "operator": "Equal", "value_text": "clip.mp4"}])
    made = chat.create(messages=messages, collections=[collection_id], temperature=0.5, filter=filter)
    assert (made.object, made.model) == ("chat.completion", MODEL)
    assert abs(made.created_at / 1000 - time.time()) < 60
    (choice,) = made.choices
    assert choice.index == 0 and choice.message.content.startswith("It splits a document [1]. ")
    (citation,) = choice.citations
    assert (citation.start_time.actual_instance, citation.end_time.actual_instance) == (23.0, 26.0)
    (said,) = citation.speech
    assert (said.text, said.start_time, said.end_time) == ("résumé parsing splits a document", 23.0, 26.0)
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens > 0
    assert made.payload.temperature == 0.5 and made.payload.filter.file[0].value_text == "clip.mp4"
    assert chat.get(made.id) == made


def test_an_older_cloudglue_sdk_creates_gets_and_lists(asker: tuple[Account, str]):
    if not OLD_SDK.exists():
        if os.environ.get("CI"):
            pytest.fail("cloudglue 0.7.19 is not in build/; `make build/cloudglue-0.7.19` puts it there")
        pytest.skip("cloudglue 0.7.19 is not in build/; `make build/cloudglue-0.7.19` puts it there")
    account, collection_id = asker
    run = subprocess.run(
        [sys.executable, "-c", OLD_CHAT, account.key, f"{account.front.url}/v1", collection_id],
        env={**os.environ, "PYTHONPATH": str(OLD_SDK)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.split() in (["0.0", "0.5"], ["20.0", "0.5"])


def test_completions_are_listed_by_date_and_cursor_with_the_last_of_their_messages(answering: Front):
    account = answering.account()
    with account.http as http:
        ids = [
            http.post("/v1/chat/completions", json={"model": MODEL, "messages": [QUESTION]}).json()["id"]
            for _ in range(5)
        ]
        long = [{"role": "system", "content": "x" * 20_000}, QUESTION]
        id = http.post("/v1/chat/completions", json={"model": MODEL, "messages": long}).json()["id"]
        item = http.get("/v1/chat/completions").json()["data"][0]
        assert item["id"] == id and item["payload"]["messages"] == [QUESTION] and "citations" not in item["choices"][0]
        assert http.get(f"/v1/chat/completions/{id}").json()["payload"]["messages"] == long
    chat = account.sdk.chat.completions
    page = chat.list(limit=2, offset=4)
    assert (page.total, page.limit, page.offset) == (6, 2, 4)
    assert chat.list(created_after="2020-01-01", created_before="2100-01-01").total == 6
    assert chat.list(created_before="2020-01-01").total == chat.list(created_after="2100-01-01").total == 0
    with openai.OpenAI(api_key=account.key, base_url=f"{answering.url}/v1", max_retries=0) as client:
        assert [item.id for item in client.chat.completions.list(limit=2)] == [id, *ids[::-1]]  # it pages by itself


def test_what_openai_gets_fits_its_models_strictly(asker, client: openai.OpenAI):
    asked = {"messages": [script(text="It splits [1]. "), QUESTION], "n": 1, "user": "u", "seed": 1, "max_tokens": 8}
    made = client.chat.completions.create(model=MODEL, **asked)
    ChatCompletion.model_validate(made.to_dict(), strict=True)
    assert made.choices[0].finish_reason == "length" and made.usage.completion_tokens == 8
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model=MODEL, **asked, stream=True, stream_options=options))
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)
    assert chunks[-1].choices == [] and all(chunk.usage is None for chunk in chunks[:-1])


def test_openai_adds_a_stream_up_to_the_completion(asker, client: openai.OpenAI):
    messages = [script(text="It splits [1]. ", call={"name": "look_up", "arguments": '{"year": 1961}'}), QUESTION]
    with client.chat.completions.stream(model=MODEL, messages=messages, tools=[TOOL]) as stream:
        for _ in stream:
            pass
        made = stream.get_final_completion()
    kept = client.chat.completions.retrieve(made.id)
    assert made.choices[0].message.content == kept.choices[0].message.content != ""
    assert made.choices[0].finish_reason == kept.choices[0].finish_reason == "tool_calls"


def test_completions_have_the_documented_shapes(asker: tuple[Account, str]):
    account, collection_id = asker
    call = {"name": "look_up", "arguments": "{}"}
    question = {**QUESTION, "name": "Ann"}
    body = {"model": MODEL, "messages": [script(call=call), question], "collections": [collection_id], "tools": [TOOL]}
    body["filter"] = {"file": [{"path": "filename", "operator": "Equal", "valueText": "clip.mp4"}]}
    with account.http as http:
        made = schemas.ChatCompletion.model_validate(http.post("/v1/chat/completions", json=body).json())
        listed = schemas.ChatCompletionList.model_validate(http.get("/v1/chat/completions?limit=1").json())
    assert made.choices[0].citations and made.choices[0].message.tool_calls and made.payload.messages[1].name == "Ann"
    assert unknown_fields(made) == unknown_fields(listed) == [] and listed.data[0].id == made.id


def test_citations_can_be_left_out(asker: tuple[Account, str]):
    account, collection_id = asker
    body = {"model": MODEL, "messages": [script(text="Said [1]. "), QUESTION], "collections": [collection_id]}
    with account.http as http:
        made = http.post("/v1/chat/completions", json={**body, "include_citations": False, "force_search": True})
        streamed = http.post("/v1/chat/completions", json={**body, "include_citations": False, "stream": True})
    assert made.status_code == 200 and "[1]" in made.json()["choices"][0]["message"]["content"]
    assert '"citations"' not in made.text + streamed.text


def test_the_stream_is_chunked_and_each_chunk_holds_whole_events_in_ascii(asker: tuple[Account, str]):
    account, _ = asker
    with _post(account, script(messages=2, text="café [1] ")) as connection:
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: text/event-stream; charset=utf-8" in head.lower()
    assert body.isascii() and b"caf\\u00e9" in body
    pieces = []
    while body:
        size, _, body = body.partition(b"\r\n")
        pieces.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    assert pieces[-2:] == [b"data: [DONE]\n\n", b""]
    for piece in pieces[:-2]:
        *lines, rest = piece.decode().split("\n\n")
        assert rest == "" and lines
        assert all(json.loads(line.removeprefix("data: "))["object"] == "chat.completion.chunk" for line in lines)


@pytest.mark.parametrize("stream", [False, True])
def test_what_can_not_be_asked_is_refused_by_the_field_that_was_sent(asker, client: openai.OpenAI, stream: bool):
    account, _ = asker
    new = {"name": f"facts {stream}", "collection_type": "entities", "extract_config": {"prompt": "dates"}}
    with account.http as http:
        facts = http.post("/v1/collections", json=new).json()["id"]
    for collections in ([facts], []):
        with pytest.raises(openai.BadRequestError) as failed:
            client.chat.completions.create(
                model=MODEL, messages=[QUESTION], stream=stream, extra_body={"collections": collections}
            )
        assert failed.value.param == "collections"


def _post(account: Account, *messages: dict[str, str], stream: bool = True) -> socket.socket:
    body = json.dumps({"model": MODEL, "messages": [*messages, QUESTION], "stream": stream}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {account.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", account.front.port), timeout=10)
    connection.sendall(head.encode() + body)
    return connection
