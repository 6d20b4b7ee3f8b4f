"""A request for an answer: read from JSON, checked, with every problem named by its field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from services.core.errors import ArcusError, Reason, invalid
from services.core.files import file_id_of
from services.core.filters import SearchFilter

MODELS = ("nimbus-001", "nimbus-002-preview")
INCLUDE_MEDIA_DESCRIPTIONS = "cloudglue_citations.media_descriptions"
MAX_INPUT_CHARACTERS = 400_000
MAX_MESSAGES = 1_000
MAX_COLLECTIONS = 100
MAX_FILES = 1_000
ROLES = {"developer": "developer", "system": "developer", "user": "user", "assistant": "assistant"}
TEXT_PARTS = ("input_text", "output_text", "text")


@dataclass(frozen=True)
class Message:
    role: Literal["developer", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class KnowledgeBase:
    source: Literal["collections", "files", "default"] = "default"
    collections: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    filter: SearchFilter | None = None


@dataclass(frozen=True)
class ResponseRequest:
    model: str
    messages: tuple[Message, ...]  # the last one is the user's question
    instructions: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    knowledge_base: KnowledgeBase = KnowledgeBase()
    include: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    stream: bool = False
    store: bool = True

    @property
    def question(self) -> str:
        return self.messages[-1].text

    @property
    def guidance(self) -> str:
        """Instructions of the request, then those of developer messages."""
        parts = [self.instructions or ""] + [message.text for message in self.messages if message.role == "developer"]
        return "\n".join(part for part in parts if part)


def parse_request(body: Any) -> ResponseRequest:
    """Reads the body of POST /responses. Raises INVALID_ARGUMENT naming the field. Unknown fields are ignored."""
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object")
    model = body.get("model")
    if model not in MODELS:
        raise invalid(f"model must be one of: {', '.join(MODELS)}", field="model")
    if _typed(body, "background", bool):
        raise invalid("background responses are not offered by this version; leave background out", field="background")
    if body.get("previous_response_id"):
        raise invalid(
            "previous_response_id is not offered by this version; send the earlier messages in input",
            field="previous_response_id",
        )
    temperature = body.get("temperature")
    if temperature is not None and (not _is_number(temperature) or not 0 <= temperature <= 2):
        raise invalid("temperature must be a number from 0 to 2", field="temperature")
    limit = body.get("max_output_tokens")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 128_000):
        raise invalid("max_output_tokens must be an integer from 1 to 128000", field="max_output_tokens")
    store = _typed(body, "store", bool)
    return ResponseRequest(
        model=model,
        messages=_messages(body.get("input")),
        instructions=_typed(body, "instructions", str),
        temperature=temperature,
        max_output_tokens=limit,
        knowledge_base=_knowledge_base(body.get("knowledge_base")),
        include=_include(body.get("include")),
        tools=_tools(body.get("tools")),
        metadata=_typed(body, "metadata", dict) or {},
        stream=_typed(body, "stream", bool) or False,
        store=True if store is None else store,
    )


def _messages(value: Any) -> tuple[Message, ...]:
    if isinstance(value, str):
        value = [{"role": "user", "content": value}]
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_MESSAGES:
        raise invalid(f"input must be a string or an array of 1 to {MAX_MESSAGES} messages", field="input")
    messages = tuple(_message(item, f"input[{index}]") for index, item in enumerate(value))
    if messages[-1].role != "user" or not messages[-1].text.strip():
        raise invalid("input must end with a message of the user that has text", field="input")
    if sum(len(message.text) for message in messages) > MAX_INPUT_CHARACTERS:
        raise invalid(f"input has more than {MAX_INPUT_CHARACTERS} characters; shorten it", field="input")
    return messages


def _message(item: Any, field: str) -> Message:
    if not isinstance(item, dict) or item.get("type", "message") != "message":
        raise invalid(f"{field} must be an object of type message", field=field)
    named = item.get("role")
    role = ROLES.get(named) if isinstance(named, str) else None
    if role is None:
        raise invalid(f"{field}.role must be one of: {', '.join(ROLES)}", field=f"{field}.role")
    content = item.get("content")
    if isinstance(content, str):
        return Message(role, content)  # type: ignore[arg-type]
    if not isinstance(content, list):
        raise invalid(f"{field}.content must be a string or an array of parts", field=f"{field}.content")
    for index, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") not in TEXT_PARTS or not isinstance(part.get("text"), str):
            raise invalid(f"{field}.content[{index}] must be of type input_text with text", field=f"{field}.content")
    return Message(role, "\n".join(part["text"] for part in content))  # type: ignore[arg-type]


def _knowledge_base(value: Any) -> KnowledgeBase:
    if value is None:
        return KnowledgeBase()
    if not isinstance(value, dict):
        raise invalid("knowledge_base must be an object", field="knowledge_base")
    source = value.get("source", "collections")
    kind = value.get("type", "general_question_answering")
    if kind not in ("general_question_answering", "entity_backed_knowledge"):
        raise invalid(
            "knowledge_base.type must be general_question_answering or entity_backed_knowledge",
            field="knowledge_base.type",
        )
    if kind == "entity_backed_knowledge":
        raise invalid("entity_backed_knowledge is not offered by this version", field="knowledge_base.type")
    filter = None
    if value.get("filter") is not None:
        filter = SearchFilter.from_json(value["filter"], field="knowledge_base.filter")
    match source:
        case "default":
            return KnowledgeBase("default", filter=filter)
        case "files":
            references = _ids(value.get("files"), "knowledge_base.files", MAX_FILES)
            return KnowledgeBase("files", files=tuple(file_id_of(item) for item in references), filter=filter)
        case "collections":
            ids = _ids(value.get("collections"), "knowledge_base.collections", MAX_COLLECTIONS)
            return KnowledgeBase("collections", collections=ids, filter=filter)
    raise invalid("knowledge_base.source must be collections, files or default", field="knowledge_base.source")


def _ids(value: Any, field: str, most: int) -> tuple[str, ...]:
    good = isinstance(value, list) and 1 <= len(value) <= most and all(isinstance(item, str) and item for item in value)
    if not good:
        raise invalid(f"{field} must be an array of 1 to {most} ids", field=field)
    return tuple(dict.fromkeys(value))


def _include(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid("include must be an array of strings", field="include")
    for item in value:
        # What OpenAI's own clients ask for by default does no harm; a misspelt name of ours does.
        if item.startswith("cloudglue") and item != INCLUDE_MEDIA_DESCRIPTIONS:
            raise invalid(f"include: {item!r} is not known; use {INCLUDE_MEDIA_DESCRIPTIONS}", field="include")
    return tuple(value)


def _tools(value: Any) -> tuple[dict[str, Any], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > 128:
        raise invalid("tools must be an array of at most 128 functions", field="tools")
    for index, tool in enumerate(value):
        named = isinstance(tool, dict) and tool.get("type") == "function" and isinstance(tool.get("name"), str)
        if not named or not tool["name"] or not isinstance(tool.get("parameters"), dict):
            raise invalid(f"tools[{index}] must be a function with name and parameters", field=f"tools[{index}]")
    return tuple(value)


def _typed(body: dict[str, Any], name: str, kind: type) -> Any:
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        names = {bool: "true or false", str: "a string", dict: "an object"}
        raise ArcusError(Reason.INVALID_ARGUMENT, f"{name} must be {names[kind]}", field=name)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
