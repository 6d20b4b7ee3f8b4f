from arcus.v1 import collections_pb2 as _collections_pb2
from arcus.v1 import files_pb2 as _files_pb2
from arcus.v1 import lists_pb2 as _lists_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Segmentation(_message.Message):
    __slots__ = ("id", "file_id", "status", "created_at", "segmentation_config", "segment_count")
    ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SEGMENTATION_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    file_id: str
    status: _files_pb2.Status
    created_at: int
    segmentation_config: _collections_pb2.SegmentationConfig
    segment_count: int
    def __init__(self, id: _Optional[str] = ..., file_id: _Optional[str] = ..., status: _Optional[_Union[_files_pb2.Status, str]] = ..., created_at: _Optional[int] = ..., segmentation_config: _Optional[_Union[_collections_pb2.SegmentationConfig, _Mapping]] = ..., segment_count: _Optional[int] = ...) -> None: ...

class ListSegmentationsRequest(_message.Message):
    __slots__ = ("file_id", "page")
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    page: _lists_pb2.Page
    def __init__(self, file_id: _Optional[str] = ..., page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ...) -> None: ...

class ListSegmentationsResponse(_message.Message):
    __slots__ = ("segmentations", "total", "next_after")
    SEGMENTATIONS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    segmentations: _containers.RepeatedCompositeFieldContainer[Segmentation]
    total: int
    next_after: str
    def __init__(self, segmentations: _Optional[_Iterable[_Union[Segmentation, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("id", "file_id", "segmentation_id", "start_time", "end_time", "metadata", "thumbnail_url")
    ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENTATION_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_URL_FIELD_NUMBER: _ClassVar[int]
    id: str
    file_id: str
    segmentation_id: str
    start_time: float
    end_time: float
    metadata: _struct_pb2.Struct
    thumbnail_url: str
    def __init__(self, id: _Optional[str] = ..., file_id: _Optional[str] = ..., segmentation_id: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., thumbnail_url: _Optional[str] = ...) -> None: ...

class ListSegmentsRequest(_message.Message):
    __slots__ = ("file_id", "page", "start_time_after", "end_time_before", "min_duration", "max_duration")
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_AFTER_FIELD_NUMBER: _ClassVar[int]
    END_TIME_BEFORE_FIELD_NUMBER: _ClassVar[int]
    MIN_DURATION_FIELD_NUMBER: _ClassVar[int]
    MAX_DURATION_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    page: _lists_pb2.Page
    start_time_after: float
    end_time_before: float
    min_duration: float
    max_duration: float
    def __init__(self, file_id: _Optional[str] = ..., page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., start_time_after: _Optional[float] = ..., end_time_before: _Optional[float] = ..., min_duration: _Optional[float] = ..., max_duration: _Optional[float] = ...) -> None: ...

class ListSegmentsResponse(_message.Message):
    __slots__ = ("segments", "total", "next_after")
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    segments: _containers.RepeatedCompositeFieldContainer[Segment]
    total: int
    next_after: str
    def __init__(self, segments: _Optional[_Iterable[_Union[Segment, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...

class GetSegmentRequest(_message.Message):
    __slots__ = ("file_id", "segment_id")
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    segment_id: str
    def __init__(self, file_id: _Optional[str] = ..., segment_id: _Optional[str] = ...) -> None: ...

class UpdateSegmentRequest(_message.Message):
    __slots__ = ("file_id", "segment_id", "metadata")
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    segment_id: str
    metadata: _struct_pb2.Struct
    def __init__(self, file_id: _Optional[str] = ..., segment_id: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
