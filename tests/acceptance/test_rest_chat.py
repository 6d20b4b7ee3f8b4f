"""Chat completions over HTTP, with the real Cloudglue and OpenAI clients and a scripted engine."""

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
from cloudglue import CloudglueError
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from services.rest.schemas import chat as schemas
from tests.acceptance.described import described_talk
from tests.acceptance.live_front import Account, Front
from tests.acceptance.test_rest_document import unknown_fields
from tests.waiting import until

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


def test_the_cloudglue_sdk_gets_a_completion_that_cites_with_times(asker: tuple[Account, str]):
    account, collection_id = asker
    chat = account.sdk.chat.completions
    messages = [script(messages=3, text="It splits a document [1]. "), QUESTION]
    made = chat.create(messages=messages, collections=[collection_id], temperature=0.5)
    assert (made.object, made.model) == ("chat.completion", MODEL)
    assert abs(made.created_at / 1000 - time.time()) < 60
    (choice,) = made.choices
    assert choice.index == 0 and choice.message.role == "assistant"
    assert choice.message.content.startswith("It splits a document [1]. ")
    (citation,) = choice.citations
    assert citation.collection_id == collection_id
    assert (citation.start_time.actual_instance, citation.end_time.actual_instance) == (20.0, 40.0)
    (said,) = citation.speech
    assert (said.text, said.start_time, said.end_time) == ("résumé parsing splits a document", 23.0, 26.0)
    assert citation.scene_text == citation.visual_scene_description == citation.audio_description == []
    assert [source.text for source in citation.relevant_sources] == ["speech"] and "parsing" in citation.context
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens > 0
    assert made.payload.collections == [collection_id] and made.payload.temperature == 0.5
    assert [message.role for message in made.payload.messages] == ["system", "user"]
    assert chat.get(made.id) == made


def test_an_older_cloudglue_sdk_creates_gets_and_lists(asker: tuple[Account, str]):
    if not OLD_SDK.exists():
        if os.environ.get("CI"):
            pytest.fail("cloudglue 0.7.19 is not in build/; `make test` puts it there")
        pytest.skip("cloudglue 0.7.19 is not in build/; `make test` puts it there")
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


def test_a_filter_narrows_what_is_cited(asker: tuple[Account, str]):
    account, collection_id = asker
    chat = account.sdk.chat.completions
    for operator, cited in (("LessThan", 0), ("GreaterThan", 1)):
        filter = chat.create_filter(
            video_info_filters=[{"path": "duration_seconds", "operator": operator, "value_text": "30"}],
            file_filters=[{"path": "filename", "operator": "Equal", "value_text": "clip.mp4"}],
        )
        messages = [script(text="It is said [1]. "), QUESTION]
        made = chat.create(messages=messages, collections=[collection_id], filter=filter)
        assert len(made.choices[0].citations) == cited
        assert made.payload.filter.video_info[0].operator == operator
        assert chat.list(limit=1).data[0].payload.filter.file[0].value_text == "clip.mp4"


def test_completions_are_listed_by_page_and_date_without_citations(answering: Front):
    account = answering.account()
    with account.http as http:
        ids = [
            http.post("/v1/chat/completions", json={"model": MODEL, "messages": [QUESTION]}).json()["id"]
            for _ in range(5)
        ]
        long = [{"role": "system", "content": "x" * 20_000}, QUESTION]
        id = http.post("/v1/chat/completions", json={"model": MODEL, "messages": long}).json()["id"]
        item = http.get("/v1/chat/completions").json()["data"][0]
        assert item["id"] == id and item["payload"]["messages"] == [QUESTION]
        assert http.get(f"/v1/chat/completions/{id}").json()["payload"]["messages"] == long
        assert item["choices"][0]["message"]["content"] and "citations" not in item["choices"][0]
        assert http.delete(f"/v1/chat/completions/{id}").status_code == 200
    chat = account.sdk.chat.completions
    pages = [chat.list(limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [item.id for page in pages for item in page.data] == ids[::-1]
    assert [(page.total, page.limit, page.offset) for page in pages] == [(5, 2, 0), (5, 2, 2), (5, 2, 4)]
    assert chat.list(created_after="2020-01-01", created_before="2100-01-01").total == 5
    assert chat.list(created_before="2020-01-01").total == chat.list(created_after="2100-01-01").total == 0
    with openai.OpenAI(api_key=account.key, base_url=f"{answering.url}/v1", max_retries=0) as client:
        assert [item.id for item in client.chat.completions.list(limit=2)] == ids[::-1]  # it pages by itself
        assert client.chat.completions.retrieve(ids[0]).id == ids[0]
        assert client.chat.completions.delete(ids[0]).deleted
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.retrieve(ids[0])
    with pytest.raises(CloudglueError) as gone:
        chat.get(ids[0])
    assert gone.value.status_code == 404 and chat.list().total == 4


def test_openai_gets_a_completion_from_all_it_has_when_it_names_no_collection(asker, client: openai.OpenAI):
    _, collection_id = asker
    messages = [script(text="It splits [1]. "), QUESTION]
    everything = client.chat.completions.create(model=MODEL, messages=messages, n=1, user="u", seed=1)
    one = client.chat.completions.create(model=MODEL, messages=messages, extra_body={"collections": [collection_id]})
    for made in (everything, one):
        ChatCompletion.model_validate(made.to_dict(), strict=True)
        assert made.choices[0].finish_reason == "stop" and made.usage.total_tokens > 0
        (citation,) = made.choices[0].citations
        assert citation["start_time"] == 20.0
    assert one.choices[0].citations[0]["collection_id"] == collection_id
    assert "collection_id" not in everything.choices[0].citations[0]


@pytest.mark.parametrize("model", ["nimbus-001", "nimbus-002-preview"])
def test_a_chat_goes_on_from_its_earlier_turns(asker, client: openai.OpenAI, model: str):
    earlier = [{"role": "user", "content": "What is it about?"}, {"role": "assistant", "content": "Of streaming [1]."}]
    made = client.chat.completions.create(model=model, messages=[script(text="Said [1]. "), *earlier, QUESTION])
    assert made.model == model and made.choices[0].citations[0]["start_time"] == 20.0
    assert [message["role"] for message in made.payload["messages"]] == ["system", "user", "assistant", "user"]


def test_what_is_not_to_be_kept_is_not(asker, client: openai.OpenAI):
    made = client.chat.completions.create(model=MODEL, messages=[QUESTION], store=False)
    streamed = list(client.chat.completions.create(model=MODEL, messages=[QUESTION], store=False, stream=True))
    for id in (made.id, streamed[0].id):
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.retrieve(id)


def test_a_completion_is_no_response(asker, client: openai.OpenAI):
    made = client.chat.completions.create(model=MODEL, messages=[QUESTION], metadata={"user": "u1"})
    assert client.chat.completions.retrieve(made.id).metadata == {"user": "u1"}
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_openai_streams_chunks_as_they_are_made(asker, client: openai.OpenAI):
    account, _ = asker
    messages = [script(messages=5, interval_seconds=0.05, text="It splits [1]. "), QUESTION]
    chunks, seen_while_running = [], 0
    options = {"include_usage": True}
    for chunk in client.chat.completions.create(model=MODEL, messages=messages, stream=True, stream_options=options):
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)
        chunks.append(chunk)
        seen_while_running += running_streams(account.front)
    assert seen_while_running > 2  # the first chunks came while the engine was still writing
    *told, last, usage = chunks
    assert told[0].choices[0].delta.role == "assistant" and len({chunk.id for chunk in chunks}) == 1
    assert usage.choices == [] and usage.usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in (*told, last))
    assert [chunk.choices[0].finish_reason for chunk in (*told, last)] == [None] * len(told) + ["stop"]
    kept = client.chat.completions.retrieve(usage.id)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in told)
    assert kept.choices[0].message.content == text and text.startswith("It splits [1].")
    cited = [item for chunk in told for item in (chunk.choices[0].model_extra or {}).get("citations", [])]
    assert kept.choices[0].citations == cited and len(cited) == 1
    assert kept.usage == usage.usage


def test_openai_adds_a_stream_up_to_the_completion(asker, client: openai.OpenAI):
    messages = [script(text="It splits [1]. ", call={"name": "look_up", "arguments": '{"year": 1961}'}), QUESTION]
    with client.chat.completions.stream(model=MODEL, messages=messages, tools=[TOOL]) as stream:
        for _ in stream:
            pass
        made = stream.get_final_completion()
    kept = client.chat.completions.retrieve(made.id)
    assert made.choices[0].message.content == kept.choices[0].message.content != ""
    assert made.choices[0].finish_reason == kept.choices[0].finish_reason == "tool_calls"


def test_a_function_is_called_and_its_result_goes_on(asker, client: openai.OpenAI):
    arguments = '{"question": "how many?", "year": 1961}'
    told = script(messages=1, call={"name": "look_up", "arguments": arguments})
    chunks = list(client.chat.completions.create(model=MODEL, messages=[told, QUESTION], tools=[TOOL], stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert len(calls) > 2 and {call.index for call in calls} == {0} and calls[0].function.name == "look_up"
    assert "".join(call.function.arguments for call in calls) == arguments
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    made = client.chat.completions.create(model=MODEL, messages=[told, QUESTION], tools=[TOOL])
    (call,) = made.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("look_up", arguments)
    result = {"role": "tool", "tool_call_id": call.id, "content": "24"}
    messages = [told, QUESTION, made.choices[0].message, result]
    after = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    assert after.choices[0].finish_reason == "stop" and after.choices[0].message.tool_calls is None
    account, _ = asker
    assert account.sdk.chat.completions.list().total > 0  # the Cloudglue SDK reads what OpenAI's wrote


def test_an_answer_that_is_cut_says_so(asker, client: openai.OpenAI):
    for name in ("max_tokens", "max_completion_tokens"):
        made = client.chat.completions.create(model=MODEL, messages=[QUESTION], **{name: 8})
        assert made.choices[0].finish_reason == "length" and made.usage.completion_tokens == 8


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


def test_an_engine_that_fails_is_told_in_the_stream_and_nothing_is_kept(asker, client: openai.OpenAI):
    account, _ = asker
    messages = [script(messages=5, fail_after=2, fail_reason="ENGINE_UNAVAILABLE"), QUESTION]
    before = account.sdk.chat.completions.list().total
    chunks = []
    with pytest.raises(openai.APIError, match="engine") as failed:
        for chunk in client.chat.completions.create(model=MODEL, messages=messages, stream=True):
            chunks.append(chunk)
    assert (
        "".join(chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content).count("word") > 1
    )
    assert failed.value.code == "engine_unavailable"
    with pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model=MODEL, messages=messages)
    assert refused.value.status_code == 503
    assert account.sdk.chat.completions.list().total == before


def test_the_stream_is_chunked_one_data_line_to_a_chunk_and_ascii(asker: tuple[Account, str]):
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
        line, *rest = piece.decode().split("\n")
        assert rest == ["", ""] and json.loads(line.removeprefix("data: "))["object"] == "chat.completion.chunk"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_frees_the_engine_and_nothing_is_kept(asker: tuple[Account, str], stream: bool):
    account, _ = asker
    before = account.sdk.chat.completions.list().total
    with _post(account, script(messages=10_000, interval_seconds=0.02), stream=stream) as connection:
        if stream:
            connection.recv(100)
        until(lambda: running_streams(account.front) == 1, "the engine writes")
    until(lambda: running_streams(account.front) == 0, "the engine is free")
    assert account.sdk.chat.completions.list().total == before


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
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(
            model=MODEL, messages=[QUESTION], stream=stream, extra_body={"collections": ["unknown"]}
        )


def running_streams(front: Front) -> int:
    assert front.engine is not None
    return front.engine.engine.running


def _post(account: Account, *messages: dict[str, str], stream: bool = True) -> socket.socket:
    body = json.dumps({"model": MODEL, "messages": [*messages, QUESTION], "stream": stream}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {account.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", account.front.port), timeout=10)
    connection.sendall(head.encode() + body)
    return connection
