"""The fields of a request that are kept with its response: those that are known, of what it holds too."""

from __future__ import annotations

from typing import Any

from services.core.search.filters import KINDS
from services.nimbus.requests.options import LABELS
from services.nimbus.requests.tools import TOOL_FIELDS


def _named(*names: str, **inner: Any) -> dict[str, Any]:
    return dict.fromkeys(names) | inner


_PARTS = [_named("type", "text", "refusal", "annotations")]
_ITEM = _named(
    *("type", "id", "role", "status", "phase", "name", "call_id", "arguments", "summary"),
    *("sql", "row_count", "total_rows", "truncated", "error"),
    content=_PARTS,
    output=_PARTS,
)
_CRITERION = _named("path", "operator", "valueText", "valueTextArray", "scope")
REQUEST = _named(
    *("model", "instructions", "temperature", "top_p", "max_output_tokens", "metadata", "store", "background"),
    *("previous_response_id", "truncation", "parallel_tool_calls", "max_tool_calls", *LABELS),
    input=[_ITEM],
    tools=[_named("type", *TOOL_FIELDS)],
    tool_choice=_named("type", "name", "mode", tools=[_named("type", "name")]),
    text=_named("verbosity", format=_named("type", "name", "description", "schema", "strict")),
    knowledge_base=_named(
        *("type", "source", "collections", "files"),
        filter={kind: [_CRITERION] for kind in KINDS},
        entity_backed_knowledge_config=_named(
            "description", entity_collections=[_named("collection_id", "name", "description")]
        ),
    ),
)


def known(value: Any, fields: Any = REQUEST) -> Any:
    """`fields`: those of an object by name, or of each element of an array; None for what is kept as it is."""
    if isinstance(fields, dict) and isinstance(value, dict):
        return {name: known(value[name], inner) for name, inner in fields.items() if name in value}
    if isinstance(fields, list) and isinstance(value, list):
        return [known(item, fields[0]) for item in value]
    return value
