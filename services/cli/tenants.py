"""`arcus tenants`, `arcus usage` and `arcus audit`: with the system running or not, on the database itself."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.administration import HERE, DataDir, changed_limits, every, milliseconds
from services.cli.terminal import visible_line
from services.core.clock import now_ms

if TYPE_CHECKING:
    from services.core.store.database import Database
    from services.core.store.objects import Objects
    from services.core.tenants.audit import AuditRecord
    from services.core.tenants.remains import TenantReport
    from services.core.tenants.tenants import Tenant
    from services.core.tenants.usage import UsageBucket

tenants_app = typer.Typer(no_args_is_help=True, help="Tenants: who has keys, files and answers of their own.")
TenantId = Annotated[str, typer.Argument(help="Id of the tenant, as 'arcus tenants list' tells it.")]


class Span(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


@tenants_app.command("list")
def list_tenants(data_dir: DataDir = HERE) -> None:
    """List tenants: id, name, plan, limits of its own, state."""
    from services.cli.credentials import with_tenants

    for tenant in with_tenants(data_dir, lambda tenants: every(tenants.list)):
        print(f"{tenant.id}  {visible_line(tenant.name)}  {_limits(tenant)}  {_state(tenant)}")


@tenants_app.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="Its name, which no other has.")], data_dir: DataDir = HERE
) -> None:
    """Make a tenant and print its id; 'arcus keys create --tenant NAME' makes it a key."""
    from services.cli.credentials import with_tenants

    print(with_tenants(data_dir, lambda tenants: tenants.create(name)).id)


@tenants_app.command("suspend")
def suspend_tenant(id: TenantId, data_dir: DataDir = HERE) -> None:
    """Let none of a tenant's keys in, until it is resumed; running fronts refuse them within two seconds."""
    from services.cli.credentials import with_tenants

    print(_state(with_tenants(data_dir, lambda tenants: tenants.suspend(id))))


@tenants_app.command("resume")
def resume_tenant(id: TenantId, data_dir: DataDir = HERE) -> None:
    """Let the keys of a suspended tenant in again."""
    from services.cli.credentials import with_tenants

    print(_state(with_tenants(data_dir, lambda tenants: tenants.resume(id))))


@tenants_app.command("export")
def export_tenant(
    id: TenantId,
    to: Annotated[Path, typer.Option(help="A new folder; only its owner can read it.")],
    data_dir: DataDir = HERE,
) -> None:
    """Write all that a tenant has into a folder, its rows as JSON lines and its files, and tell what was written."""
    from services.cli.credentials import with_storage
    from services.core.tenants.export import TenantExports

    export = with_storage(data_dir, lambda database, objects: TenantExports(database, objects).write(id, to))
    print(json.dumps(asdict(export), indent=1))


@tenants_app.command("delete")
def delete_tenant(
    id: TenantId,
    confirm: Annotated[str, typer.Option(help="Its name or its id once more.")],
    data_dir: DataDir = HERE,
) -> None:
    """Delete a tenant with all that it has, for ever, and print what is left of it: nothing, where it ends well."""
    from services.cli.credentials import with_storage

    async def delete(database: Database, objects: Objects) -> TenantReport:
        from services.core.library.deletions import Deletions
        from services.core.store.deletions import sweep
        from services.core.tenants.remains import TenantRemains
        from services.core.tenants.tenants import Tenants

        await Tenants(database, {}).delete(id, confirm)
        await Deletions(database).sweep()
        while await sweep(database, objects):
            pass
        return await TenantRemains(database, objects).report(id)

    report = with_storage(data_dir, delete)
    print(json.dumps(asdict(report) | {"is_complete": report.is_complete}, indent=1))


@tenants_app.command("limits")
def limit_tenant(
    id: TenantId,
    limits: Annotated[
        list[str] | None,
        typer.Argument(help="As requests_per_minute=600; NAME=null for none, NAME= for the plan's. Others stay."),
    ] = None,
    plan: Annotated[str | None, typer.Option(help="One of ARCUS_PLANS; '' for the default.")] = None,
    data_dir: DataDir = HERE,
) -> None:
    """Set a tenant's plan and limits, and print them; running fronts go by them within two seconds."""
    from services.cli.credentials import with_tenants
    from services.core.tenants.tenants import Tenants

    async def change(tenants: Tenants) -> Tenant:
        tenant = await tenants.get(id)
        changes: dict[str, Any] = {} if plan is None else {"plan": plan or None}
        if limits:
            changes["limits"] = changed_limits(tenant.limits, limits)
        return await tenants.update(id, changes) if changes else tenant

    print(_limits(with_tenants(data_dir, change)))


def usage(
    tenant: Annotated[str, typer.Option(help="Id of a tenant; all of them if absent.")] = "",
    by: Annotated[Span, typer.Option(help="What is summed up in a line, in UTC.")] = Span.DAY,
    group_by: Annotated[
        list[str] | None, typer.Option(help="tenant, key, model or kind, several times; tenant if absent.")
    ] = None,
    since: Annotated[str, typer.Option(help="As 90d, 12h, 30m or 45s.")] = "30d",
    data_dir: DataDir = HERE,
) -> None:
    """Tell what tenants used: tokens, seconds of video and bytes, oldest first."""
    from services.cli.credentials import with_database
    from services.core.store.pages import MAX_LIMIT, Page
    from services.core.tenants.tenants import Tenants
    from services.core.tenants.usage import Usage, UsageQuery

    query = UsageQuery(
        bucket=f"1{by.value[0]}", start=now_ms() - milliseconds("--since", since), group_by=group_by or ["tenant"]
    )

    async def tell(database: Database) -> None:
        if tenant:
            await Tenants(database, {}).get(tenant)
        page = Page(limit=MAX_LIMIT)
        while True:
            buckets, after = await Usage(database).buckets(query, page, tenant_id=tenant or None)
            for bucket in buckets:
                print(_used(bucket))
            if not after:
                return
            page = Page(limit=MAX_LIMIT, after=after)

    with_database(data_dir, tell)


def audit(
    target: Annotated[str, typer.Option(help="Id of a tenant or key; all of them if absent.")] = "",
    since: Annotated[str, typer.Option(help="As 90d, 12h, 30m or 45s; from the beginning if absent.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Lines at most.")] = 100,
    data_dir: DataDir = HERE,
) -> None:
    """Tell what was changed of tenants and keys, newest first: time, action, target, who, from where, and the change."""
    from services.cli.credentials import with_database
    from services.core.store.pages import MAX_LIMIT, CreatedRange, Page
    from services.core.tenants.audit import Audit

    created = CreatedRange(after=now_ms() - milliseconds("--since", since) if since else None)

    async def tell(database: Database) -> None:
        left, after = limit, ""
        while left:
            page = Page(limit=min(MAX_LIMIT, left), after=after)
            listing = await Audit(database).list(page, target_id=target or None, created=created)
            for record in listing.items:
                print(_changed(record))
            left, after = left - len(listing.items), listing.next_after
            if not after:
                return

    with_database(data_dir, tell)


def _state(tenant: Tenant) -> str:
    return "active" if tenant.suspended_at is None else "suspended"


def _limits(tenant: Tenant) -> str:
    own = f"  {json.dumps(tenant.limits)}" if tenant.limits else ""
    return f"{visible_line(tenant.plan or 'default')}{own}"


def _used(bucket: UsageBucket) -> str:
    """What was not grouped by is not told."""
    told = {name: value for name, value in vars(bucket).items() if name != "start" and value is not None}
    return f"{_time(bucket.start)}  " + "  ".join(f"{name}={visible_line(str(value))}" for name, value in told.items())


def _changed(record: AuditRecord) -> str:
    before, after = record.before or {}, record.after or {}
    changes = {name: value for name, value in after.items() if name not in before or before[name] != value}
    told = "  ".join(
        f"{name}={json.dumps(before[name])}→{json.dumps(value)}" if name in before else f"{name}={json.dumps(value)}"
        for name, value in changes.items()
    )
    who = f"{record.actor_key_id or 'command line'}  {visible_line(record.address) or '-'}"
    return f"{_time(record.at)}  {record.action}  {visible_line(record.target_id)}  {who}  {told}".rstrip()


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
