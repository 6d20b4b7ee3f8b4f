"""Files, collections, their members and descriptions as messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arcus.v1 import collections_pb2, files_pb2
from google.protobuf.json_format import ParseDict

from services.core.library.collections import Collection
from services.core.library.entities import FileEntities
from services.core.library.files import File
from services.core.library.members import Member
from services.core.library.thumbnails import Thumbnail
from services.nimbus.backend import Backend
from services.rpc.values import struct_of

MEDIA_INFO = (
    *("media_type", "duration_seconds", "format", "has_audio"),
    *("width", "height", "sample_rate", "channels", "bitrate"),
)
STATUSES = {
    name: files_pb2.Status.Value(f"STATUS_{name.upper()}")
    for name in ("pending", "processing", "completed", "failed", "not_applicable")
}
STATUS_NAMES = {value: name for name, value in STATUSES.items()}
TYPE_PREFIX = "COLLECTION_TYPE_"


class Renderer:
    def __init__(self, backend: Backend) -> None:
        self._base = backend.settings.public_url.rstrip("/").removesuffix("/v1")
        self._backend = backend

    def link(self, thumbnail: Thumbnail) -> str:
        return self.link_of(thumbnail.id)

    def link_of(self, thumbnail_id: str) -> str:
        signature = self._backend.thumbnails.signature(thumbnail_id)
        return f"{self._base}/v1/thumbnails/{thumbnail_id}.jpg?signature={signature}"

    async def files(self, files: Sequence[File]) -> list[files_pb2.File]:
        if not files:
            return []
        pictures = await self._backend.thumbnails.defaults(files[0].tenant_id, [file.id for file in files])
        return [self._file(file, pictures.get(file.id)) for file in files]

    async def file(self, file: File) -> files_pb2.File:
        return (await self.files([file]))[0]

    async def files_of(self, members: Sequence[Member]) -> dict[str, files_pb2.File]:
        """The files of members, by id; without those that were deleted meanwhile."""
        if not members:
            return {}
        found = await self._backend.files.get_many(members[0].tenant_id, [member.file_id for member in members])
        return {file.id: file for file in await self.files([*found.values()])}

    async def members(self, members: Sequence[Member]) -> list[collections_pb2.CollectionFile]:
        files = await self.files_of(members)
        return [_member(member, files.get(member.file_id)) for member in members]

    def thumbnail(self, thumbnail: Thumbnail) -> files_pb2.Thumbnail:
        return files_pb2.Thumbnail(
            id=thumbnail.id,
            url=self.link(thumbnail),
            time=thumbnail.time,
            segmentation_id=thumbnail.segmentation_id or "",
            segment_id=thumbnail.segment_id or "",
        )

    def _file(self, file: File, picture: Thumbnail | None) -> files_pb2.File:
        info = file.media_info
        return files_pb2.File(
            id=file.id,
            status=STATUSES[file.status],
            filename=file.filename,
            uri=file.uri,
            size_bytes=file.size_bytes,
            created_at=file.created_at,
            metadata=struct_of(file.metadata),
            source=file.source,
            media_info=files_pb2.MediaInfo(**{name: getattr(info, name) for name in MEDIA_INFO}) if info else None,
            error=file.error or "",
            thumbnail_url=self.link(picture) if picture else "",
        )


def collection_type_name(value: int) -> str:
    """The API's name of a collection type; empty for the unspecified one and for what this version doesn't know."""
    if value not in collections_pb2.CollectionType.values() or value == 0:
        return ""
    name = collections_pb2.CollectionType.Name(value)  # type: ignore[arg-type]
    return name.removeprefix(TYPE_PREFIX).lower().replace("_", "-")


def collection_message(collection: Collection) -> collections_pb2.Collection:
    extract = collection.extract_config
    kind = TYPE_PREFIX + collection.collection_type.upper().replace("-", "_")
    is_transcribed = collection.collection_type == "rich-transcripts"
    config = {
        name: value for name, value in collection.describe_config.items() if name != "prompt" or not is_transcribed
    }
    shown = collections_pb2.DescribeConfig(**config)
    return collections_pb2.Collection(
        id=collection.id,
        name=collection.name,
        description=collection.description or "",
        collection_type=collections_pb2.CollectionType.Value(kind),
        describe_config=None if extract or is_transcribed else shown,
        transcribe_config=shown if is_transcribed else None,
        extract_config=_extract_message(extract) if extract else None,
        default_segmentation_config=segmentation_message(collection.segmentation_config),
        enable_segment_thumbnails=bool(collection.thumbnails_config.get("enable_segment_thumbnails")),
        created_at=collection.created_at,
        file_count=collection.file_count,
    )


def _extract_message(config: dict[str, Any]) -> collections_pb2.ExtractConfig:
    rest = {name: value for name, value in config.items() if name not in ("schema", "enable_metadata_mode")}
    return collections_pb2.ExtractConfig(schema=struct_of(config["schema"]), **rest)


def entities_message(member: Member, found: FileEntities) -> collections_pb2.FileEntities:
    return collections_pb2.FileEntities(
        collection_id=member.collection_id,
        file_id=member.file_id,
        added_at=member.added_at,
        status=STATUSES[member.status],
        entities=None if found.entities is None else struct_of(found.entities),
        entity_sources=[
            collections_pb2.ValueSource(path=source.path, start_time=source.start_time, end_time=source.end_time)
            for source in found.sources
        ],
        segment_entities=[
            collections_pb2.SegmentEntities(
                start_time=part.start_time, end_time=part.end_time, entities=struct_of(part.entities)
            )
            for part in found.segments
        ],
        total=found.total,
        next_after=found.next_after,
    )


def segmentation_message(config: dict[str, Any]) -> collections_pb2.SegmentationConfig:
    rest = {name: value for name, value in config.items() if name != "strategy"}
    message = ParseDict(rest, collections_pb2.SegmentationConfig())
    if message.WhichOneof("strategy") is None:  # the strategy with all its defaults
        getattr(message, f"{config['strategy'].replace('-', '_')}_config").SetInParent()
    return message


def _member(member: Member, file: files_pb2.File | None) -> collections_pb2.CollectionFile:
    return collections_pb2.CollectionFile(
        collection_id=member.collection_id,
        file_id=member.file_id,
        added_at=member.added_at,
        status=STATUSES[member.status],
        file=file,
        segmentation_id=member.segmentation_id,
        segmentation_config=segmentation_message(member.segmentation_config),
        progress=collections_pb2.Progress(
            stage=member.stage, segments_done=member.segments_done, segments_total=member.segments_total
        ),
        error=member.error or "",
    )
