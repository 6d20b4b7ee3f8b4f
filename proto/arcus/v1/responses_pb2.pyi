from arcus.v1 import lists_pb2 as _lists_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ResponseStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESPONSE_STATUS_UNSPECIFIED: _ClassVar[ResponseStatus]
    RESPONSE_STATUS_IN_PROGRESS: _ClassVar[ResponseStatus]
    RESPONSE_STATUS_COMPLETED: _ClassVar[ResponseStatus]
    RESPONSE_STATUS_FAILED: _ClassVar[ResponseStatus]
    RESPONSE_STATUS_CANCELLED: _ClassVar[ResponseStatus]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_DEVELOPER: _ClassVar[Role]
    ROLE_USER: _ClassVar[Role]
    ROLE_ASSISTANT: _ClassVar[Role]

class KnowledgeSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KNOWLEDGE_SOURCE_UNSPECIFIED: _ClassVar[KnowledgeSource]
    KNOWLEDGE_SOURCE_COLLECTIONS: _ClassVar[KnowledgeSource]
    KNOWLEDGE_SOURCE_FILES: _ClassVar[KnowledgeSource]
    KNOWLEDGE_SOURCE_DEFAULT: _ClassVar[KnowledgeSource]
RESPONSE_STATUS_UNSPECIFIED: ResponseStatus
RESPONSE_STATUS_IN_PROGRESS: ResponseStatus
RESPONSE_STATUS_COMPLETED: ResponseStatus
RESPONSE_STATUS_FAILED: ResponseStatus
RESPONSE_STATUS_CANCELLED: ResponseStatus
ROLE_UNSPECIFIED: Role
ROLE_DEVELOPER: Role
ROLE_USER: Role
ROLE_ASSISTANT: Role
KNOWLEDGE_SOURCE_UNSPECIFIED: KnowledgeSource
KNOWLEDGE_SOURCE_COLLECTIONS: KnowledgeSource
KNOWLEDGE_SOURCE_FILES: KnowledgeSource
KNOWLEDGE_SOURCE_DEFAULT: KnowledgeSource

class InputMessage(_message.Message):
    __slots__ = ("role", "text", "function_call", "function_call_output", "item_reference")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALL_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALL_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ITEM_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    role: Role
    text: str
    function_call: FunctionCall
    function_call_output: FunctionCallOutput
    item_reference: str
    def __init__(self, role: _Optional[_Union[Role, str]] = ..., text: _Optional[str] = ..., function_call: _Optional[_Union[FunctionCall, _Mapping]] = ..., function_call_output: _Optional[_Union[FunctionCallOutput, _Mapping]] = ..., item_reference: _Optional[str] = ...) -> None: ...

class FunctionCall(_message.Message):
    __slots__ = ("call_id", "name", "arguments")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    name: str
    arguments: str
    def __init__(self, call_id: _Optional[str] = ..., name: _Optional[str] = ..., arguments: _Optional[str] = ...) -> None: ...

class FunctionCallOutput(_message.Message):
    __slots__ = ("call_id", "output")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    output: str
    def __init__(self, call_id: _Optional[str] = ..., output: _Optional[str] = ...) -> None: ...

class Tool(_message.Message):
    __slots__ = ("name", "description", "parameters", "strict")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    parameters: _struct_pb2.Struct
    strict: bool
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., parameters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., strict: bool = ...) -> None: ...

class KnowledgeBase(_message.Message):
    __slots__ = ("source", "collections", "files", "filter", "entity_backed_knowledge")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ENTITY_BACKED_KNOWLEDGE_FIELD_NUMBER: _ClassVar[int]
    source: KnowledgeSource
    collections: _containers.RepeatedScalarFieldContainer[str]
    files: _containers.RepeatedScalarFieldContainer[str]
    filter: _lists_pb2.SearchFilter
    entity_backed_knowledge: EntityBackedKnowledge
    def __init__(self, source: _Optional[_Union[KnowledgeSource, str]] = ..., collections: _Optional[_Iterable[str]] = ..., files: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[_lists_pb2.SearchFilter, _Mapping]] = ..., entity_backed_knowledge: _Optional[_Union[EntityBackedKnowledge, _Mapping]] = ...) -> None: ...

class EntityBackedKnowledge(_message.Message):
    __slots__ = ("entity_collections", "description")
    ENTITY_COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    entity_collections: _containers.RepeatedCompositeFieldContainer[EntityCollection]
    description: str
    def __init__(self, entity_collections: _Optional[_Iterable[_Union[EntityCollection, _Mapping]]] = ..., description: _Optional[str] = ...) -> None: ...

class EntityCollection(_message.Message):
    __slots__ = ("collection_id", "name", "description")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    name: str
    description: str
    def __init__(self, collection_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class CreateResponseRequest(_message.Message):
    __slots__ = ("model", "messages", "instructions", "temperature", "max_output_tokens", "knowledge_base", "include", "metadata", "store", "background", "previous_response_id", "tools", "tool_choice", "allowed_tools", "parallel_tool_calls", "max_tool_calls", "top_p", "truncation", "verbosity", "user", "safety_identifier", "prompt_cache_key", "text_format")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    KNOWLEDGE_BASE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
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
    messages: _containers.RepeatedCompositeFieldContainer[InputMessage]
    instructions: str
    temperature: float
    max_output_tokens: int
    knowledge_base: KnowledgeBase
    include: _containers.RepeatedScalarFieldContainer[str]
    metadata: _struct_pb2.Struct
    store: bool
    background: bool
    previous_response_id: str
    tools: _containers.RepeatedCompositeFieldContainer[Tool]
    tool_choice: str
    allowed_tools: _containers.RepeatedScalarFieldContainer[str]
    parallel_tool_calls: bool
    max_tool_calls: int
    top_p: float
    truncation: str
    verbosity: str
    user: str
    safety_identifier: str
    prompt_cache_key: str
    text_format: TextFormat
    def __init__(self, model: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[InputMessage, _Mapping]]] = ..., instructions: _Optional[str] = ..., temperature: _Optional[float] = ..., max_output_tokens: _Optional[int] = ..., knowledge_base: _Optional[_Union[KnowledgeBase, _Mapping]] = ..., include: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., store: bool = ..., background: bool = ..., previous_response_id: _Optional[str] = ..., tools: _Optional[_Iterable[_Union[Tool, _Mapping]]] = ..., tool_choice: _Optional[str] = ..., allowed_tools: _Optional[_Iterable[str]] = ..., parallel_tool_calls: bool = ..., max_tool_calls: _Optional[int] = ..., top_p: _Optional[float] = ..., truncation: _Optional[str] = ..., verbosity: _Optional[str] = ..., user: _Optional[str] = ..., safety_identifier: _Optional[str] = ..., prompt_cache_key: _Optional[str] = ..., text_format: _Optional[_Union[TextFormat, _Mapping]] = ...) -> None: ...

class TextFormat(_message.Message):
    __slots__ = ("type", "name", "description", "schema", "strict")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    type: str
    name: str
    description: str
    schema: _struct_pb2.Struct
    strict: bool
    def __init__(self, type: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., strict: bool = ...) -> None: ...

class Citation(_message.Message):
    __slots__ = ("file_id", "collection_id", "segment_id", "start_time", "end_time", "context", "relevant_sources", "visual_scene_description", "scene_text", "speech", "audio_description")
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
    relevant_sources: _containers.RepeatedScalarFieldContainer[str]
    visual_scene_description: _containers.RepeatedScalarFieldContainer[str]
    scene_text: _containers.RepeatedScalarFieldContainer[str]
    speech: _containers.RepeatedScalarFieldContainer[str]
    audio_description: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, file_id: _Optional[str] = ..., collection_id: _Optional[str] = ..., segment_id: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., context: _Optional[str] = ..., relevant_sources: _Optional[_Iterable[str]] = ..., visual_scene_description: _Optional[_Iterable[str]] = ..., scene_text: _Optional[_Iterable[str]] = ..., speech: _Optional[_Iterable[str]] = ..., audio_description: _Optional[_Iterable[str]] = ...) -> None: ...

class ContentPart(_message.Message):
    __slots__ = ("type", "text", "annotations")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    type: str
    text: str
    annotations: _containers.RepeatedCompositeFieldContainer[Citation]
    def __init__(self, type: _Optional[str] = ..., text: _Optional[str] = ..., annotations: _Optional[_Iterable[_Union[Citation, _Mapping]]] = ...) -> None: ...

class OutputItem(_message.Message):
    __slots__ = ("type", "id", "status", "role", "content", "function_call", "query_call")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALL_FIELD_NUMBER: _ClassVar[int]
    QUERY_CALL_FIELD_NUMBER: _ClassVar[int]
    type: str
    id: str
    status: str
    role: str
    content: _containers.RepeatedCompositeFieldContainer[ContentPart]
    function_call: FunctionCall
    query_call: QueryCall
    def __init__(self, type: _Optional[str] = ..., id: _Optional[str] = ..., status: _Optional[str] = ..., role: _Optional[str] = ..., content: _Optional[_Iterable[_Union[ContentPart, _Mapping]]] = ..., function_call: _Optional[_Union[FunctionCall, _Mapping]] = ..., query_call: _Optional[_Union[QueryCall, _Mapping]] = ...) -> None: ...

class QueryCall(_message.Message):
    __slots__ = ("sql", "row_count", "total_rows", "truncated", "error")
    SQL_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_ROWS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sql: str
    row_count: int
    total_rows: int
    truncated: bool
    error: str
    def __init__(self, sql: _Optional[str] = ..., row_count: _Optional[int] = ..., total_rows: _Optional[int] = ..., truncated: bool = ..., error: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_tokens", "output_tokens", "total_tokens")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    output_tokens: int
    total_tokens: int
    def __init__(self, input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., total_tokens: _Optional[int] = ...) -> None: ...

class ResponseError(_message.Message):
    __slots__ = ("message", "type", "code")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    message: str
    type: str
    code: str
    def __init__(self, message: _Optional[str] = ..., type: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ("id", "status", "created_at", "model", "instructions", "output", "usage", "error", "incomplete_reason", "metadata", "previous_response_id", "background", "completed_at", "store", "temperature", "top_p", "max_output_tokens", "tools", "tool_choice", "allowed_tools", "parallel_tool_calls", "max_tool_calls", "truncation", "verbosity", "user", "safety_identifier", "prompt_cache_key", "text_format")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_REASON_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_TOOLS_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    VERBOSITY_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SAFETY_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    PROMPT_CACHE_KEY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    id: str
    status: ResponseStatus
    created_at: int
    model: str
    instructions: str
    output: _containers.RepeatedCompositeFieldContainer[OutputItem]
    usage: Usage
    error: ResponseError
    incomplete_reason: str
    metadata: _struct_pb2.Struct
    previous_response_id: str
    background: bool
    completed_at: int
    store: bool
    temperature: float
    top_p: float
    max_output_tokens: int
    tools: _containers.RepeatedCompositeFieldContainer[Tool]
    tool_choice: str
    allowed_tools: _containers.RepeatedScalarFieldContainer[str]
    parallel_tool_calls: bool
    max_tool_calls: int
    truncation: str
    verbosity: str
    user: str
    safety_identifier: str
    prompt_cache_key: str
    text_format: TextFormat
    def __init__(self, id: _Optional[str] = ..., status: _Optional[_Union[ResponseStatus, str]] = ..., created_at: _Optional[int] = ..., model: _Optional[str] = ..., instructions: _Optional[str] = ..., output: _Optional[_Iterable[_Union[OutputItem, _Mapping]]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., error: _Optional[_Union[ResponseError, _Mapping]] = ..., incomplete_reason: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., previous_response_id: _Optional[str] = ..., background: bool = ..., completed_at: _Optional[int] = ..., store: bool = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., max_output_tokens: _Optional[int] = ..., tools: _Optional[_Iterable[_Union[Tool, _Mapping]]] = ..., tool_choice: _Optional[str] = ..., allowed_tools: _Optional[_Iterable[str]] = ..., parallel_tool_calls: bool = ..., max_tool_calls: _Optional[int] = ..., truncation: _Optional[str] = ..., verbosity: _Optional[str] = ..., user: _Optional[str] = ..., safety_identifier: _Optional[str] = ..., prompt_cache_key: _Optional[str] = ..., text_format: _Optional[_Union[TextFormat, _Mapping]] = ...) -> None: ...

class ResponseEvent(_message.Message):
    __slots__ = ("type", "sequence_number", "item_id", "output_index", "content_index", "delta", "text", "annotation_index", "annotation", "part", "item", "response", "error", "arguments")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ANNOTATION_INDEX_FIELD_NUMBER: _ClassVar[int]
    ANNOTATION_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    type: str
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str
    text: str
    annotation_index: int
    annotation: Citation
    part: ContentPart
    item: OutputItem
    response: Response
    error: ResponseError
    arguments: str
    def __init__(self, type: _Optional[str] = ..., sequence_number: _Optional[int] = ..., item_id: _Optional[str] = ..., output_index: _Optional[int] = ..., content_index: _Optional[int] = ..., delta: _Optional[str] = ..., text: _Optional[str] = ..., annotation_index: _Optional[int] = ..., annotation: _Optional[_Union[Citation, _Mapping]] = ..., part: _Optional[_Union[ContentPart, _Mapping]] = ..., item: _Optional[_Union[OutputItem, _Mapping]] = ..., response: _Optional[_Union[Response, _Mapping]] = ..., error: _Optional[_Union[ResponseError, _Mapping]] = ..., arguments: _Optional[str] = ...) -> None: ...

class GetResponseRequest(_message.Message):
    __slots__ = ("response_id",)
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    def __init__(self, response_id: _Optional[str] = ...) -> None: ...

class ListResponsesRequest(_message.Message):
    __slots__ = ("page", "status", "created")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    page: _lists_pb2.Page
    status: ResponseStatus
    created: _lists_pb2.TimeRange
    def __init__(self, page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., status: _Optional[_Union[ResponseStatus, str]] = ..., created: _Optional[_Union[_lists_pb2.TimeRange, _Mapping]] = ...) -> None: ...

class ListResponsesResponse(_message.Message):
    __slots__ = ("responses", "total", "next_after")
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    responses: _containers.RepeatedCompositeFieldContainer[Response]
    total: int
    next_after: str
    def __init__(self, responses: _Optional[_Iterable[_Union[Response, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...

class DeleteResponseRequest(_message.Message):
    __slots__ = ("response_id",)
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    def __init__(self, response_id: _Optional[str] = ...) -> None: ...

class FollowResponseRequest(_message.Message):
    __slots__ = ("response_id", "starting_after")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    STARTING_AFTER_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    starting_after: int
    def __init__(self, response_id: _Optional[str] = ..., starting_after: _Optional[int] = ...) -> None: ...

class ListInputItemsRequest(_message.Message):
    __slots__ = ("response_id", "limit", "after", "sort")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    limit: int
    after: str
    sort: _lists_pb2.Sort
    def __init__(self, response_id: _Optional[str] = ..., limit: _Optional[int] = ..., after: _Optional[str] = ..., sort: _Optional[_Union[_lists_pb2.Sort, str]] = ...) -> None: ...

class ListInputItemsResponse(_message.Message):
    __slots__ = ("items", "has_more")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[InputItem]
    has_more: bool
    def __init__(self, items: _Optional[_Iterable[_Union[InputItem, _Mapping]]] = ..., has_more: bool = ...) -> None: ...

class InputItem(_message.Message):
    __slots__ = ("id", "type", "message")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: str
    message: InputMessage
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., message: _Optional[_Union[InputMessage, _Mapping]] = ...) -> None: ...

class CancelResponseRequest(_message.Message):
    __slots__ = ("response_id",)
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    def __init__(self, response_id: _Optional[str] = ...) -> None: ...
