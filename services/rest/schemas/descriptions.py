"""Media descriptions and rich transcripts on the wire."""

from __future__ import annotations

from typing import Literal

from services.rest.schemas.files import File
from services.rest.schemas.shared import ListReply, Number, Reply


class DescribeOutputPart(Reply):
    text: str
    start_time: Number
    end_time: Number


class WordTimestamp(Reply):
    word: str
    start_time: Number
    end_time: Number


class SpeechOutputPart(Reply):
    speaker: str | None = None
    text: str
    start_time: Number
    end_time: Number
    words: list[WordTimestamp] | None = None


class SegmentSummary(Reply):
    title: str
    summary: str
    start_time: Number
    end_time: Number
    thumbnail_url: str | None = None


class Shot(Reply):
    index: int
    start_time: Number
    end_time: Number


class Chapter(Shot):
    description: str


class DescriptionData(Reply):
    visual_scene_description: list[DescribeOutputPart] | None = None
    scene_text: list[DescribeOutputPart] | None = None
    speech: list[SpeechOutputPart] | None = None
    audio_description: list[DescribeOutputPart] | None = None
    content: str | None = None
    title: str | None = None
    summary: str | None = None
    segment_summary: list[SegmentSummary] | None = None


class MediaDescription(DescriptionData):
    collection_id: str
    file_id: str
    thumbnail_url: str | None = None
    duration_seconds: Number | None = None
    chapters: list[Chapter] | None = None
    total_chapters: int | None = None
    shots: list[Shot] | None = None
    total_shots: int | None = None
    file: File


class RichTranscript(DescriptionData):
    collection_id: str
    file_id: str
    duration_seconds: Number | None = None
    file: File


class DescribedCollectionFile(Reply):
    file_id: str
    added_at: int
    object: Literal["collection_file"]
    duration_seconds: Number | None = None
    data: DescriptionData
    file: File


class CollectionMediaDescriptionsList(ListReply):
    data: list[DescribedCollectionFile]


class CollectionRichTranscriptsList(ListReply):
    data: list[DescribedCollectionFile]
