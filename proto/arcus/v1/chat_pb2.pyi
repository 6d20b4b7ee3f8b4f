from arcus.v1 import lists_pb2 as _lists_pb2
from arcus.v1 import responses_pb2 as _responses_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChatMessage(_message.Message):
    __slots__ = ("role", "content", "name", "tool_calls", "tool_call_id", "refusal")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    role: str
    content: str
    name: str
    tool_calls: _containers.RepeatedCompositeFieldContainer[ChatToolCall]
    tool_call_id: str
    refusal: str
    def __init__(self, role: _Optional[str] = ..., content: _Optional[str] = ..., name: _Optional[str] = ..., tool_calls: _Optional[_Iterable[_Union[ChatToolCall, _Mapping]]] = ..., tool_call_id: _Optional[str] = ..., refusal: _Optional[str] = ...) -> None: ...

class ChatToolCall(_message.Message):
    __slots__ = ("index", "id", "type", "function")
    class Function(_message.Message):
        __slots__ = ("name", "arguments")
        NAME_FIELD_NUMBER: _ClassVar[int]
        ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
        name: str
        arguments: str
        def __init__(self, name: _Optional[str] = ..., arguments: _Optional[str] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    index: int
    id: str
    type: str
    function: ChatToolCall.Function
    def __init__(self, index: _Optional[int] = ..., id: _Optional[str] = ..., type: _Optional[str] = ..., function: _Optional[_Union[ChatToolCall.Function, _Mapping]] = ...) -> None: ...

class CreateChatCompletionRequest(_message.Message):
    __slots__ = ("model", "messages", "collections", "filter", "temperature", "max_completion_tokens", "tools", "tool_choice", "metadata", "store", "include_citations", "include_usage", "allowed_tools", "parallel_tool_calls", "max_tool_calls", "top_p", "truncation", "verbosity", "user", "safety_identifier", "prompt_cache_key", "text_format")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    MAX_COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_CITATIONS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_USAGE_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_TOOLS_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    VERBOSITY_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SAFETY_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    PROMPT_CACHE_KEY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    model: str
    messages: _containers.RepeatedCompositeFieldContainer[ChatMessage]
    collections: _containers.RepeatedScalarFieldContainer[str]
    filter: _lists_pb2.SearchFilter
    temperature: float
    max_completion_tokens: int
    tools: _containers.RepeatedCompositeFieldContainer[_responses_pb2.Tool]
    tool_choice: str
    metadata: _struct_pb2.Struct
    store: bool
    include_citations: bool
    include_usage: bool
    allowed_tools: _containers.RepeatedScalarFieldContainer[str]
    parallel_tool_calls: bool
    max_tool_calls: int
    top_p: float
    truncation: str
    verbosity: str
    user: str
    safety_identifier: str
    prompt_cache_key: str
    text_format: _responses_pb2.TextFormat
    def __init__(self, model: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[ChatMessage, _Mapping]]] = ..., collections: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[_lists_pb2.SearchFilter, _Mapping]] = ..., temperature: _Optional[float] = ..., max_completion_tokens: _Optional[int] = ..., tools: _Optional[_Iterable[_Union[_responses_pb2.Tool, _Mapping]]] = ..., tool_choice: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., store: bool = ..., include_citations: bool = ..., include_usage: bool = ..., allowed_tools: _Optional[_Iterable[str]] = ..., parallel_tool_calls: bool = ..., max_tool_calls: _Optional[int] = ..., top_p: _Optional[float] = ..., truncation: _Optional[str] = ..., verbosity: _Optional[str] = ..., user: _Optional[str] = ..., safety_identifier: _Optional[str] = ..., prompt_cache_key: _Optional[str] = ..., text_format: _Optional[_Union[_responses_pb2.TextFormat, _Mapping]] = ...) -> None: ...

class ChatCitation(_message.Message):
    __slots__ = ("file_id", "collection_id", "segment_id", "start_time", "end_time", "context", "relevant_sources", "visual_scene_description", "scene_text", "speech", "audio_description")
    class RelevantSource(_message.Message):
        __slots__ = ("text",)
        TEXT_FIELD_NUMBER: _ClassVar[int]
        text: str
        def __init__(self, text: _Optional[str] = ...) -> None: ...
    class DescriptionPart(_message.Message):
        __slots__ = ("text", "start_time", "end_time")
        TEXT_FIELD_NUMBER: _ClassVar[int]
        START_TIME_FIELD_NUMBER: _ClassVar[int]
        END_TIME_FIELD_NUMBER: _ClassVar[int]
        text: str
        start_time: float
        end_time: float
        def __init__(self, text: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ...) -> None: ...
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    RELEVANT_SOURCES_FIELD_NUMBER: _ClassVar[int]
    VISUAL_SCENE_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SCENE_TEXT_FIELD_NUMBER: _ClassVar[int]
    SPEECH_FIELD_NUMBER: _ClassVar[int]
    AUDIO_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    collection_id: str
    segment_id: str
    start_time: float
    end_time: float
    context: str
    relevant_sources: _containers.RepeatedCompositeFieldContainer[ChatCitation.RelevantSource]
    visual_scene_description: _containers.RepeatedCompositeFieldContainer[ChatCitation.DescriptionPart]
    scene_text: _containers.RepeatedCompositeFieldContainer[ChatCitation.DescriptionPart]
    speech: _containers.RepeatedCompositeFieldContainer[ChatCitation.DescriptionPart]
    audio_description: _containers.RepeatedCompositeFieldContainer[ChatCitation.DescriptionPart]
    def __init__(self, file_id: _Optional[str] = ..., collection_id: _Optional[str] = ..., segment_id: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., context: _Optional[str] = ..., relevant_sources: _Optional[_Iterable[_Union[ChatCitation.RelevantSource, _Mapping]]] = ..., visual_scene_description: _Optional[_Iterable[_Union[ChatCitation.DescriptionPart, _Mapping]]] = ..., scene_text: _Optional[_Iterable[_Union[ChatCitation.DescriptionPart, _Mapping]]] = ..., speech: _Optional[_Iterable[_Union[ChatCitation.DescriptionPart, _Mapping]]] = ..., audio_description: _Optional[_Iterable[_Union[ChatCitation.DescriptionPart, _Mapping]]] = ...) -> None: ...

class ChatUsage(_message.Message):
    __slots__ = ("prompt_tokens", "completion_tokens", "total_tokens")
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    def __init__(self, prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., total_tokens: _Optional[int] = ...) -> None: ...

class ChatPayload(_message.Message):
    __slots__ = ("messages", "temperature", "filter", "collections")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[ChatMessage]
    temperature: float
    filter: _lists_pb2.SearchFilter
    collections: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, messages: _Optional[_Iterable[_Union[ChatMessage, _Mapping]]] = ..., temperature: _Optional[float] = ..., filter: _Optional[_Union[_lists_pb2.SearchFilter, _Mapping]] = ..., collections: _Optional[_Iterable[str]] = ...) -> None: ...

class ChatCompletion(_message.Message):
    __slots__ = ("id", "created_at", "model", "message", "finish_reason", "citations", "usage", "payload", "metadata")
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    created_at: int
    model: str
    message: ChatMessage
    finish_reason: str
    citations: _containers.RepeatedCompositeFieldContainer[ChatCitation]
    usage: ChatUsage
    payload: ChatPayload
    metadata: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., created_at: _Optional[int] = ..., model: _Optional[str] = ..., message: _Optional[_Union[ChatMessage, _Mapping]] = ..., finish_reason: _Optional[str] = ..., citations: _Optional[_Iterable[_Union[ChatCitation, _Mapping]]] = ..., usage: _Optional[_Union[ChatUsage, _Mapping]] = ..., payload: _Optional[_Union[ChatPayload, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ChatCompletionChunk(_message.Message):
    __slots__ = ("id", "created", "model", "delta", "citations", "finish_reason", "usage", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    created: int
    model: str
    delta: ChatMessage
    citations: _containers.RepeatedCompositeFieldContainer[ChatCitation]
    finish_reason: str
    usage: ChatUsage
    error: _responses_pb2.ResponseError
    def __init__(self, id: _Optional[str] = ..., created: _Optional[int] = ..., model: _Optional[str] = ..., delta: _Optional[_Union[ChatMessage, _Mapping]] = ..., citations: _Optional[_Iterable[_Union[ChatCitation, _Mapping]]] = ..., finish_reason: _Optional[str] = ..., usage: _Optional[_Union[ChatUsage, _Mapping]] = ..., error: _Optional[_Union[_responses_pb2.ResponseError, _Mapping]] = ...) -> None: ...

class GetChatCompletionRequest(_message.Message):
    __slots__ = ("chat_id",)
    CHAT_ID_FIELD_NUMBER: _ClassVar[int]
    chat_id: str
    def __init__(self, chat_id: _Optional[str] = ...) -> None: ...

class ListChatCompletionsRequest(_message.Message):
    __slots__ = ("page", "created", "after")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    page: _lists_pb2.Page
    created: _lists_pb2.TimeRange
    after: str
    def __init__(self, page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., created: _Optional[_Union[_lists_pb2.TimeRange, _Mapping]] = ..., after: _Optional[str] = ...) -> None: ...

class ListChatCompletionsResponse(_message.Message):
    __slots__ = ("completions", "total", "next_after")
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    completions: _containers.RepeatedCompositeFieldContainer[ChatCompletion]
    total: int
    next_after: str
    def __init__(self, completions: _Optional[_Iterable[_Union[ChatCompletion, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...

class DeleteChatCompletionRequest(_message.Message):
    __slots__ = ("chat_id",)
    CHAT_ID_FIELD_NUMBER: _ClassVar[int]
    chat_id: str
    def __init__(self, chat_id: _Optional[str] = ...) -> None: ...
