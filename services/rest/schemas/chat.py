"""Chat completions on the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from services.nimbus.requests.answer_format import MAX_DESCRIPTION
from services.nimbus.requests.responses import MAX_MESSAGES
from services.rest.schemas.descriptions import DescribeOutputPart, SpeechOutputPart
from services.rest.schemas.responses import DATA_URL, TextFormat
from services.rest.schemas.shared import Body, ListReply, Number, Reply, SearchFilter, told


class ChatText(Body):
    type: Literal["text"]
    text: str


class ChatFunction(Body):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON schema of the arguments.")
    strict: bool | None = None


class ChatTool(Body):
    type: Literal["function"]
    function: ChatFunction


class CalledFunction(Body):
    name: str
    arguments: str = Field(description="JSON")


class ChatToolCall(Body):
    id: str
    type: Literal["function"]
    function: CalledFunction


class PictureUrl(Body):
    url: str = Field(pattern=DATA_URL, description="The file itself: PNG, JPEG, WebP or GIF as a data URL.")
    detail: Literal["auto", "low", "high"] | None = "auto"


class ChatPicture(Body):
    """A picture that a user shows, for engines whose model sees."""

    type: Literal["image_url"]
    image_url: PictureUrl


class ChatInputMessage(Body):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ChatText | ChatPicture] | None
    name: str | None = None
    tool_calls: list[ChatToolCall] | None = Field(None, description="Of an assistant's message.")
    tool_call_id: str | None = Field(None, description="Of a tool's message.")


class NamedSchema(Body):
    name: str = Field(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+$")
    description: str | None = Field(None, max_length=MAX_DESCRIPTION)
    record_schema: dict[str, Any] = Field(
        alias="schema", description="JSON Schema, as text.format of responses has it."
    )
    strict: bool | None = None


class JsonSchemaFormat(Body):
    type: Literal["json_schema"]
    json_schema: NamedSchema


class StreamOptions(Body):
    include_usage: bool | None = Field(False, description="A last chunk tells the usage.")


class CreateChatCompletion(Body):
    model: Literal["nimbus-001", "nimbus-002-preview"]
    messages: list[ChatInputMessage] = Field(
        min_length=1, max_length=MAX_MESSAGES, description="The last one is the user's, or what a function returned."
    )
    collections: list[str] | None = Field(
        None, description="Exactly one id; without it, everything is searched.", min_length=1, max_length=1
    )
    filter: SearchFilter | None = None
    temperature: Number | None = Field(None, description="From 0 to 2.", json_schema_extra=told(minimum=0, maximum=2))
    max_completion_tokens: int | None = Field(None, description="From 1 to 128000.", ge=1, le=128_000)
    max_tokens: int | None = Field(None, description="Read where max_completion_tokens is absent.", ge=1, le=128_000)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    tools: list[ChatTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | dict[str, Any] | None = "auto"
    response_format: TextFormat | JsonSchemaFormat | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = True
    include_citations: bool | None = True
    force_search: bool | None = Field(None, description="An answer is always made from what was searched.")


class ChatMessage(Reply):
    role: Literal["system", "user", "assistant"]
    content: str | None = Field(description="null where a refusal stands instead.")
    refusal: str | None = Field(None, description="Why there is no answer in the form that response_format asks for.")
    name: str | None = None
    tool_calls: list[ChatToolCall] | None = None


class RelevantSource(Reply):
    text: str = Field(description="visual_scene_description, scene_text, speech or audio_description.")


class ChatCitation(Reply):
    file_id: str
    segment_id: str
    collection_id: str | None = None
    start_time: Number = Field(description="Seconds from the start of the media.")
    end_time: Number
    context: str
    text: str = Field(description="As context, for older clients.")
    relevant_sources: list[RelevantSource]
    visual_scene_description: list[DescribeOutputPart]
    scene_text: list[DescribeOutputPart]
    speech: list[SpeechOutputPart]
    audio_description: list[DescribeOutputPart]


class ChatChoice(Reply):
    index: int
    message: ChatMessage
    finish_reason: Literal["stop", "length", "tool_calls"]
    citations: list[ChatCitation] | None = Field(None, description="[n] in the content is the n-th of them.")


class ChatUsage(Reply):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatPayload(Reply):
    """The request, as it was understood."""

    messages: list[ChatMessage]
    temperature: Number | None = None
    filter: SearchFilter | None = None
    collections: list[str] | None = None


class ChatCompletion(Reply):
    id: str
    object: Literal["chat.completion"]
    created_at: int = Field(description="Unix time in milliseconds.")
    created: int = Field(description="Unix time in seconds.")
    model: str
    choices: list[ChatChoice]
    payload: ChatPayload
    usage: ChatUsage
    metadata: dict[str, Any]


class ChatCompletionList(ListReply):
    data: list[ChatCompletion]
    has_more: bool


class ChatCompletionDelete(Reply):
    id: str
    object: Literal["chat.completion.deleted"]
    deleted: bool
