"""ChatService."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from arcus.v1 import chat_pb2 as pb
from arcus.v1 import chat_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc.aio import ServicerContext as Context

from services.core.errors import invalid
from services.nimbus.backend import Backend
from services.nimbus.requests.chats import ChatRequest, parse_chat
from services.rpc.gate import tenant
from services.rpc.responses import format_json, options_json
from services.rpc.values import filter_json, optional, page_of, paged, range_of, struct_json
from services.rpc.writing import write_all


class ChatService(chat_pb2_grpc.ChatServiceServicer):
    def __init__(self, backend: Backend) -> None:
        self._completions = backend.chat_completions

    async def Create(self, request: pb.CreateChatCompletionRequest, _context: Context) -> pb.ChatCompletion:
        return _completion(await self._completions.create(tenant(), asked(request)))

    async def Stream(self, request: pb.CreateChatCompletionRequest, context: Context) -> None:
        await write_all(await self._completions.stream(tenant(), asked(request)), _chunk, context)

    async def Get(self, request: pb.GetChatCompletionRequest, _context: Context) -> pb.ChatCompletion:
        return _completion(await self._completions.get(tenant(), request.chat_id))

    async def List(self, request: pb.ListChatCompletionsRequest, _context: Context) -> pb.ListChatCompletionsResponse:
        page = page_of(request.page)
        if request.after:
            if page.after:
                raise invalid("after: give that of the page or that beside it, not both", field="after")
            page = replace(page, after=request.after)
        listing = await self._completions.list(tenant(), page, created=range_of(request.created))
        completions = [_completion(body) for body in listing.items]
        return pb.ListChatCompletionsResponse(completions=completions, **paged(listing))

    async def Delete(self, request: pb.DeleteChatCompletionRequest, _context: Context) -> Empty:
        await self._completions.delete(tenant(), request.chat_id)
        return Empty()


def asked(request: pb.CreateChatCompletionRequest) -> ChatRequest:
    """The request in the HTTP API's form, read by the same rules. Raises INVALID_ARGUMENT naming the field."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(item) for item in request.messages],
        "collections": list(request.collections) or None,
        "temperature": optional(request, "temperature"),
        "max_completion_tokens": optional(request, "max_completion_tokens"),
        **options_json(request),
        "verbosity": request.verbosity or None,
        "response_format": _format(request),
        "metadata": struct_json(request, "metadata"),
        "store": optional(request, "store"),
        "include_citations": optional(request, "include_citations"),
        "stream_options": {"include_usage": request.include_usage},
    }
    if request.HasField("filter"):
        body["filter"] = filter_json(request.filter)
    return parse_chat(body)


def _format(request: pb.CreateChatCompletionRequest) -> dict[str, Any] | None:
    given = format_json(request)
    return given and {"type": given["type"], "json_schema": given}


def _message(item: pb.ChatMessage) -> dict[str, Any]:
    return {"content": item.content} | MessageToDict(item, preserving_proto_field_name=True)


def _completion(body: dict[str, Any]) -> pb.ChatCompletion:
    return ParseDict({**body, **body["choices"][0]}, pb.ChatCompletion(), ignore_unknown_fields=True)


def _chunk(chunk: dict[str, Any]) -> pb.ChatCompletionChunk:
    """Nearly all chunks are pieces of text, thousands a second: those take the short way."""
    choice = chunk["choices"][0] if chunk.get("choices") else {}
    if (text := choice.get("delta", {}).get("content")) and "role" not in choice["delta"]:
        return pb.ChatCompletionChunk(
            id=chunk["id"], created=chunk["created"], model=chunk["model"], delta=pb.ChatMessage(content=text)
        )
    return ParseDict({**chunk, **choice}, pb.ChatCompletionChunk(), ignore_unknown_fields=True)
