"""Routes of a file's segmentations and segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, Query, Request, Response

from services.core.library.segments import Segment, Segmentation, SegmentRange
from services.core.store.pages import Page
from services.nimbus.backend import Backend
from services.rest.bodies import body_of, read_model
from services.rest.errors import reply
from services.rest.gate import Tenant
from services.rest.parameters import plain_page, timed_page
from services.rest.render import Json, Links, list_reply
from services.rest.schemas.segments import FileSegment, FileSegmentList, SegmentationList, UpdateFileSegment


def seconds(description: str) -> Any:
    return Query(None, json_schema_extra={"minimum": 0}, description=description)


def segment_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/files/{file_id}", tags=["segments"])

    async def replies(request: Request, segments: Sequence[Segment]) -> list[Json]:
        if not segments:
            return []
        links = Links(backend, request)
        pictures = await backend.thumbnails.of_segments(segments[0].tenant_id, [segment.id for segment in segments])
        return [
            {
                "id": segment.id,
                "file_id": segment.file_id,
                "start_time": segment.start_time,
                "end_time": segment.end_time,
                "thumbnail_url": links.thumbnail(pictures[segment.id]) if segment.id in pictures else "",
                "metadata": segment.metadata,
                "segmentation_id": segment.segmentation_id,
            }
            for segment in segments
        ]

    @router.get("/segmentations", summary="List how a file was cut", response_model=SegmentationList)
    async def list_segmentations(tenant_id: Tenant, file_id: str, page: Page = Depends(plain_page)) -> Response:
        """Newest first. A file is cut when it is added to a collection."""
        listing = await backend.segments.segmentations(tenant_id, file_id, page)
        return reply(list_reply(listing, [_segmentation(item) for item in listing.items]))

    @router.get("/segments", summary="List a file's segments", response_model=FileSegmentList)
    async def list_segments(
        tenant_id: Tenant,
        request: Request,
        file_id: str,
        page: Page = Depends(timed_page),
        start_time_after: float | None = seconds("Only those that start at or after this second."),
        end_time_before: float | None = seconds("Only those that end at or before this second."),
        min_duration: float | None = seconds("Only those that last this many seconds or more."),
        max_duration: float | None = seconds("Only those that last this many seconds or less."),
    ) -> Response:
        """Those of all its segmentations, in order of time."""
        within = SegmentRange(start_time_after, end_time_before, min_duration, max_duration)
        listing = await backend.segments.list(tenant_id, file_id, page, within=within)
        return reply(list_reply(listing, await replies(request, listing.items)))

    @router.get("/segments/{segment_id}", summary="Get a segment", response_model=FileSegment)
    async def get_segment(tenant_id: Tenant, request: Request, file_id: str, segment_id: str) -> Response:
        segment = await backend.segments.get(tenant_id, file_id, segment_id)
        return reply((await replies(request, [segment]))[0])

    @router.put(
        "/segments/{segment_id}",
        summary="Replace a segment's metadata",
        response_model=FileSegment,
        openapi_extra=body_of(UpdateFileSegment),
    )
    async def update_segment(tenant_id: Tenant, request: Request, file_id: str, segment_id: str) -> Response:
        """Filters of segment scope narrow by it."""
        change = await read_model(request, UpdateFileSegment)
        metadata: dict[str, Any] | None = change.metadata
        if metadata is None and "metadata" in change.model_fields_set:
            metadata = {}
        segment = await backend.segments.update(tenant_id, file_id, segment_id, metadata=metadata)
        return reply((await replies(request, [segment]))[0])

    return router


def _segmentation(item: Segmentation) -> Json:
    value: Json = {
        "segmentation_id": item.id,
        "status": item.status,
        "created_at": item.created_at,
        "file_id": item.file_id,
        "segmentation_config": item.config,
        "thumbnails_config": {"enable_segment_thumbnails": item.segment_thumbnails},
    }
    if item.status == "completed":
        value["total_segments"] = item.segment_count
    return value
