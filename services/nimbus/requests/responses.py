"""A request for an answer: read from JSON, checked, with every problem named by its field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from services.core.engines.config import MODELS
from services.core.errors import ArcusError, Reason, invalid
from services.core.store.plain_json import check_metadata
from services.nimbus.requests.input_items import MAX_ID_CHARACTERS, PREFIXES, is_reference
from services.nimbus.requests.knowledge_base import KnowledgeBase, read_knowledge_base
from services.nimbus.requests.known_fields import known
from services.nimbus.requests.options import Options
from services.nimbus.requests.pictures import MAX_PICTURES, is_picture, read_picture
from services.nimbus.requests.tools import read_tool_choice, read_tools

TEMPERATURES = {"nimbus-001": 0.7, "nimbus-002-preview": 1.0}  # where the request names none
INCLUDE_MEDIA_DESCRIPTIONS = "cloudglue_citations.media_descriptions"
MAX_INPUT_CHARACTERS = 400_000
MAX_MESSAGES = 1_000
ROLES = {"developer": "developer", "system": "developer", "user": "user", "assistant": "assistant"}
TEXT_PARTS = ("input_text", "output_text", "text")
OTHER_PARTS = ("input_file", "input_audio", "input_video", "file")


@dataclass(frozen=True)
class FunctionCall:
    call_id: str
    name: str
    arguments: str  # JSON


@dataclass(frozen=True)
class Message:
    """One turn. An assistant's may hold calls instead of text; a tool's text is what the call `call_id` returned."""

    role: Literal["developer", "user", "assistant", "tool"]
    text: str
    calls: tuple[FunctionCall, ...] = ()
    call_id: str = ""
    pictures: tuple[bytes, ...] = ()  # of a user: files


@dataclass(frozen=True)
class ResponseRequest:
    model: str
    messages: tuple[Message, ...]  # the last one is the user's question, or what a function returned
    instructions: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    knowledge_base: KnowledgeBase = field(default_factory=KnowledgeBase)
    include: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, Any] = "auto"
    metadata: dict[str, Any] = field(default_factory=dict)
    stream: bool = False
    store: bool = True
    background: bool = False
    previous_response_id: str | None = None
    chat_citations: bool = False  # in the form of chat completions, not of annotations
    options: Options = field(default_factory=Options)
    sent: dict[str, Any] = field(default_factory=dict)  # the body as it came, less what is not known

    @property
    def names_knowledge_base(self) -> bool:
        return self.sent.get("knowledge_base") is not None

    @property
    def references(self) -> tuple[str, ...]:
        """Ids of items of earlier responses that the input names, and that are not yet put in."""
        items = self.sent.get("input")
        return tuple(item["id"] for item in items if is_reference(item)) if isinstance(items, list) else ()

    @property
    def question(self) -> str:
        """The last thing that the user said."""
        return next(message.text for message in reversed(self.messages) if message.role == "user")

    @property
    def guidance(self) -> str:
        """Instructions of the request, then those of developer messages, then what its options ask for."""
        parts = [self.instructions or ""] + [message.text for message in self.messages if message.role == "developer"]
        parts.append(self.options.guidance)
        return "\n".join(part for part in parts if part)

    @property
    def sampling_temperature(self) -> float:
        return TEMPERATURES[self.model] if self.temperature is None else self.temperature

    @property
    def offered_tools(self) -> tuple[dict[str, Any], ...]:
        """Functions that the model may call: those that are allowed, where the choice says so, and none for `none`."""
        if self.tool_choice == "none":
            return ()
        if isinstance(self.tool_choice, dict) and self.tool_choice["type"] == "allowed_tools":
            allowed = {tool["name"] for tool in self.tool_choice["tools"]}
            return tuple(tool for tool in self.tools if tool["name"] in allowed)
        return self.tools

    @property
    def tool_mode(self) -> str:
        """auto, none, required, or the name of the function to call."""
        if isinstance(self.tool_choice, str):
            return self.tool_choice
        return self.tool_choice["mode" if self.tool_choice["type"] == "allowed_tools" else "name"]


def parse_request(body: Any) -> ResponseRequest:
    """Reads the body of POST /responses. Raises INVALID_ARGUMENT naming the field. Unknown fields are ignored."""
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object")
    model = read_model(body)
    store = read_typed(body, "store", bool)
    background = read_typed(body, "background", bool) or False
    if background and store is False:
        raise invalid("background needs store: a response that is not stored can't be fetched later", field="store")
    previous = read_typed(body, "previous_response_id", str) or None
    knowledge_base = read_knowledge_base(body.get("knowledge_base"))
    if knowledge_base.entities is not None and model != "nimbus-002-preview":
        raise invalid("entity_backed_knowledge needs the model nimbus-002-preview", field="knowledge_base.type")
    tools = read_tools(body.get("tools"))
    include = read_include(body.get("include"))
    return ResponseRequest(
        model=model,
        messages=_messages(body.get("input"), follows=previous is not None),
        instructions=_instructions(body),
        temperature=read_temperature(body),
        max_output_tokens=read_token_limit(body, "max_output_tokens"),
        knowledge_base=knowledge_base,
        include=include,
        tools=tools,
        tool_choice=read_tool_choice(body.get("tool_choice"), tools),
        metadata=read_metadata(body),
        stream=read_typed(body, "stream", bool) or False,
        store=True if store is None else store,
        background=background,
        previous_response_id=previous,
        options=Options.from_json(body),
        sent=known(body) | {"include": [item for item in include if item == INCLUDE_MEDIA_DESCRIPTIONS]},
    )


def _instructions(body: dict[str, Any]) -> str | None:
    instructions = read_typed(body, "instructions", str)
    if instructions is not None and len(instructions) > MAX_INPUT_CHARACTERS:
        raise invalid(f"instructions has more than {MAX_INPUT_CHARACTERS} characters; shorten it", field="instructions")
    return instructions


def read_metadata(body: dict[str, Any]) -> dict[str, Any]:
    metadata = read_typed(body, "metadata", dict) or {}
    if metadata:
        check_metadata(metadata)
    return metadata


def read_model(body: dict[str, Any]) -> str:
    model = body.get("model")
    if model not in MODELS:
        raise invalid(f"model must be one of: {', '.join(MODELS)}", field="model")
    return model


def read_temperature(body: dict[str, Any]) -> float | None:
    temperature = body.get("temperature")
    if temperature is not None and (not _is_number(temperature) or not 0 <= temperature <= 2):
        raise invalid("temperature must be a number from 0 to 2", field="temperature")
    return temperature


def read_token_limit(body: dict[str, Any], name: str) -> int | None:
    limit = body.get(name)
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 128_000):
        raise invalid(f"{name} must be an integer from 1 to 128000", field=name)
    return limit


def _messages(value: Any, *, follows: bool) -> tuple[Message, ...]:
    if isinstance(value, str):
        value = [{"role": "user", "content": value}]
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_MESSAGES:
        raise invalid(f"input must be a string or an array of 1 to {MAX_MESSAGES} messages", field="input")
    messages = tuple(
        message for index, item in enumerate(value) if (message := _item(item, f"input[{index}]")) is not None
    )
    if not any(map(is_reference, value)):  # else it is checked once what is referred to is known
        check_messages(messages, "input", follows=follows)
    return messages


def check_messages(messages: Sequence[Message], field: str, *, follows: bool = False) -> None:
    """Whether there is something to answer. `follows`: an earlier response comes before these messages."""
    turns = [message for message in messages if message.role != "developer"]  # which guide, wherever they stand
    last = turns[-1] if turns else None
    if last is None or last.role not in ("user", "tool") or (last.role == "user" and not last.text.strip()):
        raise invalid(f"{field} must end with a message of the user that has text", field=field)
    if not follows and not any(message.role == "user" for message in messages):
        raise invalid(f"{field} must hold a message of the user", field=field)
    if sum(len(message.pictures) for message in messages) > MAX_PICTURES:
        raise invalid(f"{field} shows more than {MAX_PICTURES} pictures; leave some out", field=field)
    if sum(len(message.text) for message in messages) > MAX_INPUT_CHARACTERS:
        raise invalid(f"{field} has more than {MAX_INPUT_CHARACTERS} characters; shorten it", field=field)


def _item(item: Any, field: str) -> Message | None:
    """A message, or a turn of a function call. What clients send back of an earlier output without use here is None."""
    if not isinstance(item, dict):
        raise invalid(f"{field} must be an object", field=field)
    if is_reference(item):
        if len(read_text(item, "id", field)) > MAX_ID_CHARACTERS:
            raise invalid(f"{field}.id has more than {MAX_ID_CHARACTERS} characters", field=f"{field}.id")
        return None
    kind = item.get("type") or "message"
    match kind:
        case "message":
            return read_message(item, field)
        case "function_call":
            texts = {name: read_text(item, name, field) for name in ("call_id", "name", "arguments")}
            return Message("assistant", "", (FunctionCall(**texts),))
        case "function_call_output":
            return Message("tool", _output_text(item.get("output"), field), call_id=read_text(item, "call_id", field))
        case "reasoning" | "cloudglue_query_call":
            return None
    known = ", ".join((*PREFIXES, "item_reference"))
    raise invalid(f"{field}.type is none that this server reads: use one of: {known}", field=f"{field}.type")


def _output_text(value: Any, field: str) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise invalid(f"{field}.output must be a string or an array of text parts", field=f"{field}.output")
    return "\n".join(_part_text(part, f"{field}.output", index) for index, part in enumerate(value))


def read_text(item: dict[str, Any], name: str, field: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or (not value and name != "arguments"):
        raise invalid(f"{field}.{name} must be a string", field=f"{field}.{name}")
    return value


def read_message(item: dict[str, Any], field: str) -> Message:
    named = item.get("role")
    role = ROLES.get(named) if isinstance(named, str) else None
    if role is None:
        raise invalid(f"{field}.role must be one of: {', '.join(ROLES)}", field=f"{field}.role")
    content = item.get("content")
    if isinstance(content, str):
        return Message(role, content)  # type: ignore[arg-type]
    if not isinstance(content, list):
        raise invalid(f"{field}.content must be a string or an array of parts", field=f"{field}.content")
    texts, pictures = [], []
    for index, part in enumerate(content):
        if role == "user" and is_picture(part):
            pictures.append(read_picture(part, f"{field}.content[{index}]"))
        else:
            texts.append(_part_text(part, f"{field}.content", index))
    return Message(role, "\n".join(texts), pictures=tuple(pictures))  # type: ignore[arg-type]


def _part_text(part: Any, field: str, index: int) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if is_picture(part):
        raise invalid(f"{field}[{index}]: only a message of the user shows pictures", field=f"{field}[{index}].type")
    if kind in OTHER_PARTS:
        raise invalid(
            f"{field}[{index}]: {kind} is not supported: a question is text and pictures, and no engine reads other files in "
            "it; what it is asked of is uploaded and named in knowledge_base",
            field=f"{field}[{index}].type",
        )
    text = part.get("refusal" if kind == "refusal" else "text") if kind in (*TEXT_PARTS, "refusal") else None
    if not isinstance(text, str):
        raise invalid(f"{field}[{index}] must have text and be of type {', '.join(TEXT_PARTS)}", field=field)
    return text


def read_include(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid("include must be an array of strings", field="include")
    for item in value:
        if item == "message.output_text.logprobs":
            raise invalid("include: message.output_text.logprobs is not supported by this server", field="include")
        # What OpenAI's own clients ask for by default does no harm; a misspelt name of ours does.
        if item.startswith("cloudglue") and item != INCLUDE_MEDIA_DESCRIPTIONS:
            raise invalid(f"include: {item!r} is not known; use {INCLUDE_MEDIA_DESCRIPTIONS}", field="include")
    return tuple(value)


def read_typed(body: dict[str, Any], name: str, kind: type) -> Any:
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        names = {bool: "true or false", str: "a string", dict: "an object"}
        raise ArcusError(Reason.INVALID_ARGUMENT, f"{name} must be {names[kind]}", field=name)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
