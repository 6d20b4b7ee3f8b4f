"""`arcus verify`: whether what is stored fits together, beside the database and the objects, with the system running or not."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.administration import HERE, DataDir
from services.cli.terminal import visible_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.core.settings import Settings
    from services.core.store.database import Database
    from services.core.store.objects import Objects


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
