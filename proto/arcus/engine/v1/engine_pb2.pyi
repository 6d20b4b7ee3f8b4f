from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Distinct(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISTINCT_EMBEDDING: _ClassVar[Distinct]
    DISTINCT_SEGMENT: _ClassVar[Distinct]
    DISTINCT_FILE: _ClassVar[Distinct]
DISTINCT_EMBEDDING: Distinct
DISTINCT_SEGMENT: Distinct
DISTINCT_FILE: Distinct

class EmbedRequest(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, texts: _Optional[_Iterable[str]] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("dimensions", "vectors", "tokens", "space")
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    dimensions: int
    vectors: bytes
    tokens: int
    space: str
    def __init__(self, dimensions: _Optional[int] = ..., vectors: _Optional[bytes] = ..., tokens: _Optional[int] = ..., space: _Optional[str] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("tenant_id", "collection_ids", "vector", "limit", "min_sequence", "file_ids", "segment_ids", "distinct", "space", "count")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_IDS_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MIN_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FILE_IDS_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_IDS_FIELD_NUMBER: _ClassVar[int]
    DISTINCT_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    collection_ids: _containers.RepeatedScalarFieldContainer[str]
    vector: bytes
    limit: int
    min_sequence: int
    file_ids: _containers.RepeatedScalarFieldContainer[str]
    segment_ids: _containers.RepeatedScalarFieldContainer[str]
    distinct: Distinct
    space: str
    count: int
    def __init__(self, tenant_id: _Optional[str] = ..., collection_ids: _Optional[_Iterable[str]] = ..., vector: _Optional[bytes] = ..., limit: _Optional[int] = ..., min_sequence: _Optional[int] = ..., file_ids: _Optional[_Iterable[str]] = ..., segment_ids: _Optional[_Iterable[str]] = ..., distinct: _Optional[_Union[Distinct, str]] = ..., space: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("hits", "sequence", "moved_sequence")
    HITS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MOVED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    sequence: int
    moved_sequence: int
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., sequence: _Optional[int] = ..., moved_sequence: _Optional[int] = ...) -> None: ...

class SearchManyRequest(_message.Message):
    __slots__ = ("searches", "groups")
    SEARCHES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    searches: _containers.RepeatedCompositeFieldContainer[SearchRequest]
    groups: _containers.RepeatedCompositeFieldContainer[SearchRequest]
    def __init__(self, searches: _Optional[_Iterable[_Union[SearchRequest, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[SearchRequest, _Mapping]]] = ...) -> None: ...

class SearchManyResponse(_message.Message):
    __slots__ = ("responses", "groups")
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    responses: _containers.RepeatedCompositeFieldContainer[SearchResponse]
    groups: GroupHits
    def __init__(self, responses: _Optional[_Iterable[_Union[SearchResponse, _Mapping]]] = ..., groups: _Optional[_Union[GroupHits, _Mapping]] = ...) -> None: ...

class GroupHits(_message.Message):
    __slots__ = ("counts", "embedding_ids", "collections", "scores", "sequence", "moved_sequence")
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_IDS_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MOVED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    counts: bytes
    embedding_ids: bytes
    collections: bytes
    scores: bytes
    sequence: int
    moved_sequence: int
    def __init__(self, counts: _Optional[bytes] = ..., embedding_ids: _Optional[bytes] = ..., collections: _Optional[bytes] = ..., scores: _Optional[bytes] = ..., sequence: _Optional[int] = ..., moved_sequence: _Optional[int] = ...) -> None: ...

class DirectRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DirectResponse(_message.Message):
    __slots__ = ("replica", "host", "port")
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    replica: str
    host: str
    port: int
    def __init__(self, replica: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...

class DirectCall(_message.Message):
    __slots__ = ("id", "timeout_ms", "metadata", "hello", "search", "search_many", "embed", "plan", "cancel")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    SEARCH_MANY_FIELD_NUMBER: _ClassVar[int]
    EMBED_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    id: int
    timeout_ms: int
    metadata: _containers.ScalarMap[str, str]
    hello: bool
    search: SearchRequest
    search_many: SearchManyRequest
    embed: EmbedRequest
    plan: PlanRequest
    cancel: bool
    def __init__(self, id: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., hello: bool = ..., search: _Optional[_Union[SearchRequest, _Mapping]] = ..., search_many: _Optional[_Union[SearchManyRequest, _Mapping]] = ..., embed: _Optional[_Union[EmbedRequest, _Mapping]] = ..., plan: _Optional[_Union[PlanRequest, _Mapping]] = ..., cancel: bool = ...) -> None: ...

class DirectReply(_message.Message):
    __slots__ = ("id", "hello", "search", "search_many", "embed", "plan", "failure")
    ID_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    SEARCH_MANY_FIELD_NUMBER: _ClassVar[int]
    EMBED_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    id: int
    hello: bool
    search: SearchResponse
    search_many: SearchManyResponse
    embed: EmbedResponse
    plan: PlanResponse
    failure: DirectFailure
    def __init__(self, id: _Optional[int] = ..., hello: bool = ..., search: _Optional[_Union[SearchResponse, _Mapping]] = ..., search_many: _Optional[_Union[SearchManyResponse, _Mapping]] = ..., embed: _Optional[_Union[EmbedResponse, _Mapping]] = ..., plan: _Optional[_Union[PlanResponse, _Mapping]] = ..., failure: _Optional[_Union[DirectFailure, _Mapping]] = ...) -> None: ...

class DirectFailure(_message.Message):
    __slots__ = ("code", "details", "trailers")
    class TrailersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    TRAILERS_FIELD_NUMBER: _ClassVar[int]
    code: str
    details: str
    trailers: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[str] = ..., details: _Optional[str] = ..., trailers: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("embedding_id", "collection_id", "score")
    EMBEDDING_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    embedding_id: int
    collection_id: str
    score: float
    def __init__(self, embedding_id: _Optional[int] = ..., collection_id: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("role", "text", "tool_calls", "tool_call_id", "pictures")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    role: str
    text: str
    tool_calls: _containers.RepeatedCompositeFieldContainer[ToolCall]
    tool_call_id: str
    pictures: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, role: _Optional[str] = ..., text: _Optional[str] = ..., tool_calls: _Optional[_Iterable[_Union[ToolCall, _Mapping]]] = ..., tool_call_id: _Optional[str] = ..., pictures: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Tool(_message.Message):
    __slots__ = ("name", "description", "parameters")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    parameters: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., parameters: _Optional[str] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("id", "name", "arguments")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    arguments: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., arguments: _Optional[str] = ...) -> None: ...

class Passage(_message.Message):
    __slots__ = ("kind", "text", "start_time", "end_time", "score")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    text: str
    start_time: float
    end_time: float
    score: float
    def __init__(self, kind: _Optional[str] = ..., text: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., score: _Optional[float] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ("number", "file_id", "segment_id", "filename", "start_time", "end_time", "passages", "part")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    number: int
    file_id: str
    segment_id: str
    filename: str
    start_time: float
    end_time: float
    passages: _containers.RepeatedCompositeFieldContainer[Passage]
    part: int
    def __init__(self, number: _Optional[int] = ..., file_id: _Optional[str] = ..., segment_id: _Optional[str] = ..., filename: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., passages: _Optional[_Iterable[_Union[Passage, _Mapping]]] = ..., part: _Optional[int] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("request_id", "tenant_id", "model", "instructions", "messages", "sources", "max_output_tokens", "temperature", "top_p", "parts", "broad", "results", "tools", "tool_choice", "max_tool_calls", "written", "output_tokens_written", "tool_calls_written", "per_file", "form", "language", "question", "embedder", "json_schema", "takes_joined")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    BROAD_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    MAX_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    PER_FILE_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_FIELD_NUMBER: _ClassVar[int]
    JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    TAKES_JOINED_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    tenant_id: str
    model: str
    instructions: str
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    sources: _containers.RepeatedCompositeFieldContainer[Source]
    max_output_tokens: int
    temperature: float
    top_p: float
    parts: _containers.RepeatedScalarFieldContainer[str]
    broad: bool
    results: _containers.RepeatedCompositeFieldContainer[QueryResult]
    tools: _containers.RepeatedCompositeFieldContainer[Tool]
    tool_choice: str
    max_tool_calls: int
    written: str
    output_tokens_written: int
    tool_calls_written: _containers.RepeatedCompositeFieldContainer[ToolCall]
    per_file: bool
    form: str
    language: str
    question: str
    embedder: str
    json_schema: str
    takes_joined: bool
    def __init__(self, request_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., model: _Optional[str] = ..., instructions: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[Source, _Mapping]]] = ..., max_output_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., parts: _Optional[_Iterable[str]] = ..., broad: bool = ..., results: _Optional[_Iterable[_Union[QueryResult, _Mapping]]] = ..., tools: _Optional[_Iterable[_Union[Tool, _Mapping]]] = ..., tool_choice: _Optional[str] = ..., max_tool_calls: _Optional[int] = ..., written: _Optional[str] = ..., output_tokens_written: _Optional[int] = ..., tool_calls_written: _Optional[_Iterable[_Union[ToolCall, _Mapping]]] = ..., per_file: bool = ..., form: _Optional[str] = ..., language: _Optional[str] = ..., question: _Optional[str] = ..., embedder: _Optional[str] = ..., json_schema: _Optional[str] = ..., takes_joined: bool = ...) -> None: ...

class GenerateChunk(_message.Message):
    __slots__ = ("text", "output_tokens", "finish_reason", "input_tokens", "tool_call", "refusal", "citations", "joined")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    text: str
    output_tokens: int
    finish_reason: str
    input_tokens: int
    tool_call: ToolCall
    refusal: str
    citations: _containers.RepeatedCompositeFieldContainer[Citation]
    joined: _containers.RepeatedCompositeFieldContainer[GenerateChunk]
    def __init__(self, text: _Optional[str] = ..., output_tokens: _Optional[int] = ..., finish_reason: _Optional[str] = ..., input_tokens: _Optional[int] = ..., tool_call: _Optional[_Union[ToolCall, _Mapping]] = ..., refusal: _Optional[str] = ..., citations: _Optional[_Iterable[_Union[Citation, _Mapping]]] = ..., joined: _Optional[_Iterable[_Union[GenerateChunk, _Mapping]]] = ...) -> None: ...

class Citation(_message.Message):
    __slots__ = ("number", "claim")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    number: int
    claim: str
    def __init__(self, number: _Optional[int] = ..., claim: _Optional[str] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "type", "description", "examples")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    description: str
    examples: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., description: _Optional[str] = ..., examples: _Optional[_Iterable[str]] = ...) -> None: ...

class EntityTable(_message.Message):
    __slots__ = ("name", "columns", "description")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    description: str
    def __init__(self, name: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., description: _Optional[str] = ...) -> None: ...

class PlanRequest(_message.Message):
    __slots__ = ("request_id", "tenant_id", "model", "instructions", "messages", "decompose", "tables", "tables_description")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    DECOMPOSE_FIELD_NUMBER: _ClassVar[int]
    TABLES_FIELD_NUMBER: _ClassVar[int]
    TABLES_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    tenant_id: str
    model: str
    instructions: str
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    decompose: bool
    tables: _containers.RepeatedCompositeFieldContainer[EntityTable]
    tables_description: str
    def __init__(self, request_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., model: _Optional[str] = ..., instructions: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., decompose: bool = ..., tables: _Optional[_Iterable[_Union[EntityTable, _Mapping]]] = ..., tables_description: _Optional[str] = ...) -> None: ...

class PlanResponse(_message.Message):
    __slots__ = ("question", "parts", "per_file", "broad", "queries", "answered_by_queries", "form", "language")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    PER_FILE_FIELD_NUMBER: _ClassVar[int]
    BROAD_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_BY_QUERIES_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    question: str
    parts: _containers.RepeatedScalarFieldContainer[str]
    per_file: bool
    broad: bool
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    answered_by_queries: bool
    form: str
    language: str
    def __init__(self, question: _Optional[str] = ..., parts: _Optional[_Iterable[str]] = ..., per_file: bool = ..., broad: bool = ..., queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ..., answered_by_queries: bool = ..., form: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...

class Query(_message.Message):
    __slots__ = ("purpose", "sql")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    purpose: str
    sql: str
    def __init__(self, purpose: _Optional[str] = ..., sql: _Optional[str] = ...) -> None: ...

class QueryResult(_message.Message):
    __slots__ = ("purpose", "sql", "columns", "rows", "row_count", "truncated", "error")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    purpose: str
    sql: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    rows: str
    row_count: int
    truncated: bool
    error: str
    def __init__(self, purpose: _Optional[str] = ..., sql: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., rows: _Optional[str] = ..., row_count: _Optional[int] = ..., truncated: bool = ..., error: _Optional[str] = ...) -> None: ...
