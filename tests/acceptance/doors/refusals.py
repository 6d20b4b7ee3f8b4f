"""The table of requests that are refused: at every door with the same status and the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.acceptance.doors.door import Json
from tests.acceptance.doors.stage import Stage

TOOL = {"type": "function", "name": "weather"}


def unknown(at: Stage) -> str:
    """An id that nobody has."""
    return at.collection_id[:-4] + "0000"


def _base(at: Stage, **more: Any) -> Json:
    return {"knowledge_base": {"collections": [at.collection_id], **more}}


# What is wrong with a request about the collection, the status that says so, and a word of the message.
REFUSALS: dict[str, tuple[Callable[[Stage], Json], int, str]] = {
    "another model": (lambda at: {"model": "gpt-4"}, 400, "model"),
    "no question": (lambda at: {"input": " "}, 400, "input"),
    "too warm": (lambda at: {"temperature": 3}, 400, "temperature"),
    "too long": (lambda at: {"max_output_tokens": 200_000}, 400, "max_output_tokens"),
    "an unknown inclusion": (lambda at: {"include": ["cloudglue_citations.all"]}, 400, "include"),
    "in the background but not stored": (lambda at: {"background": True, "store": False}, 400, "store"),
    "a function that is not offered": (
        lambda at: {"tools": [TOOL], "tool_choice": {"type": "function", "name": "other"}},
        400,
        "tool_choice",
    ),
    "an unknown operator": (
        lambda at: _base(at, filter={"file": [{"path": "id", "operator": "Near", "valueText": "x"}]}),
        400,
        "operator",
    ),
    "no collection": (lambda at: {"knowledge_base": {"collections": []}}, 400, "knowledge_base"),
    "an unknown collection": (lambda at: {"knowledge_base": {"collections": [unknown(at)]}}, 404, "ollection"),
    "another tenant's collection": (
        lambda at: {"knowledge_base": {"collections": [at.collection_id, at.foreign_collection_id]}},
        404,
        "ollection",
    ),
    "no file": (lambda at: {"knowledge_base": {"source": "files", "files": []}}, 400, "knowledge_base.files"),
    "entities without their configuration": (
        lambda at: {
            "model": "nimbus-002-preview",
            **_base(at, type="entity_backed_knowledge", entity_backed_knowledge_config={"entity_collections": []}),
        },
        400,
        "entity_collections",
    ),
    "a filter without an operator": (lambda at: _base(at, filter={"metadata": [{"path": "a"}]}), 400, "operator"),
    "a URL that was fetched by nobody": (
        lambda at: {"knowledge_base": {"source": "files", "files": ["https://example.com/a.mp4"]}},
        404,
        "does not fetch URLs: upload the file",
    ),
    "another tenant's file": (
        lambda at: {"knowledge_base": {"source": "files", "files": [f"cloudglue://files/{at.foreign_file_id}"]}},
        404,
        "File not found",
    ),
    "entities of the wrong collection": (
        lambda at: {
            "model": "nimbus-002-preview",
            **_base(
                at,
                type="entity_backed_knowledge",
                entity_backed_knowledge_config={"entity_collections": [{"collection_id": at.collection_id}]},
            ),
        },
        400,
        "is of type media-descriptions, not entities",
    ),
    "an unknown file": (lambda at: {"knowledge_base": {"source": "files", "files": [unknown(at)]}}, 404, "ile"),
    "an unknown response before it": (lambda at: {"previous_response_id": unknown(at)}, 404, "esponse"),
    "another tenant's response before it": (
        lambda at: {"previous_response_id": at.foreign_response_id},
        404,
        "esponse",
    ),
}

# What is asked of an id, and the status that says it is not there.
UNKNOWN: dict[str, tuple[Callable[[Stage, str], Any], int]] = {
    "get": (lambda at, id: at.door.get(id), 404),
    "follow": (lambda at, id: at.followed(id), 404),
    "follow from a number on": (lambda at, id: at.followed(id, 3), 404),
    "cancel": (lambda at, id: at.door.cancel(id), 404),
    "get a search": (lambda at, id: at.door.get_search(id), 404),
    "get a chat": (lambda at, id: at.door.get_chat(id), 404),
}

# What is wrong with a chat about the collection.
CHATS: dict[str, tuple[Callable[[Stage], Json], int, str]] = {
    "another model": (lambda at: {"model": "gpt-4"}, 400, "model"),
    "no message": (lambda at: {"messages": []}, 400, "messages"),
    "no question": (lambda at: {"messages": [{"role": "user", "content": " "}]}, 400, "messages must end"),
    "no message of the user": (
        lambda at: {"messages": [{"role": "tool", "content": "24", "tool_call_id": "c"}]},
        400,
        "messages must hold",
    ),
    "too warm": (lambda at: {"temperature": 3}, 400, "temperature"),
    "two collections": (lambda at: {"collections": [at.collection_id] * 2}, 400, "exactly one"),
    "an unknown collection": (lambda at: {"collections": [unknown(at)]}, 404, "ollection"),
    "another tenant's collection": (lambda at: {"collections": [at.foreign_collection_id]}, 404, "ollection"),
    "a function that is not offered": (
        lambda at: {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
        400,
        "tool_choice",
    ),
    "an unknown operator": (
        lambda at: {"filter": {"file": [{"path": "id", "operator": "Near", "valueText": "x"}]}},
        400,
        "filter.file[0].operator",
    ),
    "an answer of no tokens": (lambda at: {"max_completion_tokens": 0}, 400, "max_completion_tokens"),
}

# What is wrong with a search of the collection.
SEARCHES: dict[str, tuple[Callable[[Stage], Json], int, str]] = {
    "no query": (lambda at: {"query": " "}, 400, "query"),
    "another scope": (lambda at: {"scope": "face"}, 400, "scope"),
    "an unknown collection": (lambda at: {"collections": [unknown(at)]}, 404, "ollection"),
    "another tenant's collection": (lambda at: {"collections": [at.foreign_collection_id]}, 404, "ollection"),
    "too many results": (lambda at: {"limit": 101}, 400, "limit"),
    "an unknown way": (lambda at: {"search_modalities": ["smell"]}, 400, "search_modalities"),
}
