"""The form that an answer must have: text, any JSON object, or JSON that fits a schema."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from services.core.entities.schemas import parse_schema
from services.core.errors import invalid

TYPES = ("text", "json_object", "json_schema")
MAX_DESCRIPTION = 10_000  # characters
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class AnswerFormat:
    """`schema` is the client's own, which parse_schema accepts."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None

    @property
    def engine_schema(self) -> str:
        """JSON schema that the answer must fit; {} for any object, empty for text."""
        if self.type == "text":
            return ""
        beside = {"description": self.description} if self.description else {}
        return json.dumps(beside | (self.schema or {}), ensure_ascii=False)

    def told(self) -> dict[str, Any]:
        """Its part of a response."""
        if self.type != "json_schema":
            return {"type": self.type}
        return {
            "type": self.type,
            "name": self.name,
            "description": self.description,
            "schema": self.schema,
            "strict": self.strict is True,
        }


def read_format(value: Any, field: str = "text.format") -> AnswerFormat:
    """As responses have it: all in one object. Raises INVALID_ARGUMENT naming the field."""
    kind = _type(value, field)
    return _schema_format(value, field) if kind == "json_schema" else AnswerFormat(kind)


def read_chat_format(value: Any) -> AnswerFormat:
    """As chats have it: the schema and its name are in an object of their own."""
    field = "response_format"
    kind = _type(value, field)
    if kind != "json_schema":
        return AnswerFormat(kind)
    inner = value.get("json_schema")
    if not isinstance(inner, dict):
        raise invalid(f"{field}.json_schema must be an object with name and schema", field=f"{field}.json_schema")
    return _schema_format(inner, f"{field}.json_schema")


def _type(value: Any, field: str) -> Any:
    if value is None:
        return "text"
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in TYPES:
        raise invalid(f"{field}.type must be one of: {', '.join(TYPES)}", field=f"{field}.type")
    return kind


def _schema_format(value: dict[str, Any], field: str) -> AnswerFormat:
    name, description, schema, strict = (value.get(key) for key in ("name", "description", "schema", "strict"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(f"{field}.name must be 1 to 64 letters, digits, _ and -", field=f"{field}.name")
    if not isinstance(description, str | None) or len(description or "") > MAX_DESCRIPTION:
        raise invalid(
            f"{field}.description must be a string of at most {MAX_DESCRIPTION} characters",
            field=f"{field}.description",
        )
    if not isinstance(strict, bool | None):
        raise invalid(f"{field}.strict must be true or false", field=f"{field}.strict")
    parse_schema(schema, field=f"{field}.schema")
    return AnswerFormat("json_schema", name, description, schema, strict)
