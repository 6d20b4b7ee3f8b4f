"""Verifies that rows, objects, index log and checksums fit together, with the system running or not, a page at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from services.core.backup.findings import Finding, Kind
from services.core.backup.index_log import IndexRows
from services.core.backup.rows import Rows
from services.core.backup.stored import StoredObjects
from services.core.clock import now_ms
from services.core.store.database import DamagedDatabaseError, Database
from services.core.store.objects import Objects

SETTLED_MS = 3600 * 1000  # after which what is stored has its row


class Verification:
    """`checked` counts what was looked at so far: references, tenants, shards, members, vectors, files, objects, bytes."""

    def __init__(
        self, database: Database, objects: Objects, *, reads_objects: bool = True, settled_ms: int = SETTLED_MS
    ) -> None:
        self.checked: Counter[str] = Counter()
        self._parts = (
            Rows(database, self.checked),
            IndexRows(database, self.checked),
            StoredObjects(database, objects, self.checked, settled_before=now_ms() - settled_ms, reads=reads_objects),
        )

    async def findings(self) -> AsyncIterator[Finding]:
        """What is wrong, as it is found."""
        for part in self._parts:
            try:
                async for finding in part.findings():
                    yield finding
            except DamagedDatabaseError as error:
                yield Finding(Kind.DATABASE_DAMAGED, "database", str(error.__cause__ or error.message))
                return
