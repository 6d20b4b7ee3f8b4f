"""Events and responses as messages."""

from __future__ import annotations

from typing import Any

from arcus.v1 import responses_pb2 as pb

from services.nimbus.requests.options import LABELS
from services.rpc.values import struct_of

DELTA = "response.output_text.delta"
RESPONSE_STATUSES = {
    name: pb.ResponseStatus.Value(f"RESPONSE_STATUS_{name.upper()}")
    for name in ("in_progress", "completed", "failed", "cancelled")
}
RESPONSE_STATUS_NAMES = {value: name for name, value in RESPONSE_STATUSES.items()}
PLAIN = (
    *("type", "sequence_number", "item_id", "output_index", "content_index"),
    *("delta", "text", "arguments", "annotation_index"),
)
USED = (
    *("completed_at", "store", "temperature", "top_p", "max_output_tokens", "parallel_tool_calls", "max_tool_calls"),
    *("truncation", *LABELS),
)
FUNCTION_CALL = ("call_id", "name", "arguments")
QUERY_CALL = ("sql", "row_count", "total_rows", "truncated", "error")
CITATION_TEXTS = ("relevant_sources", "visual_scene_description", "scene_text", "speech", "audio_description")


def event_message(event: dict[str, Any]) -> pb.ResponseEvent:
    """Nearly all events are deltas, thousands a second: those take the short way."""
    if event["type"] == DELTA:
        return pb.ResponseEvent(
            type=DELTA,
            sequence_number=event["sequence_number"],
            item_id=event["item_id"],
            output_index=event["output_index"],
            content_index=event["content_index"],
            delta=event["delta"],
        )
    fields: dict[str, Any] = {name: event[name] for name in PLAIN if name in event}
    if "refusal" in event:
        fields["text"] = event["refusal"]
    if "annotation" in event:
        fields["annotation"] = _citation(event["annotation"])
    if "part" in event:
        fields["part"] = _part(event["part"])
    if "item" in event:
        fields["item"] = _item(event["item"])
    if "response" in event:
        fields["response"] = response_message(event["response"])
    if event.get("error"):
        fields["error"] = _error(event["error"])
    return pb.ResponseEvent(**fields)


def response_message(body: dict[str, Any]) -> pb.Response:
    usage, incomplete = body.get("usage"), body.get("incomplete_details")
    return pb.Response(
        id=body["id"],
        status=RESPONSE_STATUSES[body["status"]],
        created_at=body["created_at"],
        model=body["model"],
        instructions=body.get("instructions") or "",
        output=[_item(item) for item in body.get("output") or ()],
        usage=pb.Usage(**{name: usage[name] for name in ("input_tokens", "output_tokens", "total_tokens")})
        if usage
        else None,
        error=_error(body["error"]) if body.get("error") else None,
        incomplete_reason=incomplete["reason"] if incomplete else "",
        metadata=struct_of(body.get("metadata") or {}),
        previous_response_id=body.get("previous_response_id") or "",
        background=body.get("background") or False,
        **_asked(body),
    )


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    """What was asked for and used; responses that an earlier version kept may lack some of it."""
    choice = body.get("tool_choice") or ""
    fields = {name: body[name] for name in USED if body.get(name) is not None}
    text = body.get("text") or {}
    fields["verbosity"] = text.get("verbosity", "")
    fields["text_format"] = _format(text.get("format") or {"type": "text"})
    fields["tools"] = [_tool(tool) for tool in body.get("tools") or ()]
    if isinstance(choice, dict) and choice["type"] == "allowed_tools":
        fields["allowed_tools"] = [tool["name"] for tool in choice["tools"]]
    fields["tool_choice"] = choice if isinstance(choice, str) else choice.get("mode") or choice["name"]
    return fields


def _format(told: dict[str, Any]) -> pb.TextFormat:
    if told["type"] != "json_schema":
        return pb.TextFormat(type=told["type"])
    return pb.TextFormat(
        type=told["type"],
        name=told["name"],
        description=told["description"] or "",
        schema=struct_of(told["schema"]),
        strict=told["strict"],
    )


def _tool(tool: dict[str, Any]) -> pb.Tool:
    parameters = tool.get("parameters")
    strict: dict[str, Any] = {} if tool.get("strict") is None else {"strict": tool["strict"]}
    return pb.Tool(
        name=tool["name"],
        description=tool.get("description") or "",
        parameters=struct_of(parameters) if parameters is not None else None,
        **strict,
    )


def _error(error: dict[str, Any]) -> pb.ResponseError:
    return pb.ResponseError(message=error["message"], type=error["type"], code=error["code"])


def _item(item: dict[str, Any]) -> pb.OutputItem:
    message = pb.OutputItem(type=item["type"], id=item["id"], status=item["status"])
    match item["type"]:
        case "message":
            message.role = item["role"]
            message.content.extend(_part(part) for part in item["content"])
        case "function_call":
            message.function_call.CopyFrom(pb.FunctionCall(**{name: item[name] for name in FUNCTION_CALL}))
        case "cloudglue_query_call":
            given = {name: item[name] for name in QUERY_CALL if item.get(name) is not None}
            message.query_call.CopyFrom(pb.QueryCall(**given))
    return message


def _part(part: dict[str, Any]) -> pb.ContentPart:
    if part["type"] == "refusal":
        return pb.ContentPart(type="refusal", text=part["refusal"])
    return pb.ContentPart(
        type=part["type"], text=part["text"], annotations=[_citation(item) for item in part["annotations"]]
    )


def _citation(citation: dict[str, Any]) -> pb.Citation:
    return pb.Citation(
        file_id=citation["file_id"],
        collection_id=citation.get("collection_id", ""),
        segment_id=citation["segment_id"],
        start_time=citation["start_time"],
        end_time=citation["end_time"],
        context=citation["context"],
        **{name: citation[name] for name in CITATION_TEXTS if name in citation},
    )
