import json

import grpc
import pytest
from arcus.v1 import chat_pb2 as pb
from arcus.v1 import responses_pb2
from google.protobuf.struct_pb2 import Struct

from services.core.chats import Chats
from services.core.database import Database
from services.core.errors import ArcusError, Reason
from services.nimbus.chat_completions import ChatCompletions
from services.nimbus.chat_request import parse_chat
from tests.acceptance.rpc_front import RpcFront, chats, open_front

QUESTION = "What moves the tide?"
ENDLESS = json.dumps({"messages": 1000, "interval_seconds": 0.02})
FAILS = json.dumps({"messages": 5, "fail_after": 2})


@pytest.fixture
async def front(tmp_path):
    async with open_front(tmp_path) as front:
        yield front


async def test_a_completion_is_given_whole_with_its_citations_and_kept(front: RpcFront):
    at = await front.described(front.client)
    request = chats(QUESTION, at.collection_id, temperature=0.5, metadata={"user": "u1"})
    request.filter.video_info.add(path="duration_seconds", operator="GreaterThan", value_text="1", scope="file")
    made = await front.client.chat("Create", request)
    assert made.model == "nimbus-001" and made.finish_reason == "stop" and made.created_at > 1e12
    assert made.message.role == "assistant" and "word" in made.message.content
    assert {citation.file_id for citation in made.citations} == {at.file_id}
    cited = made.citations[0]
    assert cited.collection_id == at.collection_id and cited.end_time > cited.start_time
    assert cited.speech[0].text and cited.speech[0].end_time > cited.speech[0].start_time
    assert [source.text for source in cited.relevant_sources] == ["speech"]
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens > 0
    assert made.payload.filter == request.filter and made.payload.temperature == 0.5
    assert list(made.payload.messages) == list(request.messages) and made.metadata["user"] == "u1"
    assert await front.client.chat("Get", pb.GetChatCompletionRequest(chat_id=made.id)) == made
    listed = await front.client.chat("List", pb.ListChatCompletionsRequest())
    assert [item.id for item in listed.completions] == [made.id, at.chat_id] and listed.total == 2
    assert not listed.completions[0].citations and listed.completions[0].message == made.message
    rest = await front.client.chat("List", pb.ListChatCompletionsRequest(after=made.id))
    assert [item.id for item in rest.completions] == [at.chat_id]
    for _ in range(2):
        await front.client.chat("Delete", pb.DeleteChatCompletionRequest(chat_id=made.id))
    assert (await front.client.chat("List", pb.ListChatCompletionsRequest())).total == 1


async def test_a_stream_tells_the_same_chunks_as_http(front: RpcFront):
    at = await front.described(front.client)
    chunks = [item async for item in front.client.chat("Stream", chats(QUESTION, at.collection_id, include_usage=True))]
    body = {
        "model": "nimbus-001",
        "messages": [{"role": "user", "content": QUESTION}],
        "collections": [at.collection_id],
        "stream_options": {"include_usage": True},
    }
    completions = front.backend.chat_completions
    told = [chunk async for chunk in await completions.stream(front.client.tenant_id, parse_chat(body))]
    choices = [chunk["choices"][0] if chunk["choices"] else {"delta": {}} for chunk in told]
    assert [chunk.delta.content for chunk in chunks] == [choice["delta"].get("content", "") for choice in choices]
    assert [chunk.delta.role for chunk in chunks] == [choice["delta"].get("role", "") for choice in choices]
    assert [len(chunk.citations) for chunk in chunks] == [len(choice.get("citations", ())) for choice in choices]
    assert [chunk.finish_reason for chunk in chunks[-2:]] == ["stop", ""]
    kept = await front.client.chat("Get", pb.GetChatCompletionRequest(chat_id=chunks[0].id))
    assert "".join(chunk.delta.content for chunk in chunks) == kept.message.content
    assert [citation for chunk in chunks for citation in chunk.citations] == list(kept.citations) != []
    assert chunks[-1].usage == kept.usage and chunks[-1].created == kept.created_at // 1000


async def test_a_function_is_called(front: RpcFront):
    arguments = '{"year": 1961}'
    script = json.dumps({"messages": 1, "call": {"name": "look_up", "arguments": arguments}})
    tool = responses_pb2.Tool(name="look_up", parameters=Struct())
    request = chats(QUESTION, script=script, tools=[tool], tool_choice="look_up")
    made = await front.client.chat("Create", request)
    (call,) = made.message.tool_calls
    assert (call.function.name, call.function.arguments, made.finish_reason) == ("look_up", arguments, "tool_calls")
    chunks = [chunk async for chunk in front.client.chat("Stream", request)]
    assert "".join(c.function.arguments for chunk in chunks for c in chunk.delta.tool_calls) == arguments


async def test_a_cancelled_stream_frees_the_engine_and_leaves_nothing(front: RpcFront):
    at = await front.described(front.client)
    call = front.client.chat("Stream", chats(QUESTION, at.collection_id, script=ENDLESS))
    while not (await call.read()).delta.content:
        pass
    assert front.engine.running == 1
    call.cancel()
    await front.wait_for_requests(front.client, 0)
    await front.wait_for_engine()
    assert (await front.client.chat("List", pb.ListChatCompletionsRequest())).total == 1


async def test_a_failure_after_the_first_chunk_is_the_last_chunk(front: RpcFront):
    at = await front.described(front.client)
    request = chats(QUESTION, at.collection_id, script=FAILS)
    chunks = [chunk async for chunk in front.client.chat("Stream", request)]
    assert chunks[0].delta.role == "assistant" and chunks[-1].error.message and chunks[-1].error.code
    with pytest.raises(grpc.aio.AioRpcError):
        await front.client.chat("Create", request)
    assert (await front.client.chat("List", pb.ListChatCompletionsRequest())).total == 1


async def test_a_bad_chat_fails_before_the_first_chunk(front: RpcFront):
    for request, code in (
        (chats("What?", "none"), grpc.StatusCode.NOT_FOUND),
        (chats("What?", "a", "b"), grpc.StatusCode.INVALID_ARGUMENT),
        (chats(" "), grpc.StatusCode.INVALID_ARGUMENT),
        (chats("What?", temperature=3), grpc.StatusCode.INVALID_ARGUMENT),
        (pb.CreateChatCompletionRequest(model="gpt"), grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.client.chat("Stream", request).read()
        assert caught.value.code() is code


async def test_a_completion_that_can_not_be_kept_is_no_success(front: RpcFront):
    at = await front.described(front.client)
    away = Database("postgresql+asyncpg://arcus@127.0.0.1:1/arcus")
    completions = ChatCompletions(answers=front.backend.answers, chats=Chats(away))
    messages = [{"role": "user", "content": QUESTION}]
    asked = parse_chat({"model": "nimbus-001", "messages": messages, "collections": [at.collection_id]})
    chunks = [chunk async for chunk in await completions.stream(front.client.tenant_id, asked)]
    assert chunks[-1]["error"]["code"] == "storage_unavailable"
    assert all(choice["finish_reason"] is None for chunk in chunks[:-1] for choice in chunk["choices"])
    with pytest.raises(ArcusError) as caught:
        await completions.create(front.client.tenant_id, asked)
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    await away.close()
