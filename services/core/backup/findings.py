"""What a verification may find wrong, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

RESTORE = "restore it from a backup"


class Kind(StrEnum):
    DATABASE_DAMAGED = "database_damaged"
    ROW_DANGLING = "row_dangling"
    DESCRIPTION_INCOMPLETE = "description_incomplete"
    WORDS_MISSING = "words_missing"
    TOTAL_WRONG = "total_wrong"
    OBJECT_MISSING = "object_missing"
    OBJECT_CHANGED = "object_changed"
    OBJECT_ORPHANED = "object_orphaned"
    PICTURE_MISSING = "picture_missing"
    LOG_INCOMPLETE = "log_incomplete"
    LOG_DANGLING = "log_dangling"
    INDEX_COUNT_WRONG = "index_count_wrong"
    SNAPSHOT_UNREADABLE = "snapshot_unreadable"
    SNAPSHOT_AHEAD = "snapshot_ahead"
    SNAPSHOT_BEHIND = "snapshot_behind"


AGAIN = "remove the file from the collection and add it again, which indexes it anew"
REPLACED = "nothing is lost: a replica that starts passes over it and reads the log; the next snapshot replaces it"
ADVICE = {
    Kind.DATABASE_DAMAGED: "stop Arcus and restore the database from a backup",
    Kind.ROW_DANGLING: f"{RESTORE}, or delete the file that it belongs to and upload it again",
    Kind.DESCRIPTION_INCOMPLETE: "delete the file and upload it again, to have it described anew",
    Kind.WORDS_MISSING: "delete the file and upload it again: no search by words finds these segments",
    Kind.TOTAL_WRONG: "set tenant_totals.stored_bytes of the tenant to what its files have",
    Kind.OBJECT_MISSING: f"{RESTORE}, or delete the file and upload it again",
    Kind.OBJECT_CHANGED: f"{RESTORE}, or delete the file and upload it again",
    Kind.OBJECT_ORPHANED: "it only takes space: delete it from the object store",
    Kind.PICTURE_MISSING: f"{RESTORE}; all but this picture works without it",
    Kind.LOG_INCOMPLETE: "restore the database from a backup: searches may miss what is stored",
    Kind.LOG_DANGLING: AGAIN,
    Kind.INDEX_COUNT_WRONG: AGAIN,
    Kind.SNAPSHOT_UNREADABLE: REPLACED,
    Kind.SNAPSHOT_AHEAD: "delete its row of index_snapshots, then restart the shard's replicas: they would miss changes",
    Kind.SNAPSHOT_BEHIND: "delete its row of index_snapshots, so that replicas begin with the log",
}


@dataclass(frozen=True)
class Finding:
    """subject: a row as "table id", or the key of an object; detail: what is wrong with it."""

    kind: Kind
    subject: str
    detail: str

    @property
    def advice(self) -> str:
        return ADVICE[self.kind]
