"""Responses and models on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from services.nimbus.requests.answer_format import MAX_DESCRIPTION
from services.nimbus.requests.options import LABELS, MAX_TOOL_CALLS, TIERS
from services.nimbus.requests.responses import MAX_INPUT_CHARACTERS, MAX_MESSAGES
from services.rest.schemas.shared import Body, ListReply, Number, Reply, told

ItemStatus = Literal["in_progress", "completed", "incomplete"]
EVENT = {  # what `event:` and `data:` hold
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string", "description": "JSON, or [DONE]."}},
    "required": ["data"],
}
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, or with `stream` its events.",
        "content": {"text/event-stream": {"schema": EVENT}},
    }
}
DATA_URL = "^data:[^,]*;base64,"
ResponseStatus = Literal["in_progress", "completed", "failed", "cancelled"]


class InputContent(Body):
    type: Literal["input_text", "output_text", "text"]
    text: str


class InputImage(Body):
    """A picture that a user shows, for engines whose model sees."""

    type: Literal["input_image"]
    image_url: str = Field(pattern=DATA_URL, description="The file itself: PNG, JPEG, WebP or GIF as a data URL.")
    detail: Literal["auto", "low", "high"] | None = "auto"


class InputMessage(Body):
    type: Literal["message"] | None = "message"
    role: Literal["developer", "system", "user", "assistant"]
    content: str | list[InputContent | InputImage]


class InputFunctionCall(Body):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str = Field(description="JSON")


class InputFunctionCallOutput(Body):
    type: Literal["function_call_output"]
    call_id: str
    output: str | list[InputContent]


class ItemReference(Body):
    """An item of an earlier response that is kept: a message, a call, or what a call returned."""

    type: Literal["item_reference"] | None = "item_reference"
    id: str = Field(min_length=1, max_length=200)


class EntityCollection(Body):
    collection_id: str
    name: str | None = None
    description: str | None = None


class EntityBackedKnowledge(Body):
    entity_collections: list[EntityCollection] = Field(min_length=1)
    description: str | None = Field(None, max_length=2000)


class KnowledgeBase(Body):
    type: Literal["general_question_answering", "entity_backed_knowledge"] = "general_question_answering"
    source: Literal["collections", "files", "default"] = "collections"
    collections: list[str] | None = None
    files: list[str] | None = None
    filter: dict[str, Any] | None = Field(None, description="metadata, video_info and file criteria.")
    entity_backed_knowledge_config: EntityBackedKnowledge | None = None


class Tool(Body):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON schema of the arguments.")
    strict: bool | None = None


class TextFormat(Body):
    type: Literal["text", "json_object"]


class SchemaFormat(Body):
    """The answer is JSON that fits the schema, or a refusal that says why not."""

    type: Literal["json_schema"]
    name: str = Field(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+$")
    description: str | None = Field(None, max_length=MAX_DESCRIPTION)
    record_schema: dict[str, Any] = Field(
        alias="schema", description="JSON Schema of an object, of what extract_config offers."
    )
    strict: bool | None = None


class TextOptions(Body):
    format: TextFormat | SchemaFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningOptions(Body):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class FunctionChoice(Body):
    type: Literal["function"]
    name: str


class AllowedTools(Body):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "none", "required"] = "auto"
    tools: list[FunctionChoice] = Field(min_length=1)


ToolChoice = Literal["auto", "none", "required"] | FunctionChoice | AllowedTools


class CreateResponse(Body):
    model: Literal["nimbus-001", "nimbus-002-preview"]
    input: (
        Annotated[str, Field(pattern=r"\S", max_length=MAX_INPUT_CHARACTERS)]
        | Annotated[
            list[InputMessage | InputFunctionCall | InputFunctionCallOutput | ItemReference],
            Field(min_length=1, max_length=MAX_MESSAGES),
        ]
    ) = Field(description="The last message is the user's, or what a function returned.")
    instructions: str | None = None
    temperature: Number | None = Field(
        None, description="From 0 to 2; 0.7 for nimbus-001, else 1.", json_schema_extra=told(minimum=0, maximum=2)
    )
    top_p: Number | None = Field(None, description="From 0 to 1.", json_schema_extra=told(minimum=0, maximum=1))
    max_output_tokens: int | None = Field(None, description="From 1 to 128000.", ge=1, le=128_000)
    knowledge_base: KnowledgeBase | None = None
    include: list[str] | None = Field(None, description="cloudglue_citations.media_descriptions")
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = "auto"
    parallel_tool_calls: bool | None = True
    max_tool_calls: int | None = Field(
        None, description="Function calls of one answer, from 1 to 128.", ge=1, le=MAX_TOOL_CALLS
    )
    truncation: Literal["auto", "disabled"] | None = Field(
        "auto", description="disabled: a conversation that is too long is refused; else its oldest turns are left out."
    )
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = Field(
        None, description="Taken, and not used: these models have no effort to set."
    )
    service_tier: str | None = Field(
        None, description="Taken, and not used: there is one tier.", json_schema_extra=told(enum=[*TIERS, None])
    )
    metadata: dict[str, Any] | None = None
    user: str | None = Field(None, max_length=LABELS["user"])
    safety_identifier: str | None = Field(None, max_length=LABELS["safety_identifier"])
    prompt_cache_key: str | None = Field(None, max_length=LABELS["prompt_cache_key"])
    stream: bool | None = False
    background: bool | None = False
    store: bool | None = True
    previous_response_id: str | None = Field(None, description="The response whose conversation goes on.")


class Citation(Reply):
    type: Literal["file_citation", "cloudglue_citation"] = Field(
        description="cloudglue_citation for Cloudglue's clients, which send x-sdk-client; file_citation for all others."
    )
    collection_id: str | None = None
    file_id: str
    filename: str | None = None
    index: int | None = Field(None, description="Where in the text its mark stands, in characters.")
    segment_id: str | None = None
    start_time: Number
    end_time: Number | None = None
    context: str | None = None


class OutputText(Reply):
    type: Literal["output_text"]
    text: str
    annotations: list[Citation]


class Refusal(Reply):
    """Instead of a text where JSON was asked for: why there is none."""

    type: Literal["refusal"]
    refusal: str


class OutputMessage(Reply):
    type: Literal["message"]
    id: str
    status: ItemStatus
    role: Literal["assistant"]
    content: list[OutputText | Refusal]


class FunctionCall(Reply):
    type: Literal["function_call"]
    id: str
    status: ItemStatus
    call_id: str
    name: str
    arguments: str = Field(description="JSON")


class QueryCall(Reply):
    type: Literal["cloudglue_query_call"]
    id: str
    status: Literal["completed", "failed"]
    sql: str
    row_count: int
    total_rows: int | None = None
    truncated: bool
    error: str | None = None


class SummaryText(Reply):
    type: Literal["summary_text"]
    text: str


class ReasoningItem(Reply):
    """A query call, for clients that are not Cloudglue's; its other fields stand beside."""

    type: Literal["reasoning"]
    id: str
    status: Literal["completed", "incomplete"]
    summary: list[SummaryText] = Field(description="The query in SQL.")


class InputTokensDetails(Reply):
    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(Reply):
    reasoning_tokens: int


class Usage(Reply):
    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseError(Reply):
    message: str
    type: str
    code: str
    param: str | None = None


class IncompleteDetails(Reply):
    reason: Literal["max_output_tokens"]


class Reasoning(Reply):
    effort: str | None
    summary: str | None


class ResponseListItem(Reply):
    id: str
    object: Literal["response"]
    status: ResponseStatus
    created_at: int = Field(description="Unix time in seconds.")
    model: str
    instructions: str | None = None
    usage: Usage | None = None
    completed_at: int | None = None
    incomplete_details: IncompleteDetails | None = None
    previous_response_id: str | None = None
    background: bool = False
    store: bool
    metadata: dict[str, Any]
    temperature: Number
    top_p: Number
    presence_penalty: Number
    frequency_penalty: Number
    top_logprobs: int
    max_output_tokens: int | None = None
    tools: list[Tool]
    tool_choice: ToolChoice
    parallel_tool_calls: bool
    max_tool_calls: int | None = None
    truncation: Literal["auto", "disabled"]
    text: TextOptions
    reasoning: Reasoning | None = None
    service_tier: Literal["default"]
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class Response(ResponseListItem):
    """What the Open Responses specification requires is there, also while the response is in progress."""

    output: list[OutputMessage | FunctionCall | QueryCall | ReasoningItem]
    error: ResponseError | None = None


class ResponseList(ListReply):
    data: list[ResponseListItem]


class ItemList(Reply):
    object: Literal["list"]
    data: list[dict[str, Any]] = Field(description="Items as they were sent, each with an id.")
    first_id: str | None
    last_id: str | None
    has_more: bool


class ResponseDelete(Reply):
    id: str
    object: Literal["response"]
    deleted: bool


class Model(Reply):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Reply):
    object: Literal["list"]
    data: list[Model]
