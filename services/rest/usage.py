"""What was used: of a tenant for its own keys, of all tenants for admin keys."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from services.core.store.pages import Page
from services.core.tenants.usage import BUCKETS_MS, DAYS_MS, GROUPS, UsageQuery
from services.nimbus.backend import Backend
from services.rest.admin import actor
from services.rest.errors import reply
from services.rest.gate import Tenant
from services.rest.parameters import plain_page
from services.rest.render import next_page
from services.rest.schemas.admin import UsageList

LATEST = 2**53
WIDTH: Any = {"enum": list(BUCKETS_MS)}
GROUP: Any = {"items": {"enum": list(GROUPS)}, "uniqueItems": True}


def usage_query(
    bucket_width: str = Query("1d", json_schema_extra=WIDTH, description="Of the times that are summed up, in UTC."),
    start_time: int | None = Query(
        None,
        ge=0,
        le=LATEST,
        description=f"Unix milliseconds; {DAYS_MS // 86_400_000} days before the end when absent.",
    ),
    end_time: int | None = Query(None, ge=0, le=LATEST, description="Unix milliseconds; now when absent."),
    group_by: list[str] = Query([], json_schema_extra=GROUP, description="What to sum up apart."),
) -> UsageQuery:
    return UsageQuery(bucket_width, start_time, end_time, group_by)


Asked = Annotated[UsageQuery, Depends(usage_query)]
APage = Annotated[Page, Depends(plain_page)]


def usage_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/usage", tags=["usage"])

    @router.get("", summary="Tell what this account used", response_model=UsageList)
    async def own_usage(tenant: Tenant, query: Asked, page: APage) -> Response:
        return await _usage(backend, query, page, tenant)

    return router


def admin_usage_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/usage", tags=["administration"], dependencies=[Depends(actor)])

    @router.get("", summary="Tell what tenants used", response_model=UsageList)
    async def usage(
        query: Asked, page: APage, tenant_id: str | None = Query(None, description="Of this tenant alone.")
    ) -> Response:
        return await _usage(backend, query, page, tenant_id)

    return router


async def _usage(backend: Backend, query: UsageQuery, page: Page, tenant_id: str | None) -> Response:
    buckets, next_after = await backend.usage.buckets(query, page, tenant_id=tenant_id)
    data = [{"object": "usage_bucket", **asdict(bucket)} for bucket in buckets]
    return reply(
        {
            "object": "list",
            "data": data,
            "limit": page.limit,
            "offset": page.offset,
            "has_more": bool(next_after),
            **next_page(next_after),
        }
    )
