"""What the administration takes and tells. Times are Unix milliseconds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from services.core.tenants.plans import Limits, Rates
from services.core.tenants.scopes import Scope
from services.rest.schemas.shared import NEXT_AFTER, Body, ListReply, Reply, told

NAME = told(minLength=1, maxLength=200)


def limits_of(kind: type[Rates]) -> Any:
    return told(properties=kind.model_json_schema()["properties"], additionalProperties=False)


class NewTenant(Body):
    name: str = Field(json_schema_extra=NAME)


class TenantUpdate(Body):
    """What is absent stays as it is."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    plan: str | None = Field(None, description="One of ARCUS_PLANS; null: the default.")
    limits: dict[str, Any] | None = Field(
        None,
        description="Where its own differ from the plan's, in place of those it had; null there means none.",
        json_schema_extra=limits_of(Limits),
    )


class KeyUpdate(Body):
    limits: dict[str, Any] | None = Field(
        description="Of its own, within its tenant's, in place of those it had.", json_schema_extra=limits_of(Rates)
    )


class NewKey(Body):
    name: str = Field("", description="What the key is for.", json_schema_extra=told(maxLength=200))
    scopes: list[str] | None = Field(
        None,
        description="All of them when absent.",
        json_schema_extra=told(items={"enum": [scope.value for scope in Scope]}, minItems=1),
    )
    expires_at: int | None = Field(None, description="Unix milliseconds; never when absent.")


class KeyRotation(Body):
    overlap_seconds: int = Field(
        3600,
        description="How long the old key stays valid.",
        json_schema_extra=told(minimum=0, maximum=30 * 86_400),
    )


class NewAdminKey(Body):
    name: str = Field(description="Whose it is.", json_schema_extra=NAME)


class Tenant(Reply):
    object: Literal["tenant"]
    id: str
    name: str
    created_at: int
    suspended_at: int | None
    plan: str | None = Field(description="Null: the default.")
    limits: dict[str, Any] | None = Field(description="Where its own differ from the plan's.")


class TenantDeletion(Reply):
    object: Literal["tenant.deletion"]
    tenant_id: str
    deleted_at: int
    rows: dict[str, int] = Field(description="What is left, by table: 0 each in the end.")
    objects: dict[str, int] = Field(description="What is left, by folder: 0 in the end.")
    kept: dict[str, int] = Field(description="Rows that stay: tables to which rows are only added.")
    is_complete: bool


class Key(Reply):
    object: Literal["key"]
    id: str
    tenant_id: str
    tenant: str
    name: str
    hint: str = Field(description="The first characters of the key.")
    scopes: list[Scope]
    limits: dict[str, Any] | None = Field(description="Of its own, within its tenant's.")
    state: Literal["active", "blocked", "expired", "revoked"]
    created_at: int
    expires_at: int | None
    last_used_at: int | None = Field(description="Noted once a minute.")
    blocked_at: int | None
    revoked_at: int | None
    key: str | None = Field(None, description="The key itself, in the reply that makes it and in no other.")


class AdminKey(Reply):
    object: Literal["admin_key"]
    id: str
    name: str
    hint: str
    created_at: int
    revoked_at: int | None
    key: str | None = Field(None, description="The key itself, in the reply that makes it and in no other.")


class AuditRecord(Reply):
    object: Literal["audit_record"]
    id: int
    at: int
    actor_key_id: str | None = Field(description="An admin key; null for the command line beside the database.")
    action: str
    target_type: str
    target_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str
    request_id: str


class UsageBucket(Reply):
    object: Literal["usage_bucket"]
    start: int = Field(description="Unix milliseconds.")
    tenant_id: str | None = Field(description="Null where it was not grouped by, as the next three.")
    key_id: str | None
    model: str | None
    kind: str | None = Field(description="response, upload or video.")
    records: int
    input_tokens: int
    output_tokens: int
    video_seconds: float
    bytes: int


class UsageList(Reply):
    object: Literal["list"]
    data: list[UsageBucket] = Field(description="Those in which something was used, oldest first.")
    limit: int
    offset: int
    has_more: bool
    next_after: str | None = Field(None, description=NEXT_AFTER)


class TenantList(ListReply):
    data: list[Tenant]


class KeyList(ListReply):
    data: list[Key]


class AdminKeyList(ListReply):
    data: list[AdminKey]


class AuditRecordList(ListReply):
    data: list[AuditRecord]
