"""AdminService: what `/admin/v1` is over HTTP. The gate lets admin keys in alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from arcus.v1 import admin_pb2 as pb
from arcus.v1 import admin_pb2_grpc
from grpc.aio import ServicerContext as Context

from services.core.clock import now_ms
from services.core.errors import invalid
from services.core.tenants.admin_keys import AdminKey
from services.core.tenants.audit import AuditRecord
from services.core.tenants.keys import ApiKey
from services.core.tenants.remains import TenantReport
from services.core.tenants.scopes import ALL_SCOPES, scopes_of
from services.core.tenants.tenants import Tenant
from services.core.tenants.usage import UsageQuery
from services.nimbus.backend import Backend
from services.rpc.gate import actor
from services.rpc.values import optional, page_of, paged, range_of, struct_json, struct_of

OVERLAP_SECONDS = 3600  # of a rotation that names none
STATES = {
    "active": pb.KEY_STATE_ACTIVE,
    "blocked": pb.KEY_STATE_BLOCKED,
    "expired": pb.KEY_STATE_EXPIRED,
    "revoked": pb.KEY_STATE_REVOKED,
}


class AdminService(admin_pb2_grpc.AdminServiceServicer):
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._tenants, self._keys, self._admin_keys = backend.tenants, backend.keys, backend.admin_keys

    async def CreateTenant(self, request: pb.CreateTenantRequest, _context: Context) -> pb.Tenant:
        return _tenant(await self._tenants.create(request.name, actor()))

    async def GetTenant(self, request: pb.GetTenantRequest, _context: Context) -> pb.Tenant:
        return _tenant(await self._tenants.get(request.tenant_id))

    async def ListTenants(self, request: pb.ListTenantsRequest, _context: Context) -> pb.ListTenantsResponse:
        listing = await self._tenants.list(page_of(request.page), name=optional(request, "name"))
        return pb.ListTenantsResponse(tenants=map(_tenant, listing.items), **paged(listing))

    async def UpdateTenant(self, request: pb.UpdateTenantRequest, _context: Context) -> pb.Tenant:
        changes: dict[str, Any] = {}
        if request.HasField("plan"):
            changes["plan"] = request.plan or None
        if request.HasField("limits"):
            changes["limits"] = struct_json(request, "limits") or None
        return _tenant(await self._tenants.update(request.tenant_id, changes, actor()))

    async def SuspendTenant(self, request: pb.SuspendTenantRequest, _context: Context) -> pb.Tenant:
        tenant = await self._tenants.suspend(request.tenant_id, actor())
        self._keys.forget()
        return _tenant(tenant)

    async def ResumeTenant(self, request: pb.ResumeTenantRequest, _context: Context) -> pb.Tenant:
        tenant = await self._tenants.resume(request.tenant_id, actor())
        self._keys.forget()
        return _tenant(tenant)

    async def DeleteTenant(self, request: pb.DeleteTenantRequest, _context: Context) -> pb.TenantDeletion:
        await self._tenants.delete(request.tenant_id, request.confirm, actor())
        self._keys.forget()
        return _deletion(await self._backend.tenant_remains.report(request.tenant_id))

    async def GetTenantDeletion(self, request: pb.GetTenantDeletionRequest, _context: Context) -> pb.TenantDeletion:
        return _deletion(await self._backend.tenant_remains.report(request.tenant_id))

    async def CreateKey(self, request: pb.CreateKeyRequest, _context: Context) -> pb.Key:
        key, made = await self._keys.issue(
            request.tenant_id,
            name=request.name,
            scopes=scopes_of(request.scopes) if request.scopes else ALL_SCOPES,
            expires_at=optional(request, "expires_at"),
            actor=actor(),
        )
        return _key(made, key)

    async def GetKey(self, request: pb.GetKeyRequest, _context: Context) -> pb.Key:
        return _key(await self._keys.get(request.key_id))

    async def ListKeys(self, request: pb.ListKeysRequest, _context: Context) -> pb.ListKeysResponse:
        listing = await self._keys.list(page_of(request.page), tenant_id=optional(request, "tenant_id"))
        return pb.ListKeysResponse(keys=map(_key, listing.items), **paged(listing))

    async def UpdateKey(self, request: pb.UpdateKeyRequest, _context: Context) -> pb.Key:
        if not request.HasField("limits"):
            raise invalid("Give limits; empty ones mean none of its own.", field="limits")
        limits = struct_json(request, "limits") or None
        return _key(await self._keys.limit(request.key_id, limits, actor()))

    async def RotateKey(self, request: pb.RotateKeyRequest, _context: Context) -> pb.Key:
        seconds = request.overlap_seconds if request.HasField("overlap_seconds") else OVERLAP_SECONDS
        key, made = await self._keys.rotate(request.key_id, overlap_ms=seconds * 1000, actor=actor())
        return _key(made, key)

    async def BlockKey(self, request: pb.BlockKeyRequest, _context: Context) -> pb.Key:
        return _key(await self._keys.block(request.key_id, actor()))

    async def UnblockKey(self, request: pb.UnblockKeyRequest, _context: Context) -> pb.Key:
        return _key(await self._keys.unblock(request.key_id, actor()))

    async def RevokeKey(self, request: pb.RevokeKeyRequest, _context: Context) -> pb.Key:
        await self._keys.get(request.key_id)  # by its id alone, as over HTTP
        return _key(await self._keys.revoke(request.key_id, actor()))

    async def CreateAdminKey(self, request: pb.CreateAdminKeyRequest, _context: Context) -> pb.AdminKey:
        key, made = await self._admin_keys.create(request.name, actor())
        return _admin_key(made, key)

    async def ListAdminKeys(self, request: pb.ListAdminKeysRequest, _context: Context) -> pb.ListAdminKeysResponse:
        listing = await self._admin_keys.list(page_of(request.page))
        return pb.ListAdminKeysResponse(keys=map(_admin_key, listing.items), **paged(listing))

    async def RevokeAdminKey(self, request: pb.RevokeAdminKeyRequest, _context: Context) -> pb.AdminKey:
        return _admin_key(await self._admin_keys.revoke(request.key_id, actor()))

    async def ListUsage(self, request: pb.ListUsageRequest, _context: Context) -> pb.ListUsageResponse:
        query = UsageQuery(
            request.bucket_width or "1d",
            optional(request, "start_time"),
            optional(request, "end_time"),
            list(request.group_by),
        )
        buckets, next_after = await self._backend.usage.buckets(
            query, page_of(request.page), tenant_id=optional(request, "tenant_id")
        )
        told = [pb.UsageBucket(**asdict(bucket)) for bucket in buckets]
        return pb.ListUsageResponse(buckets=told, has_more=bool(next_after), next_after=next_after)

    async def ListAudit(self, request: pb.ListAuditRequest, _context: Context) -> pb.ListAuditResponse:
        listing = await self._backend.audit.list(
            page_of(request.page), target_id=optional(request, "target_id"), created=range_of(request.created)
        )
        return pb.ListAuditResponse(records=map(_record, listing.items), **paged(listing))


def _tenant(tenant: Tenant) -> pb.Tenant:
    return pb.Tenant(**_fields(asdict(tenant), "limits"))


def _deletion(report: TenantReport) -> pb.TenantDeletion:
    return pb.TenantDeletion(**asdict(report), is_complete=report.is_complete)


def _key(key: ApiKey, secret: str | None = None) -> pb.Key:
    fields = _fields(asdict(key), "limits") | {"scopes": key.scopes.split(), "state": STATES[key.state(now_ms())]}
    return pb.Key(**fields, key=secret)


def _admin_key(key: AdminKey, secret: str | None = None) -> pb.AdminKey:
    return pb.AdminKey(**asdict(key), key=secret)


def _record(record: AuditRecord) -> pb.AuditRecord:
    return pb.AuditRecord(**_fields(asdict(record), "before", "after"))


def _fields(values: Mapping[str, Any], *structs: str) -> dict[str, Any]:
    """Of a message; None is a field that is absent."""
    return {
        name: struct_of(value) if name in structs and value is not None else value for name, value in values.items()
    }
