"""The items of a request's input: as they are told again, each with an id, and as later requests refer to them."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from services.core.errors import invalid
from services.core.store.pages import MAX_LIMIT
from services.nimbus.requests.pictures import is_picture

Json = dict[str, Any]
PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}
MAX_ID_CHARACTERS = 200
_ID = re.compile(
    r"(?:msg|fc|fco|rs|item|query)_([0-9a-f]{32})(?:_(?:in_)?\d{1,6})?"
)  # as events.py and `input_items` make them


def is_reference(item: Any) -> bool:
    """OpenAI's clients may leave the type of a reference out."""
    if not isinstance(item, dict):
        return False
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and "id" in item and not {"role", "content"} & item.keys())


def response_of(item_id: str) -> str | None:
    """The id of the response that an item is of, in its output or its input; None for what is no such id."""
    match = _ID.fullmatch(item_id)
    return str(UUID(match[1])) if match else None


def input_items(response_id: str, value: str | list[Any]) -> list[Json]:
    """`value`: the input of a request that was accepted. The first item is the first that was sent."""
    items = [{"role": "user", "content": value}] if isinstance(value, str) else value
    return [_told(item, response_id.replace("-", ""), number) for number, item in enumerate(items)]


def items_page(items: list[Json], *, limit: int, after: str | None, order: str) -> tuple[list[Json], bool]:
    """One page in the items' order, or for `desc` backwards, and whether more follow. Raises INVALID_ARGUMENT."""
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(f"limit must be from 1 to {MAX_LIMIT}", field="limit")
    if order == "desc":
        items = items[::-1]
    if after:
        place = next((index for index, item in enumerate(items) if item["id"] == after), None)
        if place is None:
            raise invalid(f"after: there is no item {after[:200]} in this list", field="after")
        items = items[place + 1 :]
    return items[:limit], len(items) > limit


def _told(item: Json, response_hex: str, number: int) -> Json:
    kind = item.get("type") or "message"
    head = {"id": f"{PREFIXES.get(kind, 'item')}_{response_hex}_in_{number}", "type": kind}
    if kind != "message":
        output = {"output": _text_parts(item["output"], "input_text")} if isinstance(item.get("output"), list) else {}
        return {"status": "completed", **item, **output, **head}
    text = "output_text" if item["role"] == "assistant" else "input_text"
    content = item["content"]
    parts = [{"type": text, "text": content}] if isinstance(content, str) else content
    return {**head, "role": item["role"], "status": "completed", "content": _text_parts(parts, text)}


def _text_parts(parts: list[Any], kind: str) -> list[Json]:
    beside: Json = {"annotations": []} if kind == "output_text" else {}
    return [_told_part(part, beside, kind) for part in parts]


def _told_part(part: Json, beside: Json, kind: str) -> Json:
    if is_picture(part):
        url = part["image_url"]
        told = {"image_url": url["url"], "detail": url.get("detail")} if isinstance(url, dict) else part
        return {**told, "type": "input_image", "detail": told.get("detail") or "auto"}
    return part if part["type"] == "refusal" else {**beside, **part, "type": kind}
