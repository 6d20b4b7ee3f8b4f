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


class KnowledgeBase(Body):
    source: Literal["collections", "files", "default"] = "collections"
    collections: list[str] | None = None
    files: list[str] | None = None
    filter: dict[str, Any] | None = Field(None, description="metadata, video_info and file criteria.")


class CreateResponse(Body):
    model: Literal["nimbus-001", "nimbus-002-preview"]
    input: str | list[InputMessage]
    instructions: str | None = None
    temperature: Number | None = Field(None, description="From 0 to 2.")
    max_output_tokens: int | None = Field(None, description="From 1 to 128000.")
    knowledge_base: KnowledgeBase | None = None
    include: list[str] | None = Field(None, description="cloudglue_citations.media_descriptions")
    tools: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None
    stream: bool = False
    store: bool = True


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
    output: list[OutputMessage]
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
