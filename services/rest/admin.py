"""Routes of the administration: tenants, their keys, admin keys and the audit. They take admin keys alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPBearer

from services.core.clock import now_ms
from services.core.errors import ArcusError, Reason
from services.core.store.pages import CreatedRange, Listing, Page
from services.core.tenants.admin_keys import AdminKey
from services.core.tenants.audit import Actor, AuditRecord
from services.core.tenants.keys import ApiKey
from services.core.tenants.remains import TenantReport
from services.core.tenants.scopes import ALL_SCOPES, scopes_of
from services.core.tenants.tenants import Tenant
from services.nimbus.backend import Backend
from services.rest.bodies import body_of, read_model
from services.rest.errors import reply
from services.rest.parameters import created_range, plain_page
from services.rest.render import next_page
from services.rest.schemas import admin as schemas

bearer = HTTPBearer(
    auto_error=False, scheme_name="AdminKey", description="An admin key, as 'Authorization: Bearer admin-…'."
)


async def actor(request: Request, _key: object = Depends(bearer)) -> Actor:
    """Whom the gate found for the admin key."""
    found = request.scope.get("state", {}).get("actor")
    if found is None:
        raise ArcusError(Reason.UNAUTHENTICATED)
    return found


Admin = Annotated[Actor, Depends(actor)]
APage = Annotated[Page, Depends(plain_page)]


def admin_routes(backend: Backend) -> APIRouter:
    router = APIRouter(tags=["administration"], dependencies=[Depends(actor)])
    tenants, keys, admin_keys = backend.tenants, backend.keys, backend.admin_keys

    @router.post(
        "/tenants", summary="Create a tenant", response_model=schemas.Tenant, openapi_extra=body_of(schemas.NewTenant)
    )
    async def create_tenant(request: Request, admin: Admin) -> Response:
        given = await read_model(request, schemas.NewTenant)
        return reply(tenant_json(await tenants.create(given.name, admin)))

    @router.get("/tenants", summary="List tenants", response_model=schemas.TenantList)
    async def list_tenants(page: APage, name: str | None = Query(None, description="Of this name.")) -> Response:
        return _list(await tenants.list(page, name=name), tenant_json)

    @router.get("/tenants/{tenant_id}", summary="Get a tenant", response_model=schemas.Tenant)
    async def get_tenant(tenant_id: str) -> Response:
        return reply(tenant_json(await tenants.get(tenant_id)))

    @router.put(
        "/tenants/{tenant_id}",
        summary="Set a tenant's plan and limits",
        response_model=schemas.Tenant,
        openapi_extra=body_of(schemas.TenantUpdate),
    )
    async def update_tenant(request: Request, tenant_id: str, admin: Admin) -> Response:
        given = await read_model(request, schemas.TenantUpdate)
        return reply(tenant_json(await tenants.update(tenant_id, given.model_dump(exclude_unset=True), admin)))

    @router.delete(
        "/tenants/{tenant_id}", summary="Delete a tenant with all that it has", response_model=schemas.TenantDeletion
    )
    async def delete_tenant(
        tenant_id: str,
        admin: Admin,
        confirm: str = Query("", description="Its name or its id once more."),
    ) -> Response:
        """Its keys are let in no more. What it has is taken away from now on; the reply says what is left of it."""
        await tenants.delete(tenant_id, confirm, admin)
        keys.forget()
        return reply(deletion_json(await backend.tenant_remains.report(tenant_id)))

    @router.get(
        "/tenants/{tenant_id}/deletion",
        summary="Tell what is left of a deleted tenant",
        response_model=schemas.TenantDeletion,
    )
    async def get_deletion(tenant_id: str) -> Response:
        """Counted anew each time, over all tables and objects."""
        return reply(deletion_json(await backend.tenant_remains.report(tenant_id)))

    @router.post("/tenants/{tenant_id}/suspend", summary="Let in no key of a tenant", response_model=schemas.Tenant)
    async def suspend_tenant(tenant_id: str, admin: Admin) -> Response:
        suspended = await tenants.suspend(tenant_id, admin)
        keys.forget()
        return reply(tenant_json(suspended))

    @router.post("/tenants/{tenant_id}/resume", summary="Let the keys of a tenant in", response_model=schemas.Tenant)
    async def resume_tenant(tenant_id: str, admin: Admin) -> Response:
        resumed = await tenants.resume(tenant_id, admin)
        keys.forget()
        return reply(tenant_json(resumed))

    @router.post(
        "/tenants/{tenant_id}/keys",
        summary="Make a key for a tenant",
        response_model=schemas.Key,
        openapi_extra=body_of(schemas.NewKey),
    )
    async def create_key(request: Request, tenant_id: str, admin: Admin) -> Response:
        given = await read_model(request, schemas.NewKey)
        scopes = ALL_SCOPES if given.scopes is None else scopes_of(given.scopes)
        key, made = await keys.issue(
            tenant_id, name=given.name, scopes=scopes, expires_at=given.expires_at, actor=admin
        )
        return reply({**key_json(made), "key": key})

    @router.get("/keys", summary="List keys of tenants", response_model=schemas.KeyList)
    async def list_keys(
        page: APage, tenant_id: str | None = Query(None, description="Of this tenant alone.")
    ) -> Response:
        return _list(await keys.list(page, tenant_id=tenant_id), key_json)

    @router.get("/keys/{key_id}", summary="Get a key of a tenant", response_model=schemas.Key)
    async def get_key(key_id: str) -> Response:
        return reply(key_json(await keys.get(key_id)))

    @router.put(
        "/keys/{key_id}",
        summary="Set the limits of a key of a tenant",
        response_model=schemas.Key,
        openapi_extra=body_of(schemas.KeyUpdate),
    )
    async def limit_key(request: Request, key_id: str, admin: Admin) -> Response:
        given = await read_model(request, schemas.KeyUpdate)
        return reply(key_json(await keys.limit(key_id, given.limits, admin)))

    @router.post(
        "/keys/{key_id}/rotate",
        summary="Make a key like another, which ends after an overlap",
        response_model=schemas.Key,
        openapi_extra=body_of(schemas.KeyRotation),
    )
    async def rotate_key(request: Request, key_id: str, admin: Admin) -> Response:
        given = await read_model(request, schemas.KeyRotation)
        key, made = await keys.rotate(key_id, overlap_ms=given.overlap_seconds * 1000, actor=admin)
        return reply({**key_json(made), "key": key})

    @router.post("/keys/{key_id}/block", summary="Let a key in no more", response_model=schemas.Key)
    async def block_key(key_id: str, admin: Admin) -> Response:
        return reply(key_json(await keys.block(key_id, admin)))

    @router.post("/keys/{key_id}/unblock", summary="Let a blocked key in again", response_model=schemas.Key)
    async def unblock_key(key_id: str, admin: Admin) -> Response:
        return reply(key_json(await keys.unblock(key_id, admin)))

    @router.delete("/keys/{key_id}", summary="Revoke a key for ever", response_model=schemas.Key)
    async def revoke_key(key_id: str, admin: Admin) -> Response:
        await keys.get(key_id)  # by its id alone: a key in a path would stand in logs
        return reply(key_json(await keys.revoke(key_id, admin)))

    @router.post(
        "/admin-keys",
        summary="Make an admin key",
        response_model=schemas.AdminKey,
        openapi_extra=body_of(schemas.NewAdminKey),
    )
    async def create_admin_key(request: Request, admin: Admin) -> Response:
        given = await read_model(request, schemas.NewAdminKey)
        key, made = await admin_keys.create(given.name, admin)
        return reply({**admin_key_json(made), "key": key})

    @router.get("/admin-keys", summary="List admin keys", response_model=schemas.AdminKeyList)
    async def list_admin_keys(page: APage) -> Response:
        return _list(await admin_keys.list(page), admin_key_json)

    @router.delete("/admin-keys/{key_id}", summary="Revoke an admin key for ever", response_model=schemas.AdminKey)
    async def revoke_admin_key(key_id: str, admin: Admin) -> Response:
        return reply(admin_key_json(await admin_keys.revoke(key_id, admin)))

    @router.get("/audit", summary="List what was changed, and by whom", response_model=schemas.AuditRecordList)
    async def list_audit(
        page: APage,
        created: CreatedRange = Depends(created_range),
        target_id: str | None = Query(None, description="Changes of this tenant or key alone."),
    ) -> Response:
        return _list(await backend.audit.list(page, target_id=target_id, created=created), audit_json)

    return router


def _list(listing: Listing[Any], build: Callable[[Any], dict[str, Any]]) -> Response:
    return reply(
        {
            "object": "list",
            "data": [build(item) for item in listing.items],
            "total": listing.total,
            "limit": listing.limit,
            "offset": listing.offset,
            "has_more": listing.has_more,
            **next_page(listing.next_after),
        }
    )


def tenant_json(tenant: Tenant) -> dict[str, Any]:
    return {"object": "tenant", **asdict(tenant)}


def deletion_json(report: TenantReport) -> dict[str, Any]:
    return {"object": "tenant.deletion", **asdict(report), "is_complete": report.is_complete}


def key_json(key: ApiKey) -> dict[str, Any]:
    return {"object": "key", **asdict(key), "scopes": key.scopes.split(), "state": key.state(now_ms())}


def admin_key_json(key: AdminKey) -> dict[str, Any]:
    return {"object": "admin_key", **asdict(key)}


def audit_json(record: AuditRecord) -> dict[str, Any]:
    return {"object": "audit_record", **asdict(record)}
