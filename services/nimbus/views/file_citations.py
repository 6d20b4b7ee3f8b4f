"""Responses and their events as clients read them that are not Cloudglue's: citations are OpenAI's `file_citation`.

Clients such as the Vercel AI SDK refuse a whole answer for an annotation whose type they don't know. What a citation says
beside a file's id and name (its segment, times and words) stays with it.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def with_file_citations(value: Json) -> Json:
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
        changed["response"] = with_file_citations(value["response"])
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
    return item if item["type"] != "message" else {**item, "content": [_part(part) for part in item["content"]]}


def _part(part: Json) -> Json:
    if not part.get("annotations"):
        return part
    return {**part, "annotations": [file_citation(annotation) for annotation in part["annotations"]]}
