"""What only gRPC can carry and nothing can keep: null characters in any text, and numbers that are none in JSON."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from arcus.v1 import chat_pb2, collections_pb2, files_pb2, lists_pb2, search_pb2
from arcus.v1 import responses_pb2 as pb
from google.protobuf.struct_pb2 import Struct

from tests.acceptance.rpc_front import RpcFront, asks, chats, open_front


@pytest.fixture
async def front(tmp_path):
    async with open_front(tmp_path) as front:
        yield front


def struct(value: Any) -> Struct:
    made = Struct()
    made.update(value)
    return made


NAN, INFINITY = struct({"a": [float("nan")]}), struct({"a": float("-inf")})
NULL = "a\0"
# (service, method, request, the field that must be named)
BAD: list[tuple[str, str, Any, str]] = [
    ("responses", "Create", asks("why?", metadata=NAN), "metadata"),
    ("responses", "Create", asks("why?", metadata=INFINITY), "metadata"),
    ("responses", "Create", asks("why?", tools=[pb.Tool(name="f", parameters=NAN)]), "parameters"),
    ("chat", "Create", chats("why?", metadata=NAN), "metadata"),
    ("files", "Update", files_pb2.UpdateFileRequest(file_id="f", metadata=NAN), "metadata"),
    ("responses", "Create", asks(NULL), "messages"),
    ("responses", "Create", asks("why?", script=NULL), "instructions"),
    ("responses", "Create", asks("why?", NULL), "knowledge_base"),
    ("responses", "Create", asks("why?", metadata=struct({NULL: 1})), "metadata"),
    ("responses", "Create", asks("why?", include=["x", NULL]), "include"),
    ("responses", "Create", asks("why?", temperature=0.5, user=NULL), "user"),
    ("responses", "Get", pb.GetResponseRequest(response_id=NULL), "response_id"),
    ("chat", "Create", chats(NULL), "messages"),
    ("chat", "List", chat_pb2.ListChatCompletionsRequest(after=NULL), "after"),
    ("search", "Search", search_pb2.SearchRequest(scope="segment", query=NULL, collections=["c"]), "query"),
    ("collections", "Create", collections_pb2.CreateCollectionRequest(name=NULL), "name"),
    ("files", "List", files_pb2.ListFilesRequest(page=lists_pb2.Page(order=NULL)), "page"),
]


async def test_what_nothing_keeps_is_refused_by_its_field(front: RpcFront):
    for service, method, request, field in BAD:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await getattr(front.client, service)(method, request)
        found = (caught.value.code(), (caught.value.details() or "").split()[0])
        assert found == (grpc.StatusCode.INVALID_ARGUMENT, field), (service, method, caught.value.details())
