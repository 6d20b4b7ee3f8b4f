"""Pages, ranges, filters and structs, from the wire to the core's own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arcus.v1 import lists_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from services.core.errors import ArcusError, Reason, invalid
from services.core.search.filters import KINDS, SearchFilter
from services.core.store.pages import DEFAULT_LIMIT, CreatedRange, Listing, Page
from services.core.store.plain_json import MAX_BODY_BYTES, MAX_VALUES

SORTS = {lists_pb2.SORT_UNSPECIFIED: "", lists_pb2.SORT_ASC: "asc", lists_pb2.SORT_DESC: "desc"}


def page_of(message: lists_pb2.Page, *, sort: str = "desc") -> Page:
    """Raises INVALID_ARGUMENT. `sort`: the direction when the message names none."""
    return Page(
        limit=message.limit or DEFAULT_LIMIT,
        offset=message.offset,
        order=message.order,
        sort=SORTS.get(message.sort) or sort,
        after=message.after,
    )


def paged(listing: Listing[Any]) -> dict[str, Any]:
    """What the reply to a list says of the page."""
    return {"total": listing.total, "next_after": listing.next_after}


def range_of(message: lists_pb2.TimeRange) -> CreatedRange:
    return CreatedRange(after=optional(message, "after"), before=optional(message, "before"))


def filter_of(message: Any, field: str = "filter") -> SearchFilter | None:
    """The search filter in a field of a message, in the API's own form. Raises INVALID_ARGUMENT naming the criterion."""
    if not message.HasField(field):
        return None
    return SearchFilter.from_json(filter_json(getattr(message, field)))


def filter_json(filter: lists_pb2.SearchFilter) -> dict[str, Any]:
    return {kind: [_criterion(item) for item in getattr(filter, kind)] for kind in KINDS}


def _criterion(item: lists_pb2.Criterion) -> dict[str, Any]:
    value: dict[str, Any] = {"path": item.path, "operator": item.operator, "scope": item.scope or "file"}
    if item.HasField("value_text"):
        value["valueText"] = item.value_text
    if item.value_text_array:
        value["valueTextArray"] = list(item.value_text_array)
    return value


def optional(message: Any, field: str) -> Any:
    """A field's value, or None where it was not set."""
    return getattr(message, field) if message.HasField(field) else None


def struct_json(message: Any, field: str) -> dict[str, Any] | None:
    """A Struct as JSON. Whole numbers become integers again: a Struct knows only doubles."""
    if not message.HasField(field):
        return None
    try:
        value = MessageToDict(getattr(message, field))
    except ValueError as error:  # NaN or an infinity
        raise invalid(f"{field} must be plain JSON: {error}", field=field) from None
    return {name: _plain(item) for name, item in value.items()}


def check_size(message: Message, max_bytes: int | None = None) -> None:
    """Raises TOO_LARGE, or INVALID_ARGUMENT for more parts than anything needs: each costs far more than its bytes."""
    size, most = message.ByteSize(), MAX_BODY_BYTES if max_bytes is None else max_bytes
    if size > most:
        raise ArcusError(Reason.TOO_LARGE, f"The message has {size} bytes; at most {most} are taken.")
    if size > MAX_VALUES and _count_up_to(message, MAX_VALUES) > MAX_VALUES:  # a part takes a byte and more
        raise invalid(f"The message has more than {MAX_VALUES} values.")


def _count_up_to(message: Message, most: int) -> int:
    """How many parts a message has, or any number over `most`."""
    count, left = 0, [message]
    while left and count <= most:
        for _, value in left.pop().ListFields():
            match value:
                case Mapping():
                    parts = list(value.values())
                case Sequence() if not isinstance(value, str | bytes):
                    parts = list(value)
                case _:
                    parts = [value]
            count += len(parts)
            left.extend(part for part in parts if isinstance(part, Message))
    return count


def check_texts(message: Message) -> None:
    """Raises INVALID_ARGUMENT where a text holds a null character, which is refused over HTTP too: nothing stores it."""
    if b"\0" not in message.SerializeToString():  # where a number may have one
        return
    for field, value in message.ListFields():
        if _has_null(value):
            raise invalid(f"{field.name} must not hold null characters", field=field.name)


def _has_null(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case Message():
            return any(_has_null(part) for _, part in value.ListFields())
        case Mapping():
            return any(_has_null(name) or _has_null(part) for name, part in value.items())
        case Sequence() if not isinstance(value, bytes):
            return any(map(_has_null, value))
    return False


def struct_of(value: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(value)
    return struct


def _plain(value: Any) -> Any:
    match value:
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
    return value
