"""A request to search: read from JSON, checked, with every problem named by its field."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from services.core.errors import invalid
from services.core.search.filters import SearchFilter
from services.core.store.pages import MAX_LIMIT

SCOPES = ("file", "segment")
MODALITIES = ("general_content", "speech_lexical", "ocr_lexical")
KNOWN_MODALITIES = (*MODALITIES, "tag_semantic", "tag_lexical", "doc_lexical")
DEFAULT_LIMIT = 10
MAX_COLLECTIONS = 100
MAX_QUERY_CHARACTERS = 10_000
# What the API knows for searches that this server does not offer.
ELSEWHERE = {
    "source_image": "source_image is for scope face, which this server does not offer; give a query",
    "criterion_name": "criterion_name is for scope moment, which this server does not offer; leave it out",
    "label_filters": "label_filters are for tags, which this server does not offer; leave them out",
}


@dataclass(frozen=True)
class SearchRequest:
    scope: Literal["file", "segment"]
    collections: tuple[str, ...]
    query: str
    limit: int = DEFAULT_LIMIT
    filter: SearchFilter | None = None
    threshold: float | None = None
    is_grouped: bool = False
    by_item_count: bool = False
    modalities: tuple[str, ...] = ("general_content",)

    def to_json(self) -> dict[str, Any]:
        """What a reply repeats of it."""
        value: dict[str, Any] = {
            "query": self.query,
            "scope": self.scope,
            "search_modalities": list(self.modalities),
            "limit": self.limit,
        }
        if self.is_grouped:
            value |= {"group_by_key": "file", "sort_by": "item_count" if self.by_item_count else "score"}
        return value


def parse_search(body: Any) -> SearchRequest:
    """Reads the body of POST /search. Raises INVALID_ARGUMENT naming the field. Unknown fields are ignored."""
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object")
    scope = body.get("scope")
    if scope in ("face", "moment"):
        raise invalid(f"scope {scope} is not offered by this server; use file or segment", field="scope")
    if scope not in SCOPES:
        raise invalid("scope must be file or segment", field="scope")
    for name, message in ELSEWHERE.items():
        if body.get(name):
            raise invalid(message, field=name)
    query = body.get("query")
    if not isinstance(query, str) or not query.strip() or len(query) > MAX_QUERY_CHARACTERS:
        raise invalid(f"query must be text of 1 to {MAX_QUERY_CHARACTERS} characters", field="query")
    if "\0" in query or any("\ud800" <= character <= "\udfff" for character in query):
        raise invalid("query must be valid Unicode without NUL", field="query")
    limit = DEFAULT_LIMIT if body.get("limit") is None else body["limit"]
    if type(limit) is not int or not 1 <= limit <= MAX_LIMIT:
        raise invalid(f"limit must be an integer from 1 to {MAX_LIMIT}", field="limit")
    threshold = body.get("threshold")
    if threshold is not None and (type(threshold) not in (int, float) or not _is_finite(threshold)):
        raise invalid("threshold must be a number", field="threshold")
    is_grouped = _is_grouped(body.get("group_by_key"), scope)
    filter = body.get("filter")
    return SearchRequest(
        scope,
        _collections(body.get("collections")),
        query,
        limit,
        None if filter is None else SearchFilter.from_json(filter),
        threshold,
        is_grouped,
        _is_by_count(body.get("sort_by"), is_grouped),
        _modalities(body.get("search_modalities")),
    )


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond every double
        return False


def _collections(value: Any) -> tuple[str, ...]:
    is_good = isinstance(value, list) and 1 <= len(value) <= MAX_COLLECTIONS
    if not is_good or not all(isinstance(item, str) and item for item in value):
        raise invalid(f"collections must be an array of 1 to {MAX_COLLECTIONS} ids", field="collections")
    return tuple(dict.fromkeys(value))


def _is_grouped(value: Any, scope: str) -> bool:
    if value is None:
        return False
    if value != "file":
        raise invalid("group_by_key must be file", field="group_by_key")
    if scope != "segment":
        raise invalid("group_by_key is for scope segment; leave it out", field="group_by_key")
    return True


def _is_by_count(value: Any, is_grouped: bool) -> bool:
    if value not in (None, "score", "item_count"):
        raise invalid("sort_by must be score or item_count", field="sort_by")
    if value == "item_count" and not is_grouped:
        raise invalid("sort_by item_count needs group_by_key", field="sort_by")
    return value == "item_count"


def _modalities(value: Any) -> tuple[str, ...]:
    if value is None or value == []:
        return ("general_content",)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid("search_modalities must be an array of strings", field="search_modalities")
    for item in value:
        if item not in MODALITIES:
            problem = "is not offered by this server" if item in KNOWN_MODALITIES else "is not known"
            raise invalid(
                f"search_modalities: {item[:50]!r} {problem}; use {', '.join(MODALITIES)}", field="search_modalities"
            )
    return tuple(dict.fromkeys(value))
