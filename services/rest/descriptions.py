"""Routes of media descriptions: what was understood of a collection's files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, Query, Request, Response

from services.core.collection_files import CollectionFile
from services.core.descriptions import DescribedSegment, Description
from services.core.files import CreatedRange
from services.core.pages import Page
from services.nimbus.backend import Backend
from services.nimbus.description_view import MODALITIES, View, description_data, shots
from services.rest.errors import reply
from services.rest.gate import Tenant
from services.rest.parameters import added_range, page_of
from services.rest.render import Json, Links, file_replies, list_reply
from services.rest.schemas.descriptions import CollectionMediaDescriptionsList, MediaDescription

FORMAT: Any = Query("json", json_schema_extra={"enum": ["json", "markdown"]}, description="json or markdown.")
METADATA: Any = Query(False, description="Include the file's metadata.")
SOME: Any = {"enum": list(MODALITIES)}


def wanted_modalities(
    modalities: list[str] = Query([], json_schema_extra={"items": {"type": "string", **SOME}}),
    bracketed: list[str] = Query([], alias="modalities[]", include_in_schema=False),
) -> list[str]:
    """The JavaScript SDK puts brackets on the name of a repeated parameter."""
    return modalities + bracketed


def description_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/collections/{collection_id}", tags=["collections"])

    async def check_type(tenant_id: str, collection_id: str) -> None:
        await backend.collections.of_type(tenant_id, collection_id, "media-descriptions")

    async def described(member: CollectionFile) -> tuple[Description | None, list[DescribedSegment]]:
        description = await backend.descriptions.find(member.description_id)
        return description, await backend.descriptions.described(member.description_id)

    async def shown_files(
        request: Request, tenant_id: str, members: Sequence[CollectionFile], include_metadata: bool
    ) -> dict[str, Json]:
        files = await backend.files.get_many(tenant_id, [member.file_id for member in members])
        shown = {value["id"]: value for value in await file_replies(backend, request, [*files.values()])}
        if not include_metadata:
            for value in shown.values():
                value.pop("metadata")
        return shown

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
        response_format: str = FORMAT,
        start_time_seconds: float | None = Query(None, ge=0, description="Only what ends after this."),
        end_time_seconds: float | None = Query(None, ge=0, description="Only what starts before this."),
        modalities: list[str] = Depends(wanted_modalities),
        include_thumbnails: bool = Query(False, description="Link to thumbnails."),
        include_word_timestamps: bool = Query(False, description="Include the time of each word said."),
        include_chapters: bool = Query(False, description="Only of narrative segmentations, not offered here."),
        include_shots: bool = Query(False, description="Include the shots of a shot-detector segmentation."),
        include_metadata: bool = METADATA,
    ) -> Response:
        """What is described so far; GET …/videos/{file_id} says whether that is all."""
        view = View.of(
            modalities,
            response_format=response_format,
            start_time=start_time_seconds,
            end_time=end_time_seconds,
            include_words=include_word_timestamps,
        )
        await check_type(tenant_id, collection_id)
        member = await backend.collection_files.get(tenant_id, collection_id, file_id)
        description, segments = await described(member)
        file = (await shown_files(request, tenant_id, [member], include_metadata))[file_id]
        value: Json = {"collection_id": collection_id, "file_id": file_id, **_duration(file), "file": file}
        pictures: dict[str, str] = {}
        if include_thumbnails:
            links = Links(backend, request)
            ids = [item.segment.id for item in segments]
            thumbnails = await backend.thumbnails.of_segments(tenant_id, ids)
            pictures = {id: links.thumbnail(thumbnail) for id, thumbnail in thumbnails.items()}
            if "thumbnail_url" in file:
                value["thumbnail_url"] = file["thumbnail_url"]
        if include_shots and member.segmentation_config.get("strategy") == "shot-detector":
            value |= shots(segments, view)
        return reply(value | description_data(description, segments, view, pictures))

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
        response_format: str = FORMAT,
        modalities: list[str] = Depends(wanted_modalities),
        include_metadata: bool = METADATA,
    ) -> Response:
        view = View.of(modalities, response_format=response_format)
        await check_type(tenant_id, collection_id)
        listing = await backend.collection_files.list(
            tenant_id, collection_id, page, added_after=added.after, added_before=added.before
        )
        files = await shown_files(request, tenant_id, listing.items, include_metadata)
        data = []
        for member in listing.items:
            if (file := files.get(member.file_id)) is None:  # deleted meanwhile
                continue
            description, segments = await described(member)
            data.append(
                {
                    "file_id": member.file_id,
                    "added_at": member.added_at,
                    "object": "collection_file",
                    **_duration(file),
                    "data": description_data(description, segments, view, {}),
                    "file": file,
                }
            )
        return reply(list_reply(listing, data))

    return router


def _duration(file: Json) -> Json:
    info = file.get("media_info")
    return {"duration_seconds": info["duration_seconds"]} if info else {}
