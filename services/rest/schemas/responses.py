"""Responses and models on the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from services.rest.schemas.shared import Body, ListReply, Number, Reply

ResponseStatus = Literal["in_progress", "completed", "failed", "cancelled"]


class InputContent(Body):
    type: Literal["input_text", "output_text", "text"]
    text: str


class InputMessage(Body):
    type: Literal["message"] = "message"
    role: Literal["developer", "system", "user", "assistant"]
    content: str | list[InputContent]


class InputFunctionCall(Body):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str = Field(description="JSON")


class InputFunctionCallOutput(Body):
    type: Literal["function_call_output"]
    call_id: str
    output: str | list[InputContent]


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


class CreateResponse(Body):
    model: Literal["nimbus-001", "nimbus-002-preview"]
    input: str | list[InputMessage | InputFunctionCall | InputFunctionCallOutput]
    instructions: str | None = None
    temperature: Number | None = Field(None, description="From 0 to 2.")
    max_output_tokens: int | None = Field(None, description="From 1 to 128000.")
    knowledge_base: KnowledgeBase | None = None
    include: list[str] | None = Field(None, description="cloudglue_citations.media_descriptions")
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | dict[str, Any] = "auto"
    metadata: dict[str, Any] | None = None
    stream: bool = False
    background: bool = False
    store: bool = True
    previous_response_id: str | None = Field(None, description="The response whose conversation goes on.")


class Citation(Reply):
    type: Literal["cloudglue_citation"]
    collection_id: str | None = None
    file_id: str
    segment_id: str | None = None
    start_time: Number
    end_time: Number | None = None
    context: str | None = None


class OutputText(Reply):
    type: Literal["output_text"]
    text: str
    annotations: list[Citation]


class OutputMessage(Reply):
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[OutputText]


class FunctionCall(Reply):
    type: Literal["function_call"]
    id: str
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


class Usage(Reply):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class ResponseError(Reply):
    message: str
    type: str
    code: str


class ResponseListItem(Reply):
    id: str
    object: Literal["response"]
    status: ResponseStatus
    created_at: int = Field(description="Unix time in seconds.")
    model: str
    instructions: str | None = None
    usage: Usage | None = None


class Response(ResponseListItem):
    output: list[OutputMessage | FunctionCall | QueryCall]
    previous_response_id: str | None = None
    background: bool = False
    error: ResponseError | None = None


class ResponseList(ListReply):
    data: list[ResponseListItem]


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
