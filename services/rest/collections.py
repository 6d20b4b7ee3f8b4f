"""Routes of collections."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Query, Request, Response

from services.core.library.collections import KNOWN_TYPES
from services.core.store.pages import CreatedRange, Page
from services.nimbus.backend import Backend
from services.rest.bodies import body_of, read_model
from services.rest.errors import reply
from services.rest.gate import Tenant
from services.rest.parameters import created_range, page_of
from services.rest.render import collection_reply, list_reply
from services.rest.schemas.collections import (
    Collection,
    CollectionDelete,
    CollectionList,
    CollectionUpdate,
    NewCollection,
)


def collection_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/collections", tags=["collections"])

    @router.post("", summary="Create a collection", response_model=Collection, openapi_extra=body_of(NewCollection))
    async def create(tenant_id: Tenant, request: Request) -> Response:
        """The name is unique in the account: 409 when it is in use."""
        new = await read_model(request, NewCollection)
        segmentation, pictures = new.default_segmentation_config, new.default_thumbnails_config
        describe, transcribe = new.describe_config, new.transcribe_config
        extract = new.extract_config
        collection = await backend.collections.create(
            tenant_id,
            name=new.name,
            collection_type=new.collection_type,
            description=new.description,
            describe_config=describe.model_dump(exclude_none=True) if describe else None,
            extract_config=extract.to_core() if extract else None,
            transcribe_config=transcribe.model_dump(exclude_none=True) if transcribe else None,
            segmentation_config=segmentation.to_core() if segmentation else None,
            thumbnails_config=pictures.model_dump() if pictures else None,
        )
        return reply(collection_reply(collection))

    @router.get("", summary="List collections", response_model=CollectionList)
    async def list_collections(
        tenant_id: Tenant,
        page: Page = Depends(page_of("created_at", "name")),
        collection_type: str | None = Query(
            None, json_schema_extra={"enum": list(KNOWN_TYPES)}, description="Only collections of this type."
        ),
        created: CreatedRange = Depends(created_range),
    ) -> Response:
        listing = await backend.collections.list(tenant_id, page, collection_type=collection_type, created=created)
        return reply(list_reply(listing, [collection_reply(item) for item in listing.items]))

    @router.get("/{collection_id}", summary="Get a collection", response_model=Collection)
    async def get_collection(tenant_id: Tenant, collection_id: str) -> Response:
        return reply(collection_reply(await backend.collections.get(tenant_id, collection_id)))

    @router.put(
        "/{collection_id}",
        summary="Rename or redescribe a collection",
        response_model=Collection,
        openapi_extra=body_of(CollectionUpdate),
    )
    async def update(tenant_id: Tenant, request: Request, collection_id: str) -> Response:
        change = await read_model(request, CollectionUpdate)
        collection = await backend.collections.update(
            tenant_id, collection_id, name=change.name, description=change.description
        )
        return reply(collection_reply(collection))

    @router.delete("/{collection_id}", summary="Delete a collection", response_model=CollectionDelete)
    async def delete(tenant_id: Tenant, collection_id: str) -> Response:
        """Its files stay."""
        await backend.collections.delete(tenant_id, collection_id)
        return reply({"id": collection_id, "object": "collection"})

    return router
