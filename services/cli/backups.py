"""`arcus backup`, `arcus restore` and `arcus verify`: beside the database and the objects, with the system running or not."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.administration import HERE, DataDir
from services.cli.terminal import visible_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.core.backup.manifest import Manifest
    from services.core.settings import Settings
    from services.core.store.database import Database
    from services.core.store.objects import Objects


def backup(
    to: Annotated[Path, typer.Option(help="Folder of backups, on another disk; made if absent.")],
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="Also keep the data folder's keys and secrets, in clear.")
    ] = False,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="How many backups of the folder stay, this one among them; all by default."),
    ] = None,
    data_dir: DataDir = HERE,
) -> None:
    """Back up the database and its objects, also under load, and print where; exit status 1 if an object was not whole."""
    from services.core.settings import load_settings

    made, manifest = asyncio.run(_backup(load_settings(data_dir=data_dir), to, with_secrets, keep))
    typer.echo(f"{manifest.objects} objects of {manifest.object_bytes} bytes", err=True)
    print(made)
    if manifest.lost:
        typer.echo(f"error: {manifest.lost} objects were missing or changed; `arcus verify` tells which", err=True)
        raise typer.Exit(1)


async def _backup(settings: Settings, to: Path, with_secrets: bool, keep: int | None) -> tuple[Path, Manifest]:
    from services.core.backup.backups import back_up

    secrets_from = settings.data_dir if with_secrets else None
    async with _opened(settings) as (database, objects):
        await database.await_schema()
        return await back_up(settings.database, database, objects, to, secrets_from=secrets_from, keep=keep)


def restore(
    backup: Annotated[Path, typer.Option("--from", help="A backup, as 'arcus backup' printed it.")],
    data_dir: DataDir = HERE,
) -> None:
    """Restore a backup into an empty database and an empty object store, those of the settings."""
    from services.core.backup.restore import restore as bring
    from services.core.settings import load_settings
    from services.core.store.objects import Objects

    settings = load_settings(data_dir=data_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    manifest = asyncio.run(bring(backup, settings.database, Objects(settings.objects), secrets_to=settings.data_dir))
    print(
        f"restored {manifest.objects} objects and {sum(manifest.rows.values())} rows; `arcus verify` looks them through"
    )


def verify(
    sizes_only: Annotated[bool, typer.Option("--sizes-only", help="Compare sizes of objects, not checksums.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON for each finding, and one for the sum.")
    ] = False,
    data_dir: DataDir = HERE,
) -> None:
    """Verify that rows, objects, index and checksums fit together; exit status 1 if anything does not."""
    from services.core.settings import load_settings

    found = asyncio.run(_verify(load_settings(data_dir=data_dir), sizes_only, as_json))
    raise typer.Exit(1 if found else 0)


async def _verify(settings: Settings, sizes_only: bool, as_json: bool) -> Counter[str]:
    from services.core.backup.verification import Verification

    found: Counter[str] = Counter()
    async with _opened(settings) as (database, objects):
        await database.await_schema()
        verification = Verification(database, objects, reads_objects=not sizes_only)
        async for finding in verification.findings():
            found[finding.kind] += 1
            told = {
                "kind": finding.kind,
                "subject": finding.subject,
                "detail": finding.detail,
                "advice": finding.advice,
            }
            print(json.dumps(told) if as_json else visible_line("{kind}: {subject}: {detail}; {advice}".format(**told)))
    if as_json:
        print(json.dumps({"checked": verification.checked, "findings": found}))
    else:
        counted = ", ".join(f"{count} {what}" for what, count in verification.checked.items() if count)
        print(f"{sum(found.values())} findings in {counted or 'an empty database'}")
    return found


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Database, Objects]]:
    from services.core.store.database import Database
    from services.core.store.objects import Objects

    database = Database(settings.database)
    try:
        yield database, Objects(settings.objects)
    finally:
        await database.close()
