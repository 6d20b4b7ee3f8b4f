"""gRPC arcus.v1 through its generated stubs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from arcus.v1 import chat_pb2, chat_pb2_grpc, lists_pb2, responses_pb2_grpc, search_pb2, search_pb2_grpc
from arcus.v1 import responses_pb2 as pb
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from services.core.errors import WIRE, Reason
from tests.acceptance.doors.door import (
    CITATION_FIELDS,
    EVENT_FIELDS,
    RICH,
    Json,
    Refused,
    told_chat,
    told_chats,
    told_chunk,
    told_event,
    told_list,
    told_response,
    told_search,
)

ROLES = {"developer": pb.ROLE_DEVELOPER, "user": pb.ROLE_USER, "assistant": pb.ROLE_ASSISTANT}
PLAIN = ("model", "instructions", "temperature", "max_output_tokens", "include", "store", "background")
CHAT_PLAIN = ("model", "collections", "temperature", "max_completion_tokens", "store")
STATUS = "RESPONSE_STATUS_"


class GrpcDoor:
    name = "grpc"

    def __init__(self, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._channel = channel
        self._responses = responses_pb2_grpc.ResponseServiceStub(channel)
        self._chats = chat_pb2_grpc.ChatServiceStub(channel)
        self._search = search_pb2_grpc.SearchServiceStub(channel)
        self._options = {"metadata": metadata, "timeout": 60}

    def ask(self, request: Json) -> Json:
        return told_response(response_json(self._call(self._responses.Create, request_message(request))))

    def stream(self, request: Json) -> Any:
        return self._events(self._responses.Stream(request_message(request), **self._options))

    def follow(self, response_id: str, starting_after: int | None = None) -> Any:
        asked = pb.FollowResponseRequest(response_id=response_id, starting_after=starting_after)
        return self._events(self._responses.Follow(asked, **self._options))

    def get(self, response_id: str) -> Json:
        asked = pb.GetResponseRequest(response_id=response_id)
        return told_response(response_json(self._call(self._responses.Get, asked)))

    def list(self, *, status: str = "unspecified", limit: int = 0, offset: int = 0) -> Json:
        wanted = pb.ResponseStatus.Value(STATUS + status.upper())
        page = lists_pb2.Page(limit=limit, offset=offset)
        found = self._call(self._responses.List, pb.ListResponsesRequest(page=page, status=wanted))
        return told_list({"data": [response_json(item) for item in found.responses], "total": found.total})

    def cancel(self, response_id: str) -> Json:
        asked = pb.CancelResponseRequest(response_id=response_id)
        return told_response(response_json(self._call(self._responses.Cancel, asked)))

    def delete(self, response_id: str) -> None:
        self._call(self._responses.Delete, pb.DeleteResponseRequest(response_id=response_id))

    def chat(self, request: Json) -> Json:
        return told_chat(chat_json(self._call(self._chats.Create, chat_message(request))))

    def stream_chat(self, request: Json) -> Any:
        return self._events(
            self._chats.Stream(chat_message(request), **self._options), lambda item: told_chunk(chunk_json(item))
        )

    def get_chat(self, chat_id: str) -> Json:
        return told_chat(chat_json(self._call(self._chats.Get, chat_pb2.GetChatCompletionRequest(chat_id=chat_id))))

    def list_chats(self, *, limit: int = 0, offset: int = 0) -> Json:
        asked = chat_pb2.ListChatCompletionsRequest(page=lists_pb2.Page(limit=limit, offset=offset))
        found = self._call(self._chats.List, asked)
        return told_chats({"data": [chat_json(item) for item in found.completions], "total": found.total})

    def delete_chat(self, chat_id: str) -> None:
        self._call(self._chats.Delete, chat_pb2.DeleteChatCompletionRequest(chat_id=chat_id))

    def search(self, request: Json) -> Json:
        rest = {name: value for name, value in request.items() if name != "filter"}
        asked = search_pb2.SearchRequest(**rest, filter=filter_message(request.get("filter")))
        return told_search(search_json(self._call(self._search.Search, asked)))

    def get_search(self, search_id: str) -> Json:
        asked = search_pb2.GetSearchRequest(search_id=search_id)
        return told_search(search_json(self._call(self._search.Get, asked)))

    def list_searches(self) -> Json:
        found = self._call(self._search.List, search_pb2.ListSearchesRequest())
        return {"data": [item.id for item in found.searches], "total": found.total}

    def close(self) -> None:
        self._channel.close()

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, **self._options)
        except grpc.RpcError as error:
            raise refusal(error) from error

    @contextmanager
    def _events(
        self, call: Any, tell: Callable[[Any], Json] = lambda message: told_event(event_json(message))
    ) -> Iterator[Iterator[Json]]:
        def events() -> Iterator[Json]:
            try:
                for message in call:
                    yield tell(message)
            except grpc.RpcError as error:
                raise refusal(error) from error

        try:
            yield events()
        finally:
            call.cancel()


def refusal(error: Any) -> Refused:
    """The reason in the status' details, as HTTP tells it."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    wire = WIRE[Reason(info.reason)]
    assert error.code() is grpc.StatusCode[wire.grpc]
    return Refused(wire.http, error.details())


def request_message(request: Json) -> pb.CreateResponseRequest:
    asked = request["input"]
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    choice = request.get("tool_choice", "")
    return pb.CreateResponseRequest(
        **{name: request[name] for name in PLAIN if name in request},
        messages=[_input(item) for item in items],
        knowledge_base=_knowledge_base(request.get("knowledge_base")),
        metadata=_struct(request.get("metadata")),
        previous_response_id=request.get("previous_response_id"),
        tools=[
            pb.Tool(**{**_without(tool, "type"), "parameters": _struct(tool.get("parameters"))})
            for tool in request.get("tools", ())
        ],
        tool_choice=choice if isinstance(choice, str) else choice["name"],
    )


def _input(item: Json) -> pb.InputMessage:
    match item.get("type", "message"):
        case "function_call":
            return pb.InputMessage(function_call=pb.FunctionCall(**_without(item, "type", "id", "status")))
        case "function_call_output":
            return pb.InputMessage(function_call_output=pb.FunctionCallOutput(**_without(item, "type")))
    return pb.InputMessage(role=ROLES[item["role"]], text=item["content"])


def _knowledge_base(base: Json | None) -> pb.KnowledgeBase | None:
    if base is None:
        return None
    message = pb.KnowledgeBase(
        source=f"KNOWLEDGE_SOURCE_{base.get('source', 'collections').upper()}",  # type: ignore[arg-type]
        collections=base.get("collections"),
        files=base.get("files"),
        filter=filter_message(base.get("filter")),
    )
    if "entity_backed_knowledge_config" in base:
        config = base["entity_backed_knowledge_config"]
        named = [pb.EntityCollection(**item) for item in config["entity_collections"]]
        message.entity_backed_knowledge.CopyFrom(
            pb.EntityBackedKnowledge(entity_collections=named, description=config.get("description"))
        )
    return message


def filter_message(filter: Json | None) -> lists_pb2.SearchFilter | None:
    if filter is None:
        return None
    names = {"valueText": "value_text", "valueTextArray": "value_text_array"}
    return lists_pb2.SearchFilter(
        **{
            kind: [
                lists_pb2.Criterion(**{names.get(name, name): value for name, value in item.items()}) for item in items
            ]
            for kind, items in filter.items()
        }
    )


def response_json(message: pb.Response) -> Json:
    return {
        "id": message.id,
        "status": pb.ResponseStatus.Name(message.status).removeprefix(STATUS).lower(),
        "created_at": message.created_at,
        "completed_at": message.completed_at or None,
        "model": message.model,
        "instructions": message.instructions,
        "output": [_item(item) for item in message.output],
        "usage": {name: getattr(message.usage, name) for name in ("input_tokens", "output_tokens", "total_tokens")}
        if message.HasField("usage")
        else None,
        "error": _error(message.error) if message.HasField("error") else None,
        "incomplete_details": {"reason": message.incomplete_reason} if message.incomplete_reason else None,
        "metadata": MessageToDict(message.metadata),
        "previous_response_id": message.previous_response_id,
        "background": message.background,
    }


def event_json(message: pb.ResponseEvent) -> Json:
    tell = {
        "response": response_json,
        "item": _item,
        "part": _part,
        "annotation": _citation,
        "error": _error,
    }
    names = ("type", "sequence_number", *EVENT_FIELDS[message.type])
    return {name: tell.get(name, lambda value: value)(getattr(message, name)) for name in names}


def chat_message(request: Json) -> chat_pb2.CreateChatCompletionRequest:
    choice = request.get("tool_choice", "")
    return chat_pb2.CreateChatCompletionRequest(
        **{name: request[name] for name in CHAT_PLAIN if name in request},
        messages=[ParseDict(message, chat_pb2.ChatMessage()) for message in request["messages"]],
        filter=filter_message(request.get("filter")),
        tools=[pb.Tool(name=tool["function"]["name"], parameters=Struct()) for tool in request.get("tools", ())],
        tool_choice=choice if isinstance(choice, str) else choice["function"]["name"],
        metadata=_struct(request.get("metadata")),
        include_usage=request.get("stream_options", {}).get("include_usage"),
    )


def chat_json(message: chat_pb2.ChatCompletion) -> Json:
    body = _chat_dict(message)
    choice = {name: body[name] for name in ("message", "finish_reason", "citations")}
    return {**body, "choices": [choice], "created_at": message.created_at}


def chunk_json(message: chat_pb2.ChatCompletionChunk) -> Json:
    body = _chat_dict(message)
    return {**body, "choices": [] if "usage" in body else [body]}


def _chat_dict(message: Any) -> Json:
    """Counts as numbers, though they are of 64 bits; a filter's values by their names in JSON."""
    body = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    if "usage" in body:
        body["usage"] = {name: int(count) for name, count in body["usage"].items()}
    for item in (criterion for items in body.get("payload", {}).get("filter", {}).values() for criterion in items):
        item.update(valueText=item.get("value_text"), valueTextArray=item.get("value_text_array"))
    return body


def search_json(message: search_pb2.SearchResponse) -> Json:
    names = ("id", "query", "scope", "group_by_key", "total", "limit")
    results = []
    for result in message.results:
        kind = result.WhichOneof("result")
        found = MessageToDict(
            getattr(result, kind), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        results.append({"type": kind, **found})
        if kind == "segment_group":
            for item in results[-1]["matched_items"]:
                item["type"] = "segment"
    return {
        **{name: getattr(message, name) for name in names},
        "search_modalities": list(message.search_modalities),
        "results": results,
    }


def _item(message: pb.OutputItem) -> Json:
    item: Json = {"type": message.type, "id": message.id, "status": message.status}
    match message.type:
        case "message":
            return item | {"role": message.role, "content": [_part(part) for part in message.content]}
        case "function_call":
            call = message.function_call
            return item | {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}
    call = message.query_call
    return item | {
        "sql": call.sql,
        "row_count": call.row_count,
        "total_rows": call.total_rows if call.HasField("total_rows") else None,
        "truncated": call.truncated,
        "error": call.error or None,
    }


def _error(message: pb.ResponseError) -> Json:
    return MessageToDict(message) | {"param": None}  # once a response has begun, no field is to blame


def _part(message: pb.ContentPart) -> Json:
    return {
        "type": message.type,
        "text": message.text,
        "annotations": [_citation(item) for item in message.annotations],
    }


def _citation(message: pb.Citation) -> Json:
    return {name: getattr(message, name) for name in ("collection_id", *CITATION_FIELDS, *RICH)}


def _struct(value: Json | None) -> Struct | None:
    if value is None:
        return None
    struct = Struct()
    struct.update(value)
    return struct


def _without(value: Json, *names: str) -> Json:
    return {name: item for name, item in value.items() if name not in names}
