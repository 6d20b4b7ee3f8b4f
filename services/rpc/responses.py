"""ResponseService."""

from __future__ import annotations

from typing import Any

from arcus.v1 import responses_pb2 as pb
from arcus.v1 import responses_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from grpc.aio import ServicerContext as Context

from services.nimbus.answers.conversation import part_text
from services.nimbus.backend import Backend
from services.nimbus.requests.input_items import input_items, items_page
from services.nimbus.requests.options import LABELS
from services.nimbus.requests.responses import ROLES as READ_AS
from services.nimbus.requests.responses import ResponseRequest, parse_request
from services.rpc.events import RESPONSE_STATUS_NAMES, event_message, response_message
from services.rpc.gate import tenant
from services.rpc.values import SORTS, filter_json, optional, page_of, paged, range_of, struct_json
from services.rpc.writing import STALLED_SECONDS, write_all

ROLES = {
    pb.ROLE_UNSPECIFIED: "user",
    pb.ROLE_DEVELOPER: "developer",
    pb.ROLE_USER: "user",
    pb.ROLE_ASSISTANT: "assistant",
}
INPUT_ITEMS = 20  # of a page that names no limit, as over HTTP
SOURCES = {
    pb.KNOWLEDGE_SOURCE_COLLECTIONS: "collections",
    pb.KNOWLEDGE_SOURCE_FILES: "files",
    pb.KNOWLEDGE_SOURCE_DEFAULT: "default",
}


class ResponseService(responses_pb2_grpc.ResponseServiceServicer):
    def __init__(self, backend: Backend, *, stalled_seconds: float = STALLED_SECONDS) -> None:
        self._backend = backend
        self._stalled_seconds = stalled_seconds

    async def Create(self, request: pb.CreateResponseRequest, _context: Context) -> pb.Response:
        return response_message(await self._backend.answers.create(tenant(), asked(request)))

    async def Stream(self, request: pb.CreateResponseRequest, context: Context) -> None:
        events = await self._backend.answers.stream(tenant(), asked(request))
        await write_all(events, event_message, context, stalled_seconds=self._stalled_seconds)

    async def Follow(self, request: pb.FollowResponseRequest, context: Context) -> None:
        after = request.starting_after if request.HasField("starting_after") else -1
        events = await self._backend.answers.follow(tenant(), request.response_id, after)
        await write_all(events, event_message, context, stalled_seconds=self._stalled_seconds)

    async def Cancel(self, request: pb.CancelResponseRequest, _context: Context) -> pb.Response:
        return response_message(await self._backend.answers.cancel(tenant(), request.response_id))

    async def Get(self, request: pb.GetResponseRequest, _context: Context) -> pb.Response:
        return response_message((await self._backend.responses.get(tenant(), request.response_id)).body)

    async def List(self, request: pb.ListResponsesRequest, _context: Context) -> pb.ListResponsesResponse:
        listing = await self._backend.responses.list(
            tenant(),
            page_of(request.page),
            status=RESPONSE_STATUS_NAMES.get(request.status),
            created=range_of(request.created),
        )
        bodies = [{**item.body, "output": [], "error": None} for item in listing.items]
        return pb.ListResponsesResponse(responses=[response_message(body) for body in bodies], **paged(listing))

    async def ListInputItems(self, request: pb.ListInputItemsRequest, _context: Context) -> pb.ListInputItemsResponse:
        kept = await self._backend.responses.get(tenant(), request.response_id)
        items, has_more = items_page(
            input_items(kept.id, kept.request["input"]),
            limit=request.limit or INPUT_ITEMS,
            after=request.after,
            order=SORTS.get(request.sort) or "desc",
        )
        return pb.ListInputItemsResponse(items=[_input_item(item) for item in items], has_more=has_more)

    async def Delete(self, request: pb.DeleteResponseRequest, _context: Context) -> Empty:
        await self._backend.responses.delete(tenant(), request.response_id)
        return Empty()


def asked(request: pb.CreateResponseRequest) -> ResponseRequest:
    """The request in the HTTP API's form, read by the same rules. Raises INVALID_ARGUMENT naming the field."""
    body: dict[str, Any] = {
        "model": request.model,
        "input": [_item(item) for item in request.messages],
        "instructions": optional(request, "instructions"),
        "temperature": optional(request, "temperature"),
        "max_output_tokens": optional(request, "max_output_tokens"),
        "include": list(request.include),
        "metadata": struct_json(request, "metadata"),
        "store": optional(request, "store"),
        "background": request.background,
        "previous_response_id": request.previous_response_id or None,
        **options_json(request),
        "text": {"verbosity": request.verbosity or None, "format": format_json(request)},
    }
    if request.HasField("knowledge_base"):
        body["knowledge_base"] = _knowledge_base(request.knowledge_base)
    return parse_request(body)


def _item(item: pb.InputMessage) -> dict[str, Any]:
    if item.item_reference:
        return {"type": "item_reference", "id": item.item_reference}
    for kind in ("function_call", "function_call_output"):
        if item.HasField(kind):
            return {"type": kind} | MessageToDict(getattr(item, kind), preserving_proto_field_name=True)
    return {"role": ROLES.get(item.role, ""), "content": item.text}


def _input_item(item: dict[str, Any]) -> pb.InputItem:
    told = pb.InputItem(id=item["id"], type=item["type"])
    match item["type"]:
        case "message":
            role = next(number for number, name in ROLES.items() if number and name == READ_AS[item["role"]])
            told.message.CopyFrom(pb.InputMessage(role=role, text=_text(item["content"])))
        case "function_call":
            call = pb.FunctionCall(**{name: item[name] for name in ("call_id", "name", "arguments")})
            told.message.CopyFrom(pb.InputMessage(function_call=call))
        case "function_call_output":
            output = pb.FunctionCallOutput(call_id=item["call_id"], output=_text(item["output"]))
            told.message.CopyFrom(pb.InputMessage(function_call_output=output))
    return told


def _text(value: str | list[dict[str, Any]]) -> str:
    if isinstance(value, str):
        return value
    return "\n".join(map(part_text, value))


def options_json(request: Any) -> dict[str, Any]:
    """What requests for responses and for chat completions have in common."""
    return {
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request),
        **{name: optional(request, name) for name in ("top_p", "parallel_tool_calls", "max_tool_calls")},
        **{name: getattr(request, name) or None for name in ("truncation", *LABELS)},
    }


def format_json(request: Any) -> dict[str, Any] | None:
    """The form of the answer, as the HTTP API's responses have it."""
    if not request.HasField("text_format"):
        return None
    given = request.text_format
    return {
        "type": given.type,
        "name": given.name,
        "description": given.description or None,
        "schema": struct_json(given, "schema"),
        "strict": optional(given, "strict"),
    }


def _tool(tool: pb.Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": struct_json(tool, "parameters"),
        "strict": optional(tool, "strict"),
    }


def _tool_choice(request: Any) -> str | dict[str, Any] | None:
    if request.allowed_tools:
        tools = [{"type": "function", "name": name} for name in request.allowed_tools]
        return {"type": "allowed_tools", "mode": request.tool_choice or "auto", "tools": tools}
    return _named_choice(request.tool_choice)


def _named_choice(value: str) -> str | dict[str, str] | None:
    if value in ("", "auto", "none", "required"):
        return value or None
    return {"type": "function", "name": value}


def _knowledge_base(message: pb.KnowledgeBase) -> dict[str, Any]:
    given = "collections" if message.collections else "files" if message.files else "default"
    value: dict[str, Any] = {"source": SOURCES.get(message.source, given)}
    if message.collections:
        value["collections"] = list(message.collections)
    if message.files:
        value["files"] = list(message.files)
    if message.HasField("filter"):
        value["filter"] = filter_json(message.filter)
    if message.HasField("entity_backed_knowledge"):
        value |= {
            "source": "collections",
            "type": "entity_backed_knowledge",
            "entity_backed_knowledge_config": {
                "description": message.entity_backed_knowledge.description,
                "entity_collections": [
                    {
                        "collection_id": item.collection_id,
                        "name": item.name or None,
                        "description": item.description or None,
                    }
                    for item in message.entity_backed_knowledge.entity_collections
                ],
            },
        }
    return value
