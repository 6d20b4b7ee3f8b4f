from arcus.v1 import files_pb2 as _files_pb2
from arcus.v1 import lists_pb2 as _lists_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CollectionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLLECTION_TYPE_UNSPECIFIED: _ClassVar[CollectionType]
    COLLECTION_TYPE_MEDIA_DESCRIPTIONS: _ClassVar[CollectionType]
    COLLECTION_TYPE_ENTITIES: _ClassVar[CollectionType]
    COLLECTION_TYPE_RICH_TRANSCRIPTS: _ClassVar[CollectionType]
    COLLECTION_TYPE_FACE_ANALYSIS: _ClassVar[CollectionType]
    COLLECTION_TYPE_METADATA: _ClassVar[CollectionType]
    COLLECTION_TYPE_MOMENTS: _ClassVar[CollectionType]

class ResponseFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESPONSE_FORMAT_UNSPECIFIED: _ClassVar[ResponseFormat]
    RESPONSE_FORMAT_TYPED: _ClassVar[ResponseFormat]
    RESPONSE_FORMAT_MARKDOWN: _ClassVar[ResponseFormat]
    RESPONSE_FORMAT_SRT: _ClassVar[ResponseFormat]
    RESPONSE_FORMAT_VTT: _ClassVar[ResponseFormat]
COLLECTION_TYPE_UNSPECIFIED: CollectionType
COLLECTION_TYPE_MEDIA_DESCRIPTIONS: CollectionType
COLLECTION_TYPE_ENTITIES: CollectionType
COLLECTION_TYPE_RICH_TRANSCRIPTS: CollectionType
COLLECTION_TYPE_FACE_ANALYSIS: CollectionType
COLLECTION_TYPE_METADATA: CollectionType
COLLECTION_TYPE_MOMENTS: CollectionType
RESPONSE_FORMAT_UNSPECIFIED: ResponseFormat
RESPONSE_FORMAT_TYPED: ResponseFormat
RESPONSE_FORMAT_MARKDOWN: ResponseFormat
RESPONSE_FORMAT_SRT: ResponseFormat
RESPONSE_FORMAT_VTT: ResponseFormat

class DescribeConfig(_message.Message):
    __slots__ = ("enable_summary", "enable_speech", "enable_scene_text", "enable_visual_scene_description", "enable_audio_description", "prompt")
    ENABLE_SUMMARY_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SPEECH_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SCENE_TEXT_FIELD_NUMBER: _ClassVar[int]
    ENABLE_VISUAL_SCENE_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ENABLE_AUDIO_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    enable_summary: bool
    enable_speech: bool
    enable_scene_text: bool
    enable_visual_scene_description: bool
    enable_audio_description: bool
    prompt: str
    def __init__(self, enable_summary: bool = ..., enable_speech: bool = ..., enable_scene_text: bool = ..., enable_visual_scene_description: bool = ..., enable_audio_description: bool = ..., prompt: _Optional[str] = ...) -> None: ...

class ExtractConfig(_message.Message):
    __slots__ = ("prompt", "schema", "enable_video_level_entities", "enable_segment_level_entities", "enable_transcript_mode")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ENABLE_VIDEO_LEVEL_ENTITIES_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SEGMENT_LEVEL_ENTITIES_FIELD_NUMBER: _ClassVar[int]
    ENABLE_TRANSCRIPT_MODE_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    schema: _struct_pb2.Struct
    enable_video_level_entities: bool
    enable_segment_level_entities: bool
    enable_transcript_mode: bool
    def __init__(self, prompt: _Optional[str] = ..., schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., enable_video_level_entities: bool = ..., enable_segment_level_entities: bool = ..., enable_transcript_mode: bool = ...) -> None: ...

class UniformConfig(_message.Message):
    __slots__ = ("window_seconds", "hop_seconds")
    WINDOW_SECONDS_FIELD_NUMBER: _ClassVar[int]
    HOP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    window_seconds: float
    hop_seconds: float
    def __init__(self, window_seconds: _Optional[float] = ..., hop_seconds: _Optional[float] = ...) -> None: ...

class ShotDetectorConfig(_message.Message):
    __slots__ = ("detector", "threshold", "min_seconds", "max_seconds", "fill_gaps")
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MIN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FILL_GAPS_FIELD_NUMBER: _ClassVar[int]
    detector: str
    threshold: float
    min_seconds: float
    max_seconds: float
    fill_gaps: bool
    def __init__(self, detector: _Optional[str] = ..., threshold: _Optional[float] = ..., min_seconds: _Optional[float] = ..., max_seconds: _Optional[float] = ..., fill_gaps: bool = ...) -> None: ...

class ManualSpan(_message.Message):
    __slots__ = ("start_time", "end_time")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    start_time: float
    end_time: float
    def __init__(self, start_time: _Optional[float] = ..., end_time: _Optional[float] = ...) -> None: ...

class ManualConfig(_message.Message):
    __slots__ = ("segments",)
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    segments: _containers.RepeatedCompositeFieldContainer[ManualSpan]
    def __init__(self, segments: _Optional[_Iterable[_Union[ManualSpan, _Mapping]]] = ...) -> None: ...

class SegmentationConfig(_message.Message):
    __slots__ = ("uniform_config", "shot_detector_config", "manual_config", "start_time_seconds", "end_time_seconds")
    UNIFORM_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SHOT_DETECTOR_CONFIG_FIELD_NUMBER: _ClassVar[int]
    MANUAL_CONFIG_FIELD_NUMBER: _ClassVar[int]
    START_TIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    END_TIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    uniform_config: UniformConfig
    shot_detector_config: ShotDetectorConfig
    manual_config: ManualConfig
    start_time_seconds: float
    end_time_seconds: float
    def __init__(self, uniform_config: _Optional[_Union[UniformConfig, _Mapping]] = ..., shot_detector_config: _Optional[_Union[ShotDetectorConfig, _Mapping]] = ..., manual_config: _Optional[_Union[ManualConfig, _Mapping]] = ..., start_time_seconds: _Optional[float] = ..., end_time_seconds: _Optional[float] = ...) -> None: ...

class Collection(_message.Message):
    __slots__ = ("id", "name", "description", "collection_type", "describe_config", "default_segmentation_config", "enable_segment_thumbnails", "created_at", "file_count", "extract_config", "transcribe_config")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIBE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_SEGMENTATION_CONFIG_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SEGMENT_THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FILE_COUNT_FIELD_NUMBER: _ClassVar[int]
    EXTRACT_CONFIG_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIBE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    description: str
    collection_type: CollectionType
    describe_config: DescribeConfig
    default_segmentation_config: SegmentationConfig
    enable_segment_thumbnails: bool
    created_at: int
    file_count: int
    extract_config: ExtractConfig
    transcribe_config: DescribeConfig
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., collection_type: _Optional[_Union[CollectionType, str]] = ..., describe_config: _Optional[_Union[DescribeConfig, _Mapping]] = ..., default_segmentation_config: _Optional[_Union[SegmentationConfig, _Mapping]] = ..., enable_segment_thumbnails: bool = ..., created_at: _Optional[int] = ..., file_count: _Optional[int] = ..., extract_config: _Optional[_Union[ExtractConfig, _Mapping]] = ..., transcribe_config: _Optional[_Union[DescribeConfig, _Mapping]] = ...) -> None: ...

class CreateCollectionRequest(_message.Message):
    __slots__ = ("name", "collection_type", "description", "describe_config", "default_segmentation_config", "enable_segment_thumbnails", "extract_config", "transcribe_config")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DESCRIBE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_SEGMENTATION_CONFIG_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SEGMENT_THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    EXTRACT_CONFIG_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIBE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    name: str
    collection_type: CollectionType
    description: str
    describe_config: DescribeConfig
    default_segmentation_config: SegmentationConfig
    enable_segment_thumbnails: bool
    extract_config: ExtractConfig
    transcribe_config: DescribeConfig
    def __init__(self, name: _Optional[str] = ..., collection_type: _Optional[_Union[CollectionType, str]] = ..., description: _Optional[str] = ..., describe_config: _Optional[_Union[DescribeConfig, _Mapping]] = ..., default_segmentation_config: _Optional[_Union[SegmentationConfig, _Mapping]] = ..., enable_segment_thumbnails: bool = ..., extract_config: _Optional[_Union[ExtractConfig, _Mapping]] = ..., transcribe_config: _Optional[_Union[DescribeConfig, _Mapping]] = ...) -> None: ...

class GetCollectionRequest(_message.Message):
    __slots__ = ("collection_id",)
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    def __init__(self, collection_id: _Optional[str] = ...) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ("page", "collection_type", "created")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    page: _lists_pb2.Page
    collection_type: CollectionType
    created: _lists_pb2.TimeRange
    def __init__(self, page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., collection_type: _Optional[_Union[CollectionType, str]] = ..., created: _Optional[_Union[_lists_pb2.TimeRange, _Mapping]] = ...) -> None: ...

class ListCollectionsResponse(_message.Message):
    __slots__ = ("collections", "total", "next_after")
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    total: int
    next_after: str
    def __init__(self, collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...

class UpdateCollectionRequest(_message.Message):
    __slots__ = ("collection_id", "name", "description")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    name: str
    description: str
    def __init__(self, collection_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class DeleteCollectionRequest(_message.Message):
    __slots__ = ("collection_id",)
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    def __init__(self, collection_id: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("stage", "segments_done", "segments_total")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_DONE_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    stage: str
    segments_done: int
    segments_total: int
    def __init__(self, stage: _Optional[str] = ..., segments_done: _Optional[int] = ..., segments_total: _Optional[int] = ...) -> None: ...

class CollectionFile(_message.Message):
    __slots__ = ("collection_id", "file_id", "added_at", "status", "file", "segmentation_id", "segmentation_config", "progress", "error")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    ADDED_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    SEGMENTATION_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENTATION_CONFIG_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    file_id: str
    added_at: int
    status: _files_pb2.Status
    file: _files_pb2.File
    segmentation_id: str
    segmentation_config: SegmentationConfig
    progress: Progress
    error: str
    def __init__(self, collection_id: _Optional[str] = ..., file_id: _Optional[str] = ..., added_at: _Optional[int] = ..., status: _Optional[_Union[_files_pb2.Status, str]] = ..., file: _Optional[_Union[_files_pb2.File, _Mapping]] = ..., segmentation_id: _Optional[str] = ..., segmentation_config: _Optional[_Union[SegmentationConfig, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., error: _Optional[str] = ...) -> None: ...

class AddFileRequest(_message.Message):
    __slots__ = ("collection_id", "file_id", "segmentation_config", "segmentation_id", "enable_segment_thumbnails", "metadata")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENTATION_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SEGMENTATION_ID_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SEGMENT_THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    file_id: str
    segmentation_config: SegmentationConfig
    segmentation_id: str
    enable_segment_thumbnails: bool
    metadata: _struct_pb2.Struct
    def __init__(self, collection_id: _Optional[str] = ..., file_id: _Optional[str] = ..., segmentation_config: _Optional[_Union[SegmentationConfig, _Mapping]] = ..., segmentation_id: _Optional[str] = ..., enable_segment_thumbnails: bool = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class GetCollectionFileRequest(_message.Message):
    __slots__ = ("collection_id", "file_id")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    file_id: str
    def __init__(self, collection_id: _Optional[str] = ..., file_id: _Optional[str] = ...) -> None: ...

class ListCollectionFilesRequest(_message.Message):
    __slots__ = ("collection_id", "page", "status", "added", "filter")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    page: _lists_pb2.Page
    status: _files_pb2.Status
    added: _lists_pb2.TimeRange
    filter: _lists_pb2.SearchFilter
    def __init__(self, collection_id: _Optional[str] = ..., page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., status: _Optional[_Union[_files_pb2.Status, str]] = ..., added: _Optional[_Union[_lists_pb2.TimeRange, _Mapping]] = ..., filter: _Optional[_Union[_lists_pb2.SearchFilter, _Mapping]] = ...) -> None: ...

class ListCollectionFilesResponse(_message.Message):
    __slots__ = ("files", "total", "next_after")
    FILES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[CollectionFile]
    total: int
    next_after: str
    def __init__(self, files: _Optional[_Iterable[_Union[CollectionFile, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...

class RemoveFileRequest(_message.Message):
    __slots__ = ("collection_id", "file_id")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    file_id: str
    def __init__(self, collection_id: _Optional[str] = ..., file_id: _Optional[str] = ...) -> None: ...

class GetMediaDescriptionRequest(_message.Message):
    __slots__ = ("collection_id", "file_id", "response_format", "modalities", "start_time_seconds", "end_time_seconds", "include_thumbnails", "include_word_timestamps", "include_shots", "include_chapters")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    MODALITIES_FIELD_NUMBER: _ClassVar[int]
    START_TIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    END_TIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_WORD_TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SHOTS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_CHAPTERS_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    file_id: str
    response_format: ResponseFormat
    modalities: _containers.RepeatedScalarFieldContainer[str]
    start_time_seconds: float
    end_time_seconds: float
    include_thumbnails: bool
    include_word_timestamps: bool
    include_shots: bool
    include_chapters: bool
    def __init__(self, collection_id: _Optional[str] = ..., file_id: _Optional[str] = ..., response_format: _Optional[_Union[ResponseFormat, str]] = ..., modalities: _Optional[_Iterable[str]] = ..., start_time_seconds: _Optional[float] = ..., end_time_seconds: _Optional[float] = ..., include_thumbnails: bool = ..., include_word_timestamps: bool = ..., include_shots: bool = ..., include_chapters: bool = ...) -> None: ...

class TimedText(_message.Message):
    __slots__ = ("text", "start_time", "end_time")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_time: float
    end_time: float
    def __init__(self, text: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("word", "start_time", "end_time")
    WORD_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    word: str
    start_time: float
    end_time: float
    def __init__(self, word: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ...) -> None: ...

class Speech(_message.Message):
    __slots__ = ("text", "start_time", "end_time", "speaker", "words")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_time: float
    end_time: float
    speaker: str
    words: _containers.RepeatedCompositeFieldContainer[Word]
    def __init__(self, text: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., speaker: _Optional[str] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ...) -> None: ...

class SegmentSummary(_message.Message):
    __slots__ = ("title", "summary", "start_time", "end_time", "thumbnail_url")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_URL_FIELD_NUMBER: _ClassVar[int]
    title: str
    summary: str
    start_time: float
    end_time: float
    thumbnail_url: str
    def __init__(self, title: _Optional[str] = ..., summary: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., thumbnail_url: _Optional[str] = ...) -> None: ...

class Shot(_message.Message):
    __slots__ = ("index", "start_time", "end_time")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    index: int
    start_time: float
    end_time: float
    def __init__(self, index: _Optional[int] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ...) -> None: ...

class Chapter(_message.Message):
    __slots__ = ("index", "start_time", "end_time", "description")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    index: int
    start_time: float
    end_time: float
    description: str
    def __init__(self, index: _Optional[int] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., description: _Optional[str] = ...) -> None: ...

class MediaDescription(_message.Message):
    __slots__ = ("collection_id", "file_id", "added_at", "status", "file", "title", "summary", "content", "visual_scene_description", "scene_text", "speech", "audio_description", "segment_summary", "shots", "chapters")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    ADDED_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    VISUAL_SCENE_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SCENE_TEXT_FIELD_NUMBER: _ClassVar[int]
    SPEECH_FIELD_NUMBER: _ClassVar[int]
    AUDIO_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SHOTS_FIELD_NUMBER: _ClassVar[int]
    CHAPTERS_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    file_id: str
    added_at: int
    status: _files_pb2.Status
    file: _files_pb2.File
    title: str
    summary: str
    content: str
    visual_scene_description: _containers.RepeatedCompositeFieldContainer[TimedText]
    scene_text: _containers.RepeatedCompositeFieldContainer[TimedText]
    speech: _containers.RepeatedCompositeFieldContainer[Speech]
    audio_description: _containers.RepeatedCompositeFieldContainer[TimedText]
    segment_summary: _containers.RepeatedCompositeFieldContainer[SegmentSummary]
    shots: _containers.RepeatedCompositeFieldContainer[Shot]
    chapters: _containers.RepeatedCompositeFieldContainer[Chapter]
    def __init__(self, collection_id: _Optional[str] = ..., file_id: _Optional[str] = ..., added_at: _Optional[int] = ..., status: _Optional[_Union[_files_pb2.Status, str]] = ..., file: _Optional[_Union[_files_pb2.File, _Mapping]] = ..., title: _Optional[str] = ..., summary: _Optional[str] = ..., content: _Optional[str] = ..., visual_scene_description: _Optional[_Iterable[_Union[TimedText, _Mapping]]] = ..., scene_text: _Optional[_Iterable[_Union[TimedText, _Mapping]]] = ..., speech: _Optional[_Iterable[_Union[Speech, _Mapping]]] = ..., audio_description: _Optional[_Iterable[_Union[TimedText, _Mapping]]] = ..., segment_summary: _Optional[_Iterable[_Union[SegmentSummary, _Mapping]]] = ..., shots: _Optional[_Iterable[_Union[Shot, _Mapping]]] = ..., chapters: _Optional[_Iterable[_Union[Chapter, _Mapping]]] = ...) -> None: ...

class ListMediaDescriptionsRequest(_message.Message):
    __slots__ = ("collection_id", "page", "added", "response_format", "modalities")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    MODALITIES_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    page: _lists_pb2.Page
    added: _lists_pb2.TimeRange
    response_format: ResponseFormat
    modalities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, collection_id: _Optional[str] = ..., page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., added: _Optional[_Union[_lists_pb2.TimeRange, _Mapping]] = ..., response_format: _Optional[_Union[ResponseFormat, str]] = ..., modalities: _Optional[_Iterable[str]] = ...) -> None: ...

class ListMediaDescriptionsResponse(_message.Message):
    __slots__ = ("descriptions", "total", "next_after")
    DESCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    descriptions: _containers.RepeatedCompositeFieldContainer[MediaDescription]
    total: int
    next_after: str
    def __init__(self, descriptions: _Optional[_Iterable[_Union[MediaDescription, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...

class GetEntitiesRequest(_message.Message):
    __slots__ = ("collection_id", "file_id", "page", "include_thumbnails", "include_shots")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SHOTS_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    file_id: str
    page: _lists_pb2.Page
    include_thumbnails: bool
    include_shots: bool
    def __init__(self, collection_id: _Optional[str] = ..., file_id: _Optional[str] = ..., page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., include_thumbnails: bool = ..., include_shots: bool = ...) -> None: ...

class SegmentEntities(_message.Message):
    __slots__ = ("start_time", "end_time", "entities", "thumbnail_url")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_URL_FIELD_NUMBER: _ClassVar[int]
    start_time: float
    end_time: float
    entities: _struct_pb2.Struct
    thumbnail_url: str
    def __init__(self, start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., entities: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., thumbnail_url: _Optional[str] = ...) -> None: ...

class ValueSource(_message.Message):
    __slots__ = ("path", "start_time", "end_time")
    PATH_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    path: str
    start_time: float
    end_time: float
    def __init__(self, path: _Optional[str] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ...) -> None: ...

class FileEntities(_message.Message):
    __slots__ = ("collection_id", "file_id", "added_at", "status", "entities", "entity_sources", "segment_entities", "total", "thumbnail_url", "shots", "next_after")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    ADDED_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    ENTITY_SOURCES_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_ENTITIES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_URL_FIELD_NUMBER: _ClassVar[int]
    SHOTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    file_id: str
    added_at: int
    status: _files_pb2.Status
    entities: _struct_pb2.Struct
    entity_sources: _containers.RepeatedCompositeFieldContainer[ValueSource]
    segment_entities: _containers.RepeatedCompositeFieldContainer[SegmentEntities]
    total: int
    thumbnail_url: str
    shots: _containers.RepeatedCompositeFieldContainer[Shot]
    next_after: str
    def __init__(self, collection_id: _Optional[str] = ..., file_id: _Optional[str] = ..., added_at: _Optional[int] = ..., status: _Optional[_Union[_files_pb2.Status, str]] = ..., entities: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., entity_sources: _Optional[_Iterable[_Union[ValueSource, _Mapping]]] = ..., segment_entities: _Optional[_Iterable[_Union[SegmentEntities, _Mapping]]] = ..., total: _Optional[int] = ..., thumbnail_url: _Optional[str] = ..., shots: _Optional[_Iterable[_Union[Shot, _Mapping]]] = ..., next_after: _Optional[str] = ...) -> None: ...

class ListEntitiesRequest(_message.Message):
    __slots__ = ("collection_id", "page", "added")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    page: _lists_pb2.Page
    added: _lists_pb2.TimeRange
    def __init__(self, collection_id: _Optional[str] = ..., page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., added: _Optional[_Union[_lists_pb2.TimeRange, _Mapping]] = ...) -> None: ...

class ListEntitiesResponse(_message.Message):
    __slots__ = ("files", "total", "next_after")
    FILES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[FileEntities]
    total: int
    next_after: str
    def __init__(self, files: _Optional[_Iterable[_Union[FileEntities, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...

class GetRichTranscriptRequest(_message.Message):
    __slots__ = ("collection_id", "file_id", "response_format", "modalities", "start_time_seconds", "end_time_seconds", "include_word_timestamps")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    MODALITIES_FIELD_NUMBER: _ClassVar[int]
    START_TIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    END_TIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_WORD_TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    file_id: str
    response_format: ResponseFormat
    modalities: _containers.RepeatedScalarFieldContainer[str]
    start_time_seconds: float
    end_time_seconds: float
    include_word_timestamps: bool
    def __init__(self, collection_id: _Optional[str] = ..., file_id: _Optional[str] = ..., response_format: _Optional[_Union[ResponseFormat, str]] = ..., modalities: _Optional[_Iterable[str]] = ..., start_time_seconds: _Optional[float] = ..., end_time_seconds: _Optional[float] = ..., include_word_timestamps: bool = ...) -> None: ...

class ListRichTranscriptsRequest(_message.Message):
    __slots__ = ("collection_id", "page", "added", "response_format", "modalities")
    COLLECTION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    MODALITIES_FIELD_NUMBER: _ClassVar[int]
    collection_id: str
    page: _lists_pb2.Page
    added: _lists_pb2.TimeRange
    response_format: ResponseFormat
    modalities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, collection_id: _Optional[str] = ..., page: _Optional[_Union[_lists_pb2.Page, _Mapping]] = ..., added: _Optional[_Union[_lists_pb2.TimeRange, _Mapping]] = ..., response_format: _Optional[_Union[ResponseFormat, str]] = ..., modalities: _Optional[_Iterable[str]] = ...) -> None: ...

class ListRichTranscriptsResponse(_message.Message):
    __slots__ = ("transcripts", "total", "next_after")
    TRANSCRIPTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    transcripts: _containers.RepeatedCompositeFieldContainer[MediaDescription]
    total: int
    next_after: str
    def __init__(self, transcripts: _Optional[_Iterable[_Union[MediaDescription, _Mapping]]] = ..., total: _Optional[int] = ..., next_after: _Optional[str] = ...) -> None: ...
