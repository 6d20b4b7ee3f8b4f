from arcus.v1 import lists_pb2 as _lists_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchRequest(_message.Message):
    __slots__ = ("scope", "collections", "query", "limit", "filter", "threshold", "group_by_key", "sort_by", "search_modalities")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_KEY_FIELD_NUMBER: _ClassVar[int]
    SORT_BY_FIELD_NUMBER: _ClassVar[int]
    SEARCH_MODALITIES_FIELD_NUMBER: _ClassVar[int]
    scope: str
    collections: _containers.RepeatedScalarFieldContainer[str]
    query: str
    limit: int
    filter: _lists_pb2.SearchFilter
    threshold: float
    group_by_key: str
    sort_by: str
    search_modalities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, scope: _Optional[str] = ..., collections: _Optional[_Iterable[str]] = ..., query: _Optional[str] = ..., limit: _Optional[int] = ..., filter: _Optional[_Union[_lists_pb2.SearchFilter, _Mapping]] = ..., threshold: _Optional[float] = ..., group_by_key: _Optional[str] = ..., sort_by: _Optional[str] = ..., search_modalities: _Optional[_Iterable[str]] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("id", "query", "scope", "group_by_key", "group_count", "search_modalities", "results", "total", "limit", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_KEY_FIELD_NUMBER: _ClassVar[int]
    GROUP_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEARCH_MODALITIES_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    query: str
    scope: str
    group_by_key: str
    group_count: int
    search_modalities: _containers.RepeatedScalarFieldContainer[str]
    results: _containers.RepeatedCompositeFieldContainer[SearchResult]
    total: int
    limit: int
    created_at: int
    def __init__(self, id: _Optional[str] = ..., query: _Optional[str] = ..., scope: _Optional[str] = ..., group_by_key: _Optional[str] = ..., group_count: _Optional[int] = ..., search_modalities: _Optional[_Iterable[str]] = ..., results: _Optional[_Iterable[_Union[SearchResult, _Mapping]]] = ..., total: _Optional[int] = ..., limit: _Optional[int] = ..., created_at: _Optional[int] = ...) -> None: ...

class SearchResult(_message.Message):
    __slots__ = ("file", "segment", "segment_group")
    FILE_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_GROUP_FIELD_NUMBER: _ClassVar[int]
    file: FileResult
    segment: SegmentResult
    segment_group: SegmentGroup
    def __init__(self, file: _Optional[_Union[FileResult, _Mapping]] = ..., segment: _Optional[_Union[SegmentResult, _Mapping]] = ..., segment_group: _Optional[_Union[SegmentGroup, _Mapping]] = ...) -> None: ...

class FileResult(_message.Message):
    __slots__ = ("id", "file_id", "collection_id", "score", "filename", "generated_title", "summary", "thumbnail_url")
    ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    GENERATED_TITLE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_URL_FIELD_NUMBER: _ClassVar[int]
    id: str
    file_id: str
    collection_id: str
    score: float
    filename: str
    generated_title: str
    summary: str
    thumbnail_url: str
    def __init__(self, id: _Optional[str] = ..., file_id: _Optional[str] = ..., collection_id: _Optional[str] = ..., score: _Optional[float] = ..., filename: _Optional[str] = ..., generated_title: _Optional[str] = ..., summary: _Optional[str] = ..., thumbnail_url: _Optional[str] = ...) -> None: ...

class SegmentResult(_message.Message):
    __slots__ = ("id", "file_id", "collection_id", "segment_id", "score", "start_time", "end_time", "title", "filename", "visual_description", "scene_text", "speech", "thumbnail_url", "metadata")
    class TimedText(_message.Message):
        __slots__ = ("text", "start_time", "end_time")
        TEXT_FIELD_NUMBER: _ClassVar[int]
        START_TIME_FIELD_NUMBER: _ClassVar[int]
        END_TIME_FIELD_NUMBER: _ClassVar[int]
        text: str
        start_time: float
        end_time: float
        def __init__(self, text: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ...) -> None: ...
    class SpokenText(_message.Message):
        __slots__ = ("speaker", "text", "start_time", "end_time")
        SPEAKER_FIELD_NUMBER: _ClassVar[int]
        TEXT_FIELD_NUMBER: _ClassVar[int]
        START_TIME_FIELD_NUMBER: _ClassVar[int]
        END_TIME_FIELD_NUMBER: _ClassVar[int]
        speaker: str
        text: str
        start_time: float
        end_time: float
        def __init__(self, speaker: _Optional[str] = ..., text: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    VISUAL_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SCENE_TEXT_FIELD_NUMBER: _ClassVar[int]
    SPEECH_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_URL_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    file_id: str
    collection_id: str
    segment_id: str
    score: float
    start_time: float
    end_time: float
    title: str
    filename: str
    visual_description: _containers.RepeatedCompositeFieldContainer[SegmentResult.TimedText]
    scene_text: _containers.RepeatedCompositeFieldContainer[SegmentResult.TimedText]
    speech: _containers.RepeatedCompositeFieldContainer[SegmentResult.SpokenText]
    thumbnail_url: str
    metadata: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., file_id: _Optional[str] = ..., collection_id: _Optional[str] = ..., segment_id: _Optional[str] = ..., score: _Optional[float] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., title: _Optional[str] = ..., filename: _Optional[str] = ..., visual_description: _Optional[_Iterable[_Union[SegmentResult.TimedText, _Mapping]]] = ..., scene_text: _Optional[_Iterable[_Union[SegmentResult.TimedText, _Mapping]]] = ..., speech: _Optional[_Iterable[_Union[SegmentResult.SpokenText, _Mapping]]] = ..., thumbnail_url: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class SegmentGroup(_message.Message):
    __slots__ = ("file_id", "matched_items", "item_count", "best_score")
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    MATCHED_ITEMS_FIELD_NUMBER: _ClassVar[int]
    ITEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    BEST_SCORE_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    matched_items: _containers.RepeatedCompositeFieldContainer[SegmentResult]
    item_count: int
    best_score: float
    def __init__(self, file_id: _Optional[str] = ..., matched_items: _Optional[_Iterable[_Union[SegmentResult, _Mapping]]] = ..., item_count: _Optional[int] = ..., best_score: _Optional[float] = ...) -> None: ...

class GetSearchRequest(_message.Message):
    __slots__ = ("search_id",)
    SEARCH_ID_FIELD_NUMBER: _ClassVar[int]
    search_id: str
    def __init__(self, search_id: _Optional[str] = ...) -> None: ...

class ListSearchesRequest(_message.Message):
    __slots__ = ("page", "created")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    page: _lists_pb2.Page
    created: _lists_pb2.TimeRange
    def __init__(self, page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., created: _Optional[_Union[_lists_pb2.TimeRange, _Mapping]] = ...) -> None: ...

class ListSearchesResponse(_message.Message):
    __slots__ = ("searches", "total", "next_after")
    SEARCHES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    searches: _containers.RepeatedCompositeFieldContainer[SearchResponse]
    total: int
    next_after: str
    def __init__(self, searches: _Optional[_Iterable[_Union[SearchResponse, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...
