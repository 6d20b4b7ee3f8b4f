"""CollectionService."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from arcus.v1 import collections_pb2 as pb
from arcus.v1 import collections_pb2_grpc, files_pb2
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc.aio import ServicerContext as Context

from services.core.errors import invalid
from services.core.library.references import file_id_of
from services.nimbus.backend import Backend
from services.nimbus.views.descriptions import View, shots
from services.nimbus.views.files import DescribedFile, Extras
from services.rpc.gate import tenant
from services.rpc.render import (
    STATUS_NAMES,
    STATUSES,
    Renderer,
    collection_message,
    collection_type_name,
    entities_message,
)
from services.rpc.values import filter_of, optional, page_of, paged, range_of, struct_json

DESCRIPTIONS, TRANSCRIPTS = "media-descriptions", "rich-transcripts"
FORMATS = {
    pb.RESPONSE_FORMAT_MARKDOWN: "markdown",
    pb.RESPONSE_FORMAT_SRT: "srt",
    pb.RESPONSE_FORMAT_VTT: "vtt",
}


class CollectionService(collections_pb2_grpc.CollectionServiceServicer):
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._render = Renderer(backend)

    async def Create(self, request: pb.CreateCollectionRequest, _context: Context) -> pb.Collection:
        pictures = optional(request, "enable_segment_thumbnails")
        collection = await self._backend.collections.create(
            tenant(),
            name=request.name,
            collection_type=collection_type_name(request.collection_type),
            description=optional(request, "description"),
            describe_config=_json(request, "describe_config"),
            transcribe_config=_json(request, "transcribe_config"),
            extract_config=_extract(request),
            segmentation_config=_segmentation(request, "default_segmentation_config"),
            thumbnails_config=None if pictures is None else {"enable_segment_thumbnails": pictures},
        )
        return collection_message(collection)

    async def Get(self, request: pb.GetCollectionRequest, _context: Context) -> pb.Collection:
        return collection_message(await self._backend.collections.get(tenant(), request.collection_id))

    async def List(self, request: pb.ListCollectionsRequest, _context: Context) -> pb.ListCollectionsResponse:
        listing = await self._backend.collections.list(
            tenant(),
            page_of(request.page),
            collection_type=collection_type_name(request.collection_type) or None,
            created=range_of(request.created),
        )
        return pb.ListCollectionsResponse(
            collections=[collection_message(item) for item in listing.items], **paged(listing)
        )

    async def Update(self, request: pb.UpdateCollectionRequest, _context: Context) -> pb.Collection:
        collection = await self._backend.collections.update(
            tenant(),
            request.collection_id,
            name=optional(request, "name"),
            description=optional(request, "description"),
        )
        return collection_message(collection)

    async def Delete(self, request: pb.DeleteCollectionRequest, _context: Context) -> Empty:
        await self._backend.collections.delete(tenant(), request.collection_id)
        return Empty()

    async def AddFile(self, request: pb.AddFileRequest, _context: Context) -> pb.CollectionFile:
        segmentation = _segmentation(request, "segmentation_config")
        if segmentation is not None and request.segmentation_id:
            raise invalid("give segmentation_id or segmentation_config, not both", field="segmentation_id")
        member = await self._backend.members.add(
            tenant(),
            request.collection_id,
            file_id_of(request.file_id),
            segmentation_config=segmentation,
            segmentation_id=request.segmentation_id or None,
            segment_thumbnails=optional(request, "enable_segment_thumbnails"),
            metadata=struct_json(request, "metadata"),
        )
        return (await self._render.members([member]))[0]

    async def GetFile(self, request: pb.GetCollectionFileRequest, _context: Context) -> pb.CollectionFile:
        member = await self._backend.members.get(tenant(), request.collection_id, request.file_id)
        return (await self._render.members([member]))[0]

    async def ListFiles(
        self, request: pb.ListCollectionFilesRequest, _context: Context
    ) -> pb.ListCollectionFilesResponse:
        added = range_of(request.added)
        listing = await self._backend.members.list(
            tenant(),
            request.collection_id,
            page_of(request.page),
            status=STATUS_NAMES.get(request.status),
            added_after=added.after,
            added_before=added.before,
            filter=filter_of(request),
        )
        return pb.ListCollectionFilesResponse(files=await self._render.members(listing.items), **paged(listing))

    async def RemoveFile(self, request: pb.RemoveFileRequest, _context: Context) -> Empty:
        await self._backend.members.remove(tenant(), request.collection_id, request.file_id)
        return Empty()

    async def GetMediaDescription(
        self, request: pb.GetMediaDescriptionRequest, _context: Context
    ) -> pb.MediaDescription:
        link = self._render.link if request.include_thumbnails else None
        extras = Extras(link, request.include_chapters, request.include_shots)
        return await self._described(DESCRIPTIONS, request, extras)

    async def GetRichTranscript(self, request: pb.GetRichTranscriptRequest, _context: Context) -> pb.MediaDescription:
        return await self._described(TRANSCRIPTS, request, Extras())

    async def ListMediaDescriptions(
        self, request: pb.ListMediaDescriptionsRequest, _context: Context
    ) -> pb.ListMediaDescriptionsResponse:
        messages, page = await self._described_page(DESCRIPTIONS, request)
        return pb.ListMediaDescriptionsResponse(descriptions=messages, **page)

    async def ListRichTranscripts(
        self, request: pb.ListRichTranscriptsRequest, _context: Context
    ) -> pb.ListRichTranscriptsResponse:
        messages, page = await self._described_page(TRANSCRIPTS, request)
        return pb.ListRichTranscriptsResponse(transcripts=messages, **page)

    async def GetEntities(self, request: pb.GetEntitiesRequest, _context: Context) -> pb.FileEntities:
        await self._backend.collections.of_type(tenant(), request.collection_id, "entities")
        member = await self._backend.members.get(tenant(), request.collection_id, request.file_id)
        page = page_of(request.page)
        found = await self._backend.entities.of_file(tenant(), request.collection_id, request.file_id, page)
        message = entities_message(member, found)
        if request.include_thumbnails:
            pictures = await self._pictures([part.segment_id for part in found.segments])
            for part, shown in zip(found.segments, message.segment_entities, strict=True):
                shown.thumbnail_url = pictures.get(part.segment_id, "")
            default = (await self._backend.thumbnails.defaults(tenant(), [member.file_id])).get(member.file_id)
            message.thumbnail_url = self._render.link(default) if default else ""
        if request.include_shots and member.segmentation_config["strategy"] == "shot-detector":
            described = await self._backend.descriptions.described(member.description_id)
            ParseDict({"shots": shots(described, View())["shots"]}, message)
        return message

    async def ListEntities(self, request: pb.ListEntitiesRequest, _context: Context) -> pb.ListEntitiesResponse:
        await self._backend.collections.of_type(tenant(), request.collection_id, "entities")
        added = range_of(request.added)
        listing = await self._backend.members.list(
            tenant(), request.collection_id, page_of(request.page), added_after=added.after, added_before=added.before
        )
        ids = [member.file_id for member in listing.items]
        found = await self._backend.entities.of_files(tenant(), request.collection_id, ids)
        return pb.ListEntitiesResponse(
            files=[
                entities_message(member, found[member.file_id])
                for member in listing.items
                if member.file_id in found  # not removed meanwhile
            ],
            **paged(listing),
        )

    async def _described(
        self,
        collection_type: str,
        request: pb.GetMediaDescriptionRequest | pb.GetRichTranscriptRequest,
        extras: Extras,
    ) -> pb.MediaDescription:
        view = View.of(
            collection_type,
            request.modalities,
            response_format=FORMATS.get(request.response_format, "json"),
            start_time=optional(request, "start_time_seconds"),
            end_time=optional(request, "end_time_seconds"),
            include_words=request.include_word_timestamps,
        )
        described = await self._backend.described_files.get(
            tenant(), collection_type, request.collection_id, request.file_id, view, extras
        )
        return (await self._messages([described]))[0]

    async def _described_page(
        self, collection_type: str, request: pb.ListMediaDescriptionsRequest | pb.ListRichTranscriptsRequest
    ) -> tuple[list[pb.MediaDescription], dict[str, Any]]:
        view = View.of(
            collection_type, request.modalities, response_format=FORMATS.get(request.response_format, "json")
        )
        listing = await self._backend.described_files.list(
            tenant(),
            collection_type,
            request.collection_id,
            page_of(request.page),
            view,
            range_of(request.added),
        )
        return await self._messages(listing.items), paged(listing)

    async def _messages(self, described: Sequence[DescribedFile]) -> list[pb.MediaDescription]:
        files = await self._render.files([item.file for item in described])
        # Of long videos it takes seconds, in which others have their turn.
        return await asyncio.to_thread(lambda: list(map(_described_message, described, files)))

    async def _pictures(self, segment_ids: Sequence[str]) -> dict[str, str]:
        thumbnails = await self._backend.thumbnails.of_segments(tenant(), segment_ids)
        return {id: self._render.link(thumbnail) for id, thumbnail in thumbnails.items()}


def _described_message(described: DescribedFile, file: files_pb2.File) -> pb.MediaDescription:
    member = described.member
    message = pb.MediaDescription(
        collection_id=member.collection_id,
        file_id=member.file_id,
        added_at=member.added_at,
        status=STATUSES[member.status],
        file=file,
    )
    data = {name: value for name, value in described.data.items() if not name.startswith("total_")}
    return ParseDict(data, message)


def _json(message: Any, field: str) -> dict[str, Any] | None:
    if not message.HasField(field):
        return None
    return MessageToDict(getattr(message, field), preserving_proto_field_name=True)


def _extract(message: pb.CreateCollectionRequest) -> dict[str, Any] | None:
    value = _json(message, "extract_config")
    if value is not None and "schema" in value:
        value["schema"] = struct_json(message.extract_config, "schema")
    return value


def _segmentation(message: Any, field: str) -> dict[str, Any] | None:
    """A segmentation_config in the API's form. Raises INVALID_ARGUMENT when no strategy is chosen."""
    value = _json(message, field)
    if value is None:
        return None
    chosen = getattr(message, field).WhichOneof("strategy")
    if chosen is None:
        raise invalid(f"{field} needs uniform_config, shot_detector_config or manual_config", field=field)
    config = value[chosen]
    if chosen == "uniform_config":
        config["window_seconds"] = getattr(message, field).uniform_config.window_seconds  # also when it is 0
    if chosen == "manual_config":  # times of 0 are left out by the JSON mapping
        config["segments"] = [{"start_time": 0, "end_time": 0} | span for span in config.get("segments", [])]
    return {"strategy": chosen.removesuffix("_config").replace("_", "-"), **value}
