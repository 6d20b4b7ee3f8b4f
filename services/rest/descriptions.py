"""Routes of what was understood of a collection's files: media descriptions and rich transcripts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Query, Request, Response

from services.core.store.pages import CreatedRange, Page
from services.nimbus.backend import Backend
from services.nimbus.views.descriptions import FORMATS, MODALITIES, View
from services.nimbus.views.files import DescribedFile, Extras
from services.rest.gate import Tenant
from services.rest.long_replies import Written, long_reply
from services.rest.parameters import added_range, page_of
from services.rest.render import Json, Links, file_replies, list_reply
from services.rest.schemas.descriptions import (
    CollectionMediaDescriptionsList,
    CollectionRichTranscriptsList,
    MediaDescription,
    RichTranscript,
)

DESCRIPTIONS, TRANSCRIPTS = "media-descriptions", "rich-transcripts"
METADATA: Any = Query(False, description="Include the file's metadata.")
START: Any = Query(None, ge=0, description="Only what ends after this.")
END: Any = Query(None, ge=0, json_schema_extra={"exclusiveMinimum": 0}, description="Only what starts before this.")
WORDS: Any = Query(False, description="Include the time of each word said.")
SOME: Any = {"enum": list(MODALITIES)}


def format_of(collection_type: str) -> Any:
    formats = list(FORMATS[collection_type])
    return Query("json", json_schema_extra={"enum": formats}, description=f"One of {', '.join(formats)}.")


def wanted_modalities(
    modalities: list[str] = Query([], json_schema_extra={"items": {"type": "string", **SOME}}),
    bracketed: list[str] = Query([], alias="modalities[]", include_in_schema=False),
) -> list[str]:
    """The JavaScript SDK puts brackets on the name of a repeated parameter."""
    return modalities + bracketed


def description_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/collections/{collection_id}", tags=["collections"])

    async def shown_files(request: Request, described: list[DescribedFile], include_metadata: bool) -> list[Json]:
        shown = await file_replies(backend, request, [item.file for item in described])
        if not include_metadata:
            for value in shown:
                value.pop("metadata")
        return shown

    async def one(
        request: Request, described: DescribedFile, include_metadata: bool, include_thumbnails: bool = False
    ) -> Response:
        (file,) = await shown_files(request, [described], include_metadata)
        value: Json = {
            "collection_id": described.member.collection_id,
            "file_id": described.member.file_id,
            **_duration(file),
            "file": file,
        }
        if include_thumbnails and "thumbnail_url" in file:
            value["thumbnail_url"] = file["thumbnail_url"]
        return await long_reply(value | described.data)

    async def page_reply(
        tenant_id: str,
        request: Request,
        collection_type: str,
        collection_id: str,
        page: Page,
        added: CreatedRange,
        view: View,
        include_metadata: bool,
    ) -> Response:
        listing = await backend.described_files.list(
            tenant_id, collection_type, collection_id, page, view, added, write=Written
        )
        files = await shown_files(request, listing.items, include_metadata)
        data = [
            {
                "file_id": item.member.file_id,
                "added_at": item.member.added_at,
                "object": "collection_file",
                **_duration(file),
                "data": item.data,
                "file": file,
            }
            for item, file in zip(listing.items, files, strict=True)
        ]
        return await long_reply(list_reply(listing, data))

    @router.get(
        "/videos/{file_id}/media-descriptions",
        summary="Get the description of a file in a collection",
        response_model=MediaDescription,
    )
    async def get_description(
        tenant_id: Tenant,
        request: Request,
        collection_id: str,
        file_id: str,
        response_format: str = format_of(DESCRIPTIONS),
        start_time_seconds: float | None = START,
        end_time_seconds: float | None = END,
        modalities: list[str] = Depends(wanted_modalities),
        include_thumbnails: bool = Query(False, description="Link to thumbnails."),
        include_word_timestamps: bool = WORDS,
        include_chapters: bool = Query(
            False, description="Include chapters: those the file marks, else runs of segments with one title."
        ),
        include_shots: bool = Query(
            False, description="Include shots, where the file was cut by the shot detector for any collection."
        ),
        include_metadata: bool = METADATA,
    ) -> Response:
        """What is described so far; GET …/videos/{file_id} says whether that is all."""
        view = View.of(
            DESCRIPTIONS,
            modalities,
            response_format=response_format,
            start_time=start_time_seconds,
            end_time=end_time_seconds,
            include_words=include_word_timestamps,
        )
        link = Links(backend, request).thumbnail if include_thumbnails else None
        described = await backend.described_files.get(
            tenant_id, DESCRIPTIONS, collection_id, file_id, view, Extras(link, include_chapters, include_shots)
        )
        return await one(request, described, include_metadata, include_thumbnails)

    @router.get(
        "/videos/{file_id}/rich-transcripts",
        summary="Get the rich transcript of a file in a collection",
        response_model=RichTranscript,
    )
    async def get_transcript(
        tenant_id: Tenant,
        request: Request,
        collection_id: str,
        file_id: str,
        response_format: str = format_of(TRANSCRIPTS),
        start_time_seconds: float | None = START,
        end_time_seconds: float | None = END,
        modalities: list[str] = Depends(wanted_modalities),
        include_word_timestamps: bool = WORDS,
        include_metadata: bool = METADATA,
    ) -> Response:
        """Markdown, SubRip (srt) and WebVTT (vtt) come in `content`; with word timestamps each word of a vtt cue has its time."""
        view = View.of(
            TRANSCRIPTS,
            modalities,
            response_format=response_format,
            start_time=start_time_seconds,
            end_time=end_time_seconds,
            include_words=include_word_timestamps,
        )
        described = await backend.described_files.get(tenant_id, TRANSCRIPTS, collection_id, file_id, view)
        return await one(request, described, include_metadata)

    @router.get(
        "/media-descriptions",
        summary="List the descriptions of a collection's files",
        response_model=CollectionMediaDescriptionsList,
    )
    async def list_descriptions(
        tenant_id: Tenant,
        request: Request,
        collection_id: str,
        page: Page = Depends(page_of("added_at", "filename", "created_at")),
        added: CreatedRange = Depends(added_range),
        response_format: str = format_of(DESCRIPTIONS),
        modalities: list[str] = Depends(wanted_modalities),
        include_metadata: bool = METADATA,
    ) -> Response:
        view = View.of(DESCRIPTIONS, modalities, response_format=response_format)
        return await page_reply(tenant_id, request, DESCRIPTIONS, collection_id, page, added, view, include_metadata)

    @router.get(
        "/rich-transcripts",
        summary="List the rich transcripts of a collection's files",
        response_model=CollectionRichTranscriptsList,
    )
    async def list_transcripts(
        tenant_id: Tenant,
        request: Request,
        collection_id: str,
        page: Page = Depends(page_of("added_at", "filename", "created_at")),
        added: CreatedRange = Depends(added_range),
        response_format: str = format_of(TRANSCRIPTS),
        modalities: list[str] = Depends(wanted_modalities),
        include_metadata: bool = METADATA,
    ) -> Response:
        view = View.of(TRANSCRIPTS, modalities, response_format=response_format)
        return await page_reply(tenant_id, request, TRANSCRIPTS, collection_id, page, added, view, include_metadata)

    return router


def _duration(file: Json) -> Json:
    info = file.get("media_info")
    return {"duration_seconds": info["duration_seconds"]} if info else {}
