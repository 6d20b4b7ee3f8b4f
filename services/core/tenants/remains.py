"""What is left of a tenant that was deleted, counted in every table that names tenants and in the object store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select

from services.core.errors import not_found
from services.core.search.full_text_index import has_words_table
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.store.schema import index_log, metadata, tenants
from services.core.store.tenant_schema import audit_records, usage_records
from services.core.tenants.audit import Action


@dataclass(frozen=True)
class TenantReport:
    """Rows by table and objects by folder: none, once all is gone. `kept`: rows of tables to which rows are only added."""

    tenant_id: str
    deleted_at: int  # Unix milliseconds
    rows: Mapping[str, int]
    objects: Mapping[str, int]
    kept: Mapping[str, int]

    @property
    def is_complete(self) -> bool:
        return not any((*self.rows.values(), *self.objects.values()))


class TenantRemains:
    def __init__(self, database: Database, objects: Objects) -> None:
        self._database = database
        self._objects = objects

    async def report(self, tenant_id: str) -> TenantReport:
        """Reads whole tables. Raises NOT_FOUND for a tenant that was not deleted."""
        deleted = select(audit_records.c.at).where(
            audit_records.c.target_id == tenant_id, audit_records.c.action == Action.TENANT_DELETE.value
        )
        deletions = await self._database.fetch(deleted)
        if not deletions:
            raise not_found("Deleted tenant", tenant_id)
        rows = {"tenants": await self._count("tenants", tenants.c.id == tenant_id)}
        for name, table in sorted(metadata.tables.items()):
            if "tenant_id" in table.c and table is not usage_records:
                of_tenant = table.c.tenant_id == tenant_id
                # Removals hold no content: replicas of the index read them, until a snapshot has them.
                rows[name] = await self._count(
                    name, of_tenant & (table.c.operation == "add") if table is index_log else of_tenant
                )
        if self._database.is_sqlite:
            rows["segment_words"] = await self._database.reading(lambda it: int(has_words_table(it, tenant_id)))
        kept = {
            "audit_records": await self._count("audit_records", audit_records.c.target_id == tenant_id),
            "usage_records": await self._count("usage_records", usage_records.c.tenant_id == tenant_id),
        }
        folder = f"tenants/{tenant_id}"
        return TenantReport(tenant_id, deletions[0].at, rows, {folder: await self._objects.count(folder)}, kept)

    async def _count(self, table: str, which: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(metadata.tables[table]).where(which)
        return (await self._database.fetch(query))[0][0]
