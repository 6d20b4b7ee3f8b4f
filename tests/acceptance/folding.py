"""A response put together from its events alone, as any client can do it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
END_FIELDS = ("status", "usage", "incomplete_details", "completed_at")


def fold(events: list[Json]) -> Json:
    """Checks on the way that the events fit each other. They are all of them, from the first."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[0]["type"] == "response.created"
    body, items = dict(events[0]["response"]), {}
    for event in events[1:]:
        index = event.get("output_index")
        match event["type"]:
            case "response.output_item.added":
                items[index] = dict(event["item"])
            case "response.content_part.added":
                items[index]["content"] = [dict(event["part"])]
            case "response.output_text.delta":
                items[index]["content"][0]["text"] += event["delta"]
            case "response.output_text.annotation.added":
                part = items[index]["content"][0]
                assert event["annotation_index"] == len(part["annotations"])
                part["annotations"] = [*part["annotations"], event["annotation"]]
            case "response.function_call_arguments.delta":
                items[index]["arguments"] += event["delta"]
            case "response.output_text.done":
                assert event["text"] == items[index]["content"][0]["text"]
            case "response.function_call_arguments.done":
                assert event["arguments"] == items[index]["arguments"]
            case "response.output_item.done":
                items[index]["status"] = event["item"]["status"]
                assert event["item"] == items[index]
            case "error":
                body |= {"status": "failed", "error": event["error"]}
            case "response.completed" | "response.cancelled":
                body |= {name: event["response"][name] for name in END_FIELDS if name in event["response"]}
    output = [items[index] for index in sorted(items)]
    if body["status"] != "completed":
        output = [item | {"status": "incomplete"} if item["status"] == "in_progress" else item for item in output]
        output = [item for item in output if item["type"] != "message" or item["content"][0]["text"]]
    body |= {"output": output}
    assert events[-1].get("response", body) == body
    return body
