"""Routes of entities: the records that were extracted of a collection's files."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Query, Request, Response

from services.core.store.pages import CreatedRange, Page
from services.nimbus.backend import Backend
from services.nimbus.views.descriptions import View, entities_data, shots
from services.rest.errors import reply
from services.rest.gate import Tenant
from services.rest.long_replies import long_reply
from services.rest.parameters import added_range, page_of, plain_page
from services.rest.render import Json, Links, list_reply, next_page
from services.rest.schemas.entities import CollectionEntitiesList, FileEntities


def entity_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/collections/{collection_id}", tags=["collections"])

    @router.get(
        "/videos/{file_id}/entities", summary="Get the entities of a file in a collection", response_model=FileEntities
    )
    async def get_entities(
        tenant_id: Tenant,
        request: Request,
        collection_id: str,
        file_id: str,
        page: Page = Depends(plain_page),
        include_thumbnails: bool = Query(False, description="Link to thumbnails."),
        include_chapters: bool = Query(False, description="Only of narrative segmentations, not offered here."),
        include_shots: bool = Query(False, description="Include the shots of a shot-detector segmentation."),
    ) -> Response:
        """What is extracted so far; GET …/videos/{file_id} says whether that is all. The page is of segments."""
        await backend.collections.of_type(tenant_id, collection_id, "entities")
        member = await backend.members.get(tenant_id, collection_id, file_id)
        found = await backend.entities.of_file(tenant_id, collection_id, file_id, page)
        pictures: dict[str, str] = {}
        value: Json = {"collection_id": collection_id, "file_id": file_id}
        if include_thumbnails:
            links = Links(backend, request)
            ids = [part.segment_id for part in found.segments]
            of_segments = await backend.thumbnails.of_segments(tenant_id, ids)
            pictures = {id: links.thumbnail(thumbnail) for id, thumbnail in of_segments.items()}
            if default := (await backend.thumbnails.defaults(tenant_id, [file_id])).get(file_id):
                value["thumbnail_url"] = links.thumbnail(default)
        if include_shots and member.segmentation_config.get("strategy") == "shot-detector":
            value |= shots(await backend.descriptions.described(member.description_id), View())
        return reply(
            value
            | entities_data(found, pictures)
            | {
                "entity_sources": [
                    {"path": source.path, "start_time": source.start_time, "end_time": source.end_time}
                    for source in found.sources
                ],
                "total": found.total,
                "limit": page.limit,
                "offset": page.offset,
                **next_page(found.next_after),
            }
        )

    @router.get("/entities", summary="List the entities of a collection's files", response_model=CollectionEntitiesList)
    async def list_entities(
        tenant_id: Tenant,
        collection_id: str,
        page: Page = Depends(page_of("added_at", "filename", "created_at")),
        added: CreatedRange = Depends(added_range),
    ) -> Response:
        """Of each file the first 100 segments; the rest of a longer file is at GET …/videos/{file_id}/entities."""
        await backend.collections.of_type(tenant_id, collection_id, "entities")
        listing = await backend.members.list(
            tenant_id, collection_id, page, added_after=added.after, added_before=added.before
        )
        found = await backend.entities.of_files(tenant_id, collection_id, [item.file_id for item in listing.items])
        data = [
            {"file_id": member.file_id, "added_at": member.added_at, "data": entities_data(found[member.file_id], {})}
            for member in listing.items
            if member.file_id in found  # not removed meanwhile
        ]
        return await long_reply(list_reply(listing, data))

    return router
