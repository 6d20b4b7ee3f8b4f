"""Responses and their events as clients read them that are not Cloudglue's: in types that OpenAI has.

Clients such as the Vercel AI SDK refuse a whole answer for an annotation or an item whose type they don't know. So citations
are `file_citation`, and a query that the answer rests on is an item of `reasoning` whose summary is the query. What they
say beside (segment, times and words; rows and errors) stays with them.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def in_openai_form(value: Json) -> Json:
    """A response, or an event of one; what is given stays as it is."""
    if "delta" in value:  # nearly all events are, thousands a second
        return value
    changed: Json = {}
    if "annotation" in value:
        changed["annotation"] = file_citation(value["annotation"])
    if "part" in value:
        changed["part"] = _part(value["part"])
    if "item" in value:
        changed["item"] = _item(value["item"])
    if "response" in value:
        changed["response"] = in_openai_form(value["response"])
    if value.get("output"):
        changed["output"] = [_item(item) for item in value["output"]]
    return {**value, **changed} if changed else value


def file_citation(annotation: Json) -> Json:
    """`index`: where in the text its mark stands. Responses that an earlier version kept tell neither index nor name."""
    return {
        "index": 0,
        **annotation,
        "type": "file_citation",
        "filename": annotation.get("filename") or annotation["file_id"],
    }


def _item(item: Json) -> Json:
    match item["type"]:
        case "message":
            return {**item, "content": [_part(part) for part in item["content"]]}
        case "cloudglue_query_call":
            summary = [{"type": "summary_text", "text": item["sql"]}]
            status = "completed" if item["status"] == "completed" else "incomplete"
            return {**item, "type": "reasoning", "status": status, "summary": summary}
    return item


def _part(part: Json) -> Json:
    if not part.get("annotations"):
        return part
    return {**part, "annotations": [file_citation(annotation) for annotation in part["annotations"]]}
