"""What a request for a response may set beside its question, over gRPC."""

from __future__ import annotations

import grpc
import pytest
from arcus.v1 import responses_pb2 as pb

from tests.acceptance.rpc_front import RpcFront, asks, open_front


@pytest.fixture
async def front(tmp_path):
    async with open_front(tmp_path) as front:
        yield front


async def test_options_are_honoured_and_told_again(front: RpcFront):
    at = await front.described(front.client)
    fields = {
        "tools": [
            pb.Tool(name=name, description="d", parameters={"type": "object"}, strict=True) for name in ("f", "g")
        ],
        "tool_choice": "auto",
        "allowed_tools": ["g"],
        "parallel_tool_calls": False,
        "max_tool_calls": 2,
        "temperature": 0.25,
        "top_p": 0.5,
        "max_output_tokens": 100,
        "truncation": "disabled",
        "verbosity": "medium",
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "store": True,
        "text_format": pb.TextFormat(type="text"),
    }
    asked = asks("What moves the tide?", at.collection_id, **fields)
    response = await front.client.responses("Create", asked)
    for name in fields:
        assert getattr(response, name) == getattr(asked, name), name
    assert response.created_at <= response.completed_at <= response.created_at + 60
    plain = await front.client.responses("Create", asks("What moves the tide?", at.collection_id))
    assert (round(plain.temperature, 3), plain.top_p, plain.parallel_tool_calls) == (0.7, 1.0, True)
    assert (plain.truncation, plain.verbosity, plain.tool_choice) == ("auto", "medium", "auto")
    for bad in ({"top_p": 2}, {"truncation": "middle"}, {"verbosity": "extreme"}, {"allowed_tools": ["f"]}):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.client.responses("Create", asks("What?", at.collection_id, **bad))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
