"""What is of chat completions over gRPC alone, beside the scenarios of every door."""

import json

import grpc
import pytest
from arcus.v1 import chat_pb2 as pb
from arcus.v1 import responses_pb2
from google.protobuf.struct_pb2 import Struct

from services.core.answers.chats import Chats
from services.core.errors import ArcusError, Reason
from services.core.store.database import Database
from services.nimbus.answers.chats import ChatCompletions
from services.nimbus.requests.chats import parse_chat
from tests.acceptance.rpc_front import RpcFront, chats, open_front

QUESTION = "What moves the tide?"


@pytest.fixture
async def front(tmp_path):
    async with open_front(tmp_path) as front:
        yield front


async def test_completions_are_listed_behind_one_of_them(front: RpcFront):
    made = [await front.client.chat("Create", chats(QUESTION)) for _ in range(3)]
    rest = await front.client.chat("List", pb.ListChatCompletionsRequest(after=made[2].id))
    assert [item.id for item in rest.completions] == [made[1].id, made[0].id] and rest.total == 3


async def test_what_is_wrong_or_not_allowed_with_options_is_told(front: RpcFront):
    script = json.dumps({"messages": 1, "call": {"name": "look_up", "arguments": "{}"}})
    tools = [responses_pb2.Tool(name=name, parameters=Struct()) for name in ("look_up", "other")]
    made = await front.client.chat("Create", chats(QUESTION, script=script, tools=tools, allowed_tools=["other"]))
    assert not made.message.tool_calls
    for wrong in ({"verbosity": "loud"}, {"allowed_tools": ["unknown"]}):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.client.chat("Stream", chats(QUESTION, **wrong)).read()
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_completion_that_can_not_be_kept_is_no_success(front: RpcFront):
    at = await front.described(front.client)
    away = Database("postgresql+asyncpg://arcus@127.0.0.1:1/arcus")
    completions = ChatCompletions(answers=front.backend.answers, chats=Chats(away))
    messages = [{"role": "user", "content": QUESTION}]
    asked = parse_chat({"model": "nimbus-001", "messages": messages, "collections": [at.collection_id]})
    streamed = [together async for together in await completions.stream(front.client.tenant_id, asked)]
    chunks = [chunk for together in streamed for chunk in together]
    assert chunks[-1]["error"]["code"] == "storage_unavailable"
    assert all(choice["finish_reason"] is None for chunk in chunks[:-1] for choice in chunk["choices"])
    with pytest.raises(ArcusError) as caught:
        await completions.create(front.client.tenant_id, asked)
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    await away.close()
