"""Files, collections and their members as the API shows them."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from services.core.library.collections import Collection
from services.core.library.files import File
from services.core.library.members import Member
from services.core.library.thumbnails import Thumbnail
from services.core.store.pages import Listing
from services.nimbus.backend import Backend
from services.rest.addresses import asked_address

Json = dict[str, Any]
MEDIA_INFO = ("duration_seconds", "width", "height", "sample_rate", "channels", "bitrate", "format", "has_audio")
VIDEO_INFO = ("duration_seconds", "height", "width", "format", "has_audio")


class Links:
    """Absolute links to thumbnails, under the public URL or else the address that this request came to."""

    def __init__(self, backend: Backend, request: Request) -> None:
        public = backend.settings.public_url or asked_address(request, backend.settings.allowed_hosts)
        self._base = public.rstrip("/").removesuffix("/v1")
        self._thumbnails = backend.thumbnails

    def thumbnail(self, thumbnail: Thumbnail) -> str:
        return self.of(thumbnail.id)

    def of(self, thumbnail_id: str) -> str:
        return f"{self._base}/v1/thumbnails/{thumbnail_id}.jpg?signature={self._thumbnails.signature(thumbnail_id)}"


def list_reply(listing: Listing[Any], data: list[Json]) -> Json:
    """With what OpenAI's clients turn pages by, where items have ids."""
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data and "id" in data[0] else {}
    return {
        "object": "list",
        "data": data,
        "total": listing.total,
        "limit": listing.limit,
        "offset": listing.offset,
        "has_more": listing.has_more,
        **next_page(listing.next_after),
        **ends,
    }


def next_page(after: str) -> Json:
    return {"next_after": after} if after else {}


def items_reply(items: list[Json], has_more: bool) -> Json:
    ends = {"first_id": items[0]["id"] if items else None, "last_id": items[-1]["id"] if items else None}
    return {"object": "list", "data": items, **ends, "has_more": has_more}


async def file_replies(backend: Backend, request: Request, files: list[File]) -> list[Json]:
    """Fields that may not be null are left out while they are unknown."""
    if not files:
        return []
    links = Links(backend, request)
    pictures = await backend.thumbnails.defaults(files[0].tenant_id, [file.id for file in files])
    return [_file(file, pictures.get(file.id), links) for file in files]


async def file_reply(backend: Backend, request: Request, file: File) -> Json:
    return (await file_replies(backend, request, [file]))[0]


def _file(file: File, picture: Thumbnail | None, links: Links) -> Json:
    value: Json = {
        "id": file.id,
        "status": file.status,
        "bytes": file.size_bytes,
        "created_at": file.created_at,
        "filename": file.filename,
        "uri": file.uri,
        "metadata": file.metadata,
        "source": file.source,
    }
    info = file.media_info
    if info is not None:
        value["media_type"] = info.media_type
        value["media_info"] = {name: getattr(info, name) for name in MEDIA_INFO}
        if info.media_type == "video":
            value["video_info"] = {name: getattr(info, name) for name in VIDEO_INFO}
    if picture is not None:
        value["thumbnail_url"] = links.thumbnail(picture)
    if file.error:
        value["error"] = file.error
    return value


def thumbnail_reply(thumbnail: Thumbnail, links: Links) -> Json:
    value: Json = {
        "id": thumbnail.id,
        "url": links.thumbnail(thumbnail),
        "time": thumbnail.time,
        "type": "segment" if thumbnail.segment_id else "file",
    }
    if thumbnail.segmentation_id:
        value["segmentation_id"] = thumbnail.segmentation_id
    if thumbnail.segment_id:
        value["segment_id"] = thumbnail.segment_id
    return value


def collection_reply(collection: Collection) -> Json:
    is_transcribed = collection.collection_type == "rich-transcripts"
    return {
        "id": collection.id,
        "object": "collection",
        "name": collection.name,
        "description": collection.description,
        "collection_type": collection.collection_type,
        **(
            {"extract_config": collection.extract_config}
            if collection.extract_config
            else {
                "transcribe_config": {
                    name: flag for name, flag in collection.describe_config.items() if name != "prompt"
                }
            }
            if is_transcribed
            else {"describe_config": collection.describe_config}
        ),
        "default_segmentation_config": collection.segmentation_config,
        "default_thumbnails_config": collection.thumbnails_config,
        "created_at": collection.created_at,
        "file_count": collection.file_count,
    }


def member_reply(member: Member, file: Json | None) -> Json:
    segmented = "completed" if member.segments_total or member.status == "completed" else member.status
    value: Json = {
        "collection_id": member.collection_id,
        "file_id": member.file_id,
        "object": "collection_file",
        "added_at": member.added_at,
        "status": member.status,
        "searchable_status": member.status,
        "segmentation": {
            "id": member.segmentation_id,
            "status": segmented,
            "file_id": member.file_id,
            "segmentation_config": member.segmentation_config,
        },
        "progress": {
            "stage": member.stage,
            "segments_done": member.segments_done,
            "segments_total": member.segments_total,
        },
    }
    if file is not None:
        value["file"] = file
    if member.error:
        value["error"] = member.error
    return value
