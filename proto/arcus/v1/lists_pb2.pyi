from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Sort(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SORT_UNSPECIFIED: _ClassVar[Sort]
    SORT_ASC: _ClassVar[Sort]
    SORT_DESC: _ClassVar[Sort]
SORT_UNSPECIFIED: Sort
SORT_ASC: Sort
SORT_DESC: Sort

class Page(_message.Message):
    __slots__ = ("limit", "offset", "order", "sort", "after")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    limit: int
    offset: int
    order: str
    sort: Sort
    after: str
    def __init__(self, limit: _Optional[int] = ..., offset: _Optional[int] = ..., order: _Optional[str] = ..., sort: _Optional[_Union[Sort, str]] = ..., after: _Optional[str] = ...) -> None: ...

class TimeRange(_message.Message):
    __slots__ = ("after", "before")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    after: int
    before: int
    def __init__(self, after: _Optional[int] = ..., before: _Optional[int] = ...) -> None: ...

class Criterion(_message.Message):
    __slots__ = ("path", "operator", "value_text", "value_text_array", "scope")
    PATH_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    VALUE_TEXT_FIELD_NUMBER: _ClassVar[int]
    VALUE_TEXT_ARRAY_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    path: str
    operator: str
    value_text: str
    value_text_array: _containers.RepeatedScalarFieldContainer[str]
    scope: str
    def __init__(self, path: _Optional[str] = ..., operator: _Optional[str] = ..., value_text: _Optional[str] = ..., value_text_array: _Optional[_Iterable[str]] = ..., scope: _Optional[str] = ...) -> None: ...

class SearchFilter(_message.Message):
    __slots__ = ("metadata", "video_info", "file", "source_metadata")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    VIDEO_INFO_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_METADATA_FIELD_NUMBER: _ClassVar[int]
    metadata: _containers.RepeatedCompositeFieldContainer[Criterion]
    video_info: _containers.RepeatedCompositeFieldContainer[Criterion]
    file: _containers.RepeatedCompositeFieldContainer[Criterion]
    source_metadata: _containers.RepeatedCompositeFieldContainer[Criterion]
    def __init__(self, metadata: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ..., video_info: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ..., file: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ..., source_metadata: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ...) -> None: ...
