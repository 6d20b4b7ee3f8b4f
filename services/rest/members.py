"""Routes of the files in a collection. The Python SDK says /videos where the JavaScript SDK says /media."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Query, Request, Response

from services.core.errors import invalid
from services.core.library.files import STATUSES
from services.core.library.members import Member
from services.core.library.references import file_id_of
from services.core.search.filters import SearchFilter
from services.core.store.pages import CreatedRange, Page
from services.nimbus.backend import Backend
from services.rest.bodies import body_of, read_model
from services.rest.errors import reply
from services.rest.gate import Tenant
from services.rest.parameters import added_range, page_of, search_filter
from services.rest.render import Json, file_replies, list_reply, member_reply
from services.rest.schemas.collections import (
    AddCollectionFile,
    CollectionFile,
    CollectionFileDelete,
    CollectionFileList,
)


def member_routes(backend: Backend, noun: str) -> APIRouter:
    """`noun`: videos or media, two names of one thing."""
    router = APIRouter(prefix=f"/collections/{{collection_id}}/{noun}", tags=["collections"])

    async def replies(request: Request, members: list[Member]) -> list[Json]:
        if not members:
            return []
        files = await backend.files.get_many(members[0].tenant_id, [member.file_id for member in members])
        shown = {value["id"]: value for value in await file_replies(backend, request, [*files.values()])}
        return [member_reply(member, shown.get(member.file_id)) for member in members]

    @router.post(
        "",
        summary="Add a file to a collection",
        response_model=CollectionFile,
        operation_id=f"add_{noun}",
        openapi_extra=body_of(AddCollectionFile),
    )
    async def add(tenant_id: Tenant, request: Request, collection_id: str) -> Response:
        """Queues the file's description; poll GET …/{file_id} until it is completed or failed. Adding it again is harmless."""
        new = await read_model(request, AddCollectionFile)
        if new.segmentation_id and new.segmentation_config:
            raise invalid("give segmentation_id or segmentation_config, not both", field="segmentation_id")
        segmentation, pictures = new.segmentation_config, new.thumbnails_config
        member = await backend.members.add(
            tenant_id,
            collection_id,
            referenced_file(new),
            segmentation_config=segmentation.to_core() if segmentation else None,
            segmentation_id=new.segmentation_id,
            segment_thumbnails=pictures.enable_segment_thumbnails if pictures else None,
            metadata=new.metadata,
        )
        return reply((await replies(request, [member]))[0])

    @router.get("", summary="List a collection's files", response_model=CollectionFileList, operation_id=f"list_{noun}")
    async def list_members(
        tenant_id: Tenant,
        request: Request,
        collection_id: str,
        page: Page = Depends(page_of("added_at", "filename", "created_at")),
        status: str | None = Query(
            None, json_schema_extra={"enum": list(STATUSES)}, description="Only of this status."
        ),
        added: CreatedRange = Depends(added_range),
        filter: SearchFilter | None = Depends(search_filter),
    ) -> Response:
        if status is not None and status not in STATUSES:
            raise invalid(f"status must be one of: {', '.join(STATUSES)}", field="status")
        listing = await backend.members.list(
            tenant_id,
            collection_id,
            page,
            status=status,
            added_after=added.after,
            added_before=added.before,
            filter=filter,
        )
        return reply(list_reply(listing, await replies(request, listing.items)))

    @router.get(
        "/{file_id}",
        summary="Get a file of a collection, and its progress",
        response_model=CollectionFile,
        operation_id=f"get_{noun}",
    )
    async def get_member(tenant_id: Tenant, request: Request, collection_id: str, file_id: str) -> Response:
        member = await backend.members.get(tenant_id, collection_id, file_id)
        return reply((await replies(request, [member]))[0])

    @router.delete(
        "/{file_id}",
        summary="Take a file out of a collection",
        response_model=CollectionFileDelete,
        operation_id=f"remove_{noun}",
    )
    async def remove(tenant_id: Tenant, collection_id: str, file_id: str) -> Response:
        await backend.members.remove(tenant_id, collection_id, file_id)
        return reply({"collection_id": collection_id, "file_id": file_id, "object": "collection_file"})

    return router


def referenced_file(new: AddCollectionFile) -> str:
    """The id of the file that a request means. Raises INVALID_ARGUMENT."""
    if (new.file_id is None) == (new.url is None):
        raise invalid("give file_id, or url as cloudglue://files/ID", field="file_id")
    if new.file_id is not None:
        return new.file_id
    return file_id_of(new.url or "")
