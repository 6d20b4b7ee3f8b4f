"""Query parameters that many routes share: pages, dates, filters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any, Literal

from fastapi import Query

from services.core.errors import invalid
from services.core.search.filters import SearchFilter
from services.core.store.pages import DEFAULT_LIMIT, MAX_LIMIT, CreatedRange, Page
from services.rest.bodies import parse_json

Direction = Literal["asc", "desc"]
DIRECTIONS = ("asc", "desc")
MOMENT = "YYYY-MM-DD (UTC) or an ISO 8601 date and time."
MOMENTS: Any = {"oneOf": [{"format": "date"}, {"format": "date-time"}, {"const": ""}]}
LIMIT: Any = Query(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Items to return at most.")
OFFSET: Any = Query(0, ge=0, lt=2**31, description="Items to skip.")
AFTER: Any = Query(
    None,
    description="next_after of the page before, to go on there; of files, responses and chats its last_id too. "
    "In place of an offset.",
)
DIRECTION: Any = Query("desc", description="desc begins with the newest.")


def page_of(*orders: str) -> Callable[..., Page]:
    """A dependency that reads a page ordered by one of these names."""
    extra: Any = {"enum": list(orders)}

    def page(
        limit: int = LIMIT,
        offset: int = OFFSET,
        after: str | None = AFTER,
        order: str = Query(orders[0], json_schema_extra=extra, description="What to order by."),
        sort: str = Query("desc", json_schema_extra={"enum": ["asc", "desc"]}, description="Direction."),
    ) -> Page:
        return Page(limit=limit, offset=offset, after=after or "", order=order, sort=sort)

    return page


def plain_page(limit: int = LIMIT, offset: int = OFFSET, after: str | None = AFTER) -> Page:
    return Page(limit=limit, offset=offset, after=after or "")


def timed_page(limit: int = LIMIT, offset: int = OFFSET, after: str | None = AFTER) -> Page:
    """For lists in the order of time."""
    return Page(limit=limit, offset=offset, after=after or "", sort="asc")


def cursor_page(
    limit: int = LIMIT, offset: int = OFFSET, after: str | None = AFTER, order: Direction = DIRECTION
) -> Page:
    """For lists in the order of their making, that OpenAI's clients turn the pages of."""
    return Page(limit=limit, offset=offset, sort=order, after=after or "")


def created_range(
    created_after: str | None = Query(
        None, json_schema_extra=MOMENTS, description=f"Created at or after this: {MOMENT}"
    ),
    created_before: str | None = Query(None, json_schema_extra=MOMENTS, description=f"Created before this: {MOMENT}"),
) -> CreatedRange:
    return CreatedRange(
        after=milliseconds("created_after", created_after),
        before=milliseconds("created_before", created_before),
    )


def added_range(
    added_after: str | None = Query(None, json_schema_extra=MOMENTS, description=f"Added at or after this: {MOMENT}"),
    added_before: str | None = Query(None, json_schema_extra=MOMENTS, description=f"Added before this: {MOMENT}"),
) -> CreatedRange:
    return CreatedRange(
        after=milliseconds("added_after", added_after), before=milliseconds("added_before", added_before)
    )


def search_filter(
    filter: str | None = Query(
        None,
        description="A search filter as JSON: metadata, video_info, file and source_metadata criteria, joined by AND.",
    ),
) -> SearchFilter | None:
    if not filter:
        return None
    return SearchFilter.from_json(parse_json(filter.encode(errors="replace"), "filter", field="filter"))


def milliseconds(name: str, value: str | None) -> int | None:
    """Unix milliseconds of a date or a date and time; without a zone it is UTC. Raises INVALID_ARGUMENT."""
    if not value:
        return None
    # A '+' that was not percent-encoded arrives as a space.
    text = value.strip().replace(" ", "+") if "T" in value else value.strip()
    try:
        if len(text) == 10:
            moment = datetime.combine(date.fromisoformat(text), time(), UTC)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise invalid(f"{name} must be {MOMENT}", field=name) from None
