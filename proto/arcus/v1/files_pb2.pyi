from arcus.v1 import lists_pb2 as _lists_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_UNSPECIFIED: _ClassVar[Status]
    STATUS_PENDING: _ClassVar[Status]
    STATUS_PROCESSING: _ClassVar[Status]
    STATUS_COMPLETED: _ClassVar[Status]
    STATUS_FAILED: _ClassVar[Status]
    STATUS_NOT_APPLICABLE: _ClassVar[Status]
STATUS_UNSPECIFIED: Status
STATUS_PENDING: Status
STATUS_PROCESSING: Status
STATUS_COMPLETED: Status
STATUS_FAILED: Status
STATUS_NOT_APPLICABLE: Status

class MediaInfo(_message.Message):
    __slots__ = ("media_type", "duration_seconds", "format", "has_audio", "width", "height", "sample_rate", "channels", "bitrate")
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    HAS_AUDIO_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    BITRATE_FIELD_NUMBER: _ClassVar[int]
    media_type: str
    duration_seconds: float
    format: str
    has_audio: bool
    width: int
    height: int
    sample_rate: int
    channels: int
    bitrate: int
    def __init__(self, media_type: _Optional[str] = ..., duration_seconds: _Optional[float] = ..., format: _Optional[str] = ..., has_audio: bool = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., sample_rate: _Optional[int] = ..., channels: _Optional[int] = ..., bitrate: _Optional[int] = ...) -> None: ...

class File(_message.Message):
    __slots__ = ("id", "status", "filename", "uri", "size_bytes", "created_at", "metadata", "source", "media_info", "error", "thumbnail_url")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MEDIA_INFO_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_URL_FIELD_NUMBER: _ClassVar[int]
    id: str
    status: Status
    filename: str
    uri: str
    size_bytes: int
    created_at: int
    metadata: _struct_pb2.Struct
    source: str
    media_info: MediaInfo
    error: str
    thumbnail_url: str
    def __init__(self, id: _Optional[str] = ..., status: _Optional[_Union[Status, str]] = ..., filename: _Optional[str] = ..., uri: _Optional[str] = ..., size_bytes: _Optional[int] = ..., created_at: _Optional[int] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., source: _Optional[str] = ..., media_info: _Optional[_Union[MediaInfo, _Mapping]] = ..., error: _Optional[str] = ..., thumbnail_url: _Optional[str] = ...) -> None: ...

class UploadHeader(_message.Message):
    __slots__ = ("filename", "metadata", "enable_segment_thumbnails", "size_bytes", "content_type")
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SEGMENT_THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    filename: str
    metadata: _struct_pb2.Struct
    enable_segment_thumbnails: bool
    size_bytes: int
    content_type: str
    def __init__(self, filename: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., enable_segment_thumbnails: bool = ..., size_bytes: _Optional[int] = ..., content_type: _Optional[str] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: UploadHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class GetFileRequest(_message.Message):
    __slots__ = ("file_id",)
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    def __init__(self, file_id: _Optional[str] = ...) -> None: ...

class ListFilesRequest(_message.Message):
    __slots__ = ("page", "status", "created", "filter")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page: _lists_pb2.Page
    status: Status
    created: _lists_pb2.TimeRange
    filter: _lists_pb2.SearchFilter
    def __init__(self, page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., status: _Optional[_Union[Status, str]] = ..., created: _Optional[_Union[_lists_pb2.TimeRange, _Mapping]] = ..., filter: _Optional[_Union[_lists_pb2.SearchFilter, _Mapping]] = ...) -> None: ...

class ListFilesResponse(_message.Message):
    __slots__ = ("files", "total", "next_after")
    FILES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[File]
    total: int
    next_after: str
    def __init__(self, files: _Optional[_Iterable[_Union[File, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...

class UpdateFileRequest(_message.Message):
    __slots__ = ("file_id", "filename", "metadata")
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    filename: str
    metadata: _struct_pb2.Struct
    def __init__(self, file_id: _Optional[str] = ..., filename: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class DeleteFileRequest(_message.Message):
    __slots__ = ("file_id",)
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    def __init__(self, file_id: _Optional[str] = ...) -> None: ...

class ListThumbnailsRequest(_message.Message):
    __slots__ = ("file_id", "page", "is_default", "segmentation_id")
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    SEGMENTATION_ID_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    page: _lists_pb2.Page
    is_default: bool
    segmentation_id: str
    def __init__(self, file_id: _Optional[str] = ..., page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., is_default: bool = ..., segmentation_id: _Optional[str] = ...) -> None: ...

class Thumbnail(_message.Message):
    __slots__ = ("id", "url", "time", "segmentation_id", "segment_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    SEGMENTATION_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    url: str
    time: float
    segmentation_id: str
    segment_id: str
    def __init__(self, id: _Optional[str] = ..., url: _Optional[str] = ..., time: _Optional[float] = ..., segmentation_id: _Optional[str] = ..., segment_id: _Optional[str] = ...) -> None: ...

class ListThumbnailsResponse(_message.Message):
    __slots__ = ("thumbnails", "total", "next_after")
    THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    thumbnails: _containers.RepeatedCompositeFieldContainer[Thumbnail]
    total: int
    next_after: str
    def __init__(self, thumbnails: _Optional[_Iterable[_Union[Thumbnail, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...
