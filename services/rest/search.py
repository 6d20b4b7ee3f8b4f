"""Routes of searches: running one, and reading those that were run."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from services.core.store.pages import CreatedRange, Page
from services.nimbus.backend import Backend
from services.nimbus.requests.searches import parse_search
from services.rest.bodies import body_of, read_json
from services.rest.errors import reply
from services.rest.gate import Tenant
from services.rest.long_replies import long_reply
from services.rest.parameters import created_range, plain_page
from services.rest.render import Links, list_reply
from services.rest.responses import while_connected
from services.rest.schemas import search as schemas


def search_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/search", tags=["search"])

    @router.post(
        "",
        summary="Search collections",
        response_model=schemas.SearchResponse,
        openapi_extra=body_of(schemas.SearchRequest),
    )
    async def search(tenant_id: Tenant, request: Request) -> Response:
        """The search is kept, to be read again by its id."""
        asked = parse_search(await read_json(request))
        return reply(await while_connected(request, backend.search.run(tenant_id, asked, Links(backend, request).of)))

    @router.get("", summary="List past searches", response_model=schemas.SearchList)
    async def list_searches(
        tenant_id: Tenant, page: Page = Depends(plain_page), created: CreatedRange = Depends(created_range)
    ) -> Response:
        """Newest first, without results."""
        listing = await backend.search.list(tenant_id, page, created=created)
        return await long_reply(list_reply(listing, listing.items))

    @router.get("/{search_id}", summary="Get a past search", response_model=schemas.SearchResponse)
    async def get_search(tenant_id: Tenant, request: Request, search_id: str) -> Response:
        """As it was run, less what was deleted since."""
        return reply(await backend.search.get(tenant_id, search_id, Links(backend, request).of))

    return router
