"""Routes of files and their thumbnails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends, Query, Request, Response

from services.core.errors import invalid
from services.core.library.files import STATUSES
from services.core.search.filters import SearchFilter
from services.core.store.pages import CreatedRange, Page
from services.nimbus.backend import Backend
from services.rest.bodies import body_of, read_model
from services.rest.errors import reply
from services.rest.gate import Tenant
from services.rest.parameters import DIRECTIONS, created_range, page_of, search_filter, timed_page
from services.rest.render import Links, file_replies, file_reply, list_reply, thumbnail_reply
from services.rest.schemas.files import File, FileDelete, FileList, FileUpdate, ThumbnailList, Upload
from services.rest.uploads import UploadForm

UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": Upload.model_json_schema(),
                "encoding": {"metadata": {"contentType": "application/json"}},
            }
        },
    }
}


def file_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/files", tags=["files"])

    @router.post("", summary="Upload a file", response_model=File, openapi_extra=UPLOAD_BODY)
    async def upload(tenant_id: Tenant, request: Request) -> Response:
        """Streams the file to storage and queues its probe; poll GET /files/{file_id} until it is completed or failed."""
        form = UploadForm(request, max_upload_bytes=backend.settings.max_upload_bytes)
        await backend.totals.check_upload(tenant_id, form.least_bytes)
        filename = await form.open_file()
        before = form.fields
        file = await backend.files.upload(tenant_id, filename, form.pieces(), **before)
        after = {name: value for name, value in form.fields.items() if name not in before}
        if after:
            file = await backend.files.update(tenant_id, file.id, **after)
        return reply(await file_reply(backend, request, file))

    @router.get("", summary="List files", response_model=FileList)
    async def list_files(
        tenant_id: Tenant,
        request: Request,
        page: Page = Depends(page_of("created_at", "filename", *DIRECTIONS)),
        status: str | None = Query(
            None, json_schema_extra={"enum": list(STATUSES)}, description="Only of this status."
        ),
        created: CreatedRange = Depends(created_range),
        filter: SearchFilter | None = Depends(search_filter),
    ) -> Response:
        """`order` of asc or desc is OpenAI's form: by time of upload, in that direction."""
        if page.order in DIRECTIONS:
            page = replace(page, order="created_at", sort=page.order)
        listing = await backend.files.list(tenant_id, page, status=status, created=created, filter=filter)
        return reply(list_reply(listing, await file_replies(backend, request, listing.items)))

    @router.get("/{file_id}", summary="Get a file", response_model=File)
    async def get_file(tenant_id: Tenant, request: Request, file_id: str) -> Response:
        return reply(await file_reply(backend, request, await backend.files.get(tenant_id, file_id)))

    @router.put(
        "/{file_id}",
        summary="Rename a file or replace its metadata",
        response_model=File,
        openapi_extra=body_of(FileUpdate),
    )
    async def update_file(tenant_id: Tenant, request: Request, file_id: str) -> Response:
        change = await read_model(request, FileUpdate)
        file = await backend.files.update(tenant_id, file_id, filename=change.filename, metadata=change.metadata)
        return reply(await file_reply(backend, request, file))

    @router.delete("/{file_id}", summary="Delete a file", response_model=FileDelete)
    async def delete_file(tenant_id: Tenant, file_id: str) -> Response:
        """Deletes the file and takes it out of every collection."""
        await backend.files.delete(tenant_id, file_id)
        return reply({"id": file_id, "object": "file"})

    @router.get("/{file_id}/thumbnails", summary="List a file's thumbnails", response_model=ThumbnailList)
    async def list_thumbnails(
        tenant_id: Tenant,
        request: Request,
        file_id: str,
        page: Page = Depends(timed_page),
        is_default: bool | None = Query(None, description="Only the file's own thumbnail, or only the others."),
        segmentation_id: str | None = Query(None, description="Only those of this segmentation."),
        type: str | None = Query(
            None,
            json_schema_extra={"pattern": "^((file|segment)(,(file|segment))*)?$"},
            description="file, segment or both, separated by a comma.",
        ),
    ) -> Response:
        await backend.files.get(tenant_id, file_id)
        kinds = {kind.strip() for kind in type.split(",")} if type else set()
        if kinds - {"file", "segment"}:
            raise invalid("type must be file, segment or both, separated by a comma", field="type")
        if is_default is None and len(kinds) == 1:
            is_default = kinds == {"file"}
        listing = await backend.thumbnails.list(
            tenant_id, file_id, page, is_default=is_default, segmentation_id=segmentation_id
        )
        links = Links(backend, request)
        return reply(list_reply(listing, [thumbnail_reply(item, links) for item in listing.items]))

    return router
