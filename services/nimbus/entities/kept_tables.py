"""Tables that were made lately, for the next question about the same content."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b

from services.core.library.holdings import Holdings
from services.nimbus.entities.tables import EntityCollection, EntityTables

MAX_BYTES = 64 * 1024**2  # of the rows of all tables that are kept, as JSON
KEPT_SECONDS = 600.0


@dataclass(frozen=True)
class Made:
    tables: EntityTables
    notes: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        return sum(table.size_bytes for table in self.tables.sql)


class KeptTables:
    """By tenant and content, so that a change of either finds nothing. The longest unused are forgotten first."""

    def __init__(self, max_bytes: int = MAX_BYTES, kept_seconds: float = KEPT_SECONDS) -> None:
        self._max_bytes = max_bytes
        self._kept_seconds = kept_seconds
        self._kept: OrderedDict[bytes, tuple[float, Made]] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes) -> Made | None:
        self._forget(time.monotonic() - self._kept_seconds)
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        _, made = self._kept[key]
        self._kept[key] = (time.monotonic(), made)
        return made

    def put(self, key: bytes, made: Made) -> None:
        if key in self._kept or made.size_bytes > self._max_bytes:
            return
        self._kept[key] = (time.monotonic(), made)
        self.size_bytes += made.size_bytes
        while self.size_bytes > self._max_bytes:
            self._forget_oldest()

    def _forget(self, before: float) -> None:
        while self._kept and next(iter(self._kept.values()))[0] < before:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, (_, made) = self._kept.popitem(last=False)
        self.size_bytes -= made.size_bytes


def key_of(tenant_id: str, collections: Sequence[EntityCollection], held: Holdings) -> bytes:
    """Of all that tables are made of. Takes a while where much is held."""
    described = json.dumps([tenant_id, [asdict(collection) for collection in collections]])
    return blake2b(described.encode() + held.digest).digest()
