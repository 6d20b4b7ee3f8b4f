"""The tables. Ids are UUID strings, times are Unix milliseconds, sizes are bytes, vectors float32 little-endian."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

metadata = MetaData()

# SQLite counts rows up only for INTEGER PRIMARY KEY; PostgreSQL needs 64 bits.
RowNumber = BigInteger().with_variant(Integer, "sqlite")


def _id(name: str = "id") -> Column:
    return Column(name, String(36), primary_key=True)


def _tenant() -> Column:
    return Column("tenant_id", String(36), ForeignKey("tenants.id"), nullable=False)


def _deleted_at() -> Column:
    """Where it is set, nobody reads the row any more: library/deletions.py takes it away, with all that hangs on it."""
    return Column("deleted_at", BigInteger)


def only(condition: str) -> dict[str, Any]:
    """A partial index. A query uses it where it says the condition in the same words, not by a parameter."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def _deleted(table: str) -> Index:
    return Index(f"{table}_deleted", "id", **only("deleted_at IS NOT NULL"))


tenants = Table(
    "tenants",
    metadata,
    _id(),
    Column("name", String(200), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("suspended_at", BigInteger),
    Column("plan", String(64)),
    Column("limits", JSON(none_as_null=True)),  # where they differ from the plan's
    _deleted_at(),
    _deleted("tenants"),
)

api_keys = Table(
    "api_keys",
    metadata,
    _id(),
    _tenant(),
    Column("hash", String(64), nullable=False, unique=True),  # SHA-256 of the key
    Column("hint", String(16), nullable=False),
    Column("name", String(200), nullable=False, server_default=""),
    Column("scopes", String(64), nullable=False, server_default="read ask ingest"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("blocked_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("limits", JSON(none_as_null=True)),  # of its own, within the tenant's
    Index("api_keys_by_tenant", "tenant_id"),
)

files = Table(
    "files",
    metadata,
    _id(),
    _tenant(),
    Column("status", String(16), nullable=False),  # pending, processing, completed, failed
    Column("error", Text),
    Column("filename", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("object_key", Text, nullable=False),
    Column("source", String(32), nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("media_info", JSON),
    Column("segment_thumbnails", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    _deleted_at(),
    Index("files_by_tenant", "tenant_id", "created_at", "id"),
    _deleted("files"),
)

collections = Table(
    "collections",
    metadata,
    _id(),
    _tenant(),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("collection_type", String(32), nullable=False),
    Column("describe_config", JSON, nullable=False),
    Column("segmentation_config", JSON, nullable=False),
    Column("thumbnails_config", JSON, nullable=False),
    Column("extract_config", JSON(none_as_null=True)),  # of the type entities alone
    Column("shard", Integer, nullable=False),  # of its first files; collection_shards says where it is
    Column("created_at", BigInteger, nullable=False),
    _deleted_at(),
    UniqueConstraint("tenant_id", "name", name="collections_name"),
    _deleted("collections"),
)

# One segmentation of one file. The same file and configuration is segmented once.
segmentations = Table(
    "segmentations",
    metadata,
    _id(),
    _tenant(),
    Column("file_id", String(36), ForeignKey("files.id", ondelete="CASCADE"), nullable=False),
    Column("config", JSON, nullable=False),
    Column("config_hash", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("file_id", "config_hash", name="segmentations_config"),
    Index("segmentations_by_tenant", "tenant_id"),
)

segments = Table(
    "segments",
    metadata,
    _id(),
    _tenant(),
    Column("segmentation_id", String(36), ForeignKey("segmentations.id", ondelete="CASCADE"), nullable=False),
    Column("file_id", String(36), nullable=False),
    Column("position", Integer, nullable=False),
    Column("start_time", Float, nullable=False),
    Column("end_time", Float, nullable=False),
    Column("metadata", JSON, nullable=False),
    UniqueConstraint("segmentation_id", "position", name="segments_position"),
    Index("segments_by_file", "file_id"),
    Index("segments_by_tenant", "tenant_id"),
)

# One understanding of one segmentation. The same segmentation and configuration is described once, whoever asks for it.
descriptions = Table(
    "descriptions",
    metadata,
    _id(),
    _tenant(),
    Column("file_id", String(36), ForeignKey("files.id", ondelete="CASCADE"), nullable=False),
    Column("segmentation_id", String(36), ForeignKey("segmentations.id", ondelete="CASCADE"), nullable=False),
    Column("config", JSON, nullable=False),
    Column("config_hash", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("stage", String(32), nullable=False),  # queued, segment, describe, summarise, done
    Column("segments_done", Integer, nullable=False),
    Column("segments_total", Integer, nullable=False),
    Column("error", Text),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    _deleted_at(),
    UniqueConstraint("segmentation_id", "config_hash", name="descriptions_config"),
    _deleted("descriptions"),
    Index("descriptions_by_file", "file_id"),
    Index("descriptions_by_tenant", "tenant_id"),
)

segment_descriptions = Table(
    "segment_descriptions",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("description_id", String(36), ForeignKey("descriptions.id", ondelete="CASCADE"), nullable=False),
    Column("segment_id", String(36), ForeignKey("segments.id", ondelete="CASCADE"), nullable=False),
    Column("tenant_id", String(36), nullable=False),
    Column("content", JSON, nullable=False),  # SegmentDescription
    Column("text", Text, nullable=False),  # what full-text search reads
    UniqueConstraint("description_id", "segment_id", name="segment_descriptions_segment"),
    Index("segment_descriptions_by_segment", "segment_id"),  # for deleting segments
)

collection_files = Table(
    "collection_files",
    metadata,
    Column("collection_id", String(36), ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("file_id", String(36), ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
    _tenant(),
    Column("description_id", String(36), ForeignKey("descriptions.id"), nullable=False),
    Column("segmentation_id", String(36), nullable=False),
    Column("segmentation_config", JSON, nullable=False),
    Column("segment_thumbnails", Boolean, nullable=False, server_default=true()),
    Column("shard", Integer, nullable=False, server_default="0"),  # that holds this file's vectors
    Column("added_at", BigInteger, nullable=False),
    Index("collection_files_by_description", "description_id"),
    Index("collection_files_by_file", "file_id"),
    Index("collection_files_by_tenant", "tenant_id"),
)

# The entities of one file in one collection of type entities. They go with the member.
extractions = Table(
    "extractions",
    metadata,
    _id(),
    _tenant(),
    Column("collection_id", String(36), nullable=False),
    Column("file_id", String(36), nullable=False),
    Column("status", String(16), nullable=False),  # pending, processing, completed, failed
    Column("segments_done", Integer, nullable=False),
    Column("error", Text),
    Column("entities", JSON(none_as_null=True)),  # of the whole file; null: none, or not yet
    Column("sources", JSON(none_as_null=True)),  # where each value was found
    Column("created_at", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["collection_id", "file_id"],
        ["collection_files.collection_id", "collection_files.file_id"],
        ondelete="CASCADE",
        name="extractions_member",
    ),
    UniqueConstraint("collection_id", "file_id", name="extractions_file"),
    Index("extractions_by_tenant", "tenant_id"),
)

segment_entities = Table(
    "segment_entities",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("extraction_id", String(36), ForeignKey("extractions.id", ondelete="CASCADE"), nullable=False),
    Column("segment_id", String(36), ForeignKey("segments.id", ondelete="CASCADE"), nullable=False),
    Column("tenant_id", String(36), nullable=False),
    Column("entities", JSON(none_as_null=True)),  # null: the segment supports no record that fits the schema
    Column("sources", JSON(none_as_null=True)),
    UniqueConstraint("extraction_id", "segment_id", name="segment_entities_segment"),
    Index("segment_entities_by_segment", "segment_id"),  # for deleting segments
)

thumbnails = Table(
    "thumbnails",
    metadata,
    _id(),
    _tenant(),
    Column("file_id", String(36), ForeignKey("files.id", ondelete="CASCADE"), nullable=False),
    Column("segmentation_id", String(36)),
    Column("segment_id", String(36)),
    Column("time", Float, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("object_key", Text, nullable=False),
    Index("thumbnails_by_file", "file_id", "time"),
    Index("thumbnails_by_segment", "segment_id"),
    Index("thumbnails_by_tenant", "tenant_id"),
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("tenant_id", String(36), nullable=False),
    Column("description_id", String(36), ForeignKey("descriptions.id", ondelete="CASCADE"), nullable=False),
    Column("segment_id", String(36), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("start_time", Float, nullable=False),
    Column("end_time", Float, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Index("embeddings_by_segment", "description_id", "segment_id"),
)

# One row: the model that made the vectors above, where one of the packages' own did.
embedder = Table(
    "embedder",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("model", Text, nullable=False),
)

# The next number of each shard's log. Its row lock makes commit order and sequence order the same.
shards = Table(
    "shards",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("trimmed_sequence", BigInteger, nullable=False, server_default="0"),  # removals up to here may be gone
    Column("is_retired", Boolean, nullable=False, server_default=false()),  # takes no more files
    Column("snapshot_until", BigInteger, nullable=False, server_default="0"),  # lease of the replica that writes one
)

# The shards that hold files of a collection. One that holds much has several.
collection_shards = Table(
    "collection_shards",
    metadata,
    Column("collection_id", String(36), ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("vectors", BigInteger, nullable=False),
)

# Images of whole shards in the object store: where a replica starts, instead of at the log's first row.
index_snapshots = Table(
    "index_snapshots",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),  # the last row of the log in it
    Column("object_key", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

# What a shard replica applies, in order. Removals outlive the rows they remove.
index_log = Table(
    "index_log",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("operation", String(8), nullable=False),  # add, remove, move
    Column("tenant_id", String(36), nullable=False),
    Column("collection_id", String(36), nullable=False),
    Column("file_id", String(36), nullable=False),
    Column("embedding_id", BigInteger),
    Index("index_log_by_collection", "collection_id", "file_id"),
)

# Folders of objects to delete once their time has come: those of deleted rows at once, those of an upload under
# way a day from its start, unless it ends well and takes its line back. A crash at any point leaves no orphan.
object_deletions = Table(
    "object_deletions",
    metadata,
    Column("prefix", Text, primary_key=True),
    Column("not_before", BigInteger, nullable=False),
    Index("object_deletions_due", "not_before"),
)

responses = Table(
    "responses",
    metadata,
    _id(),
    _tenant(),
    Column("status", String(16), nullable=False),  # in_progress, completed, failed, cancelled
    Column("model", Text, nullable=False),
    Column("instructions", Text),
    Column("request", JSON, nullable=False),  # as it was sent
    Column("body", JSON, nullable=False),  # the response as clients see it
    Column("background", Boolean, nullable=False),
    Column("previous_response_id", String(36)),
    Column("prompt", LargeBinary),  # what the engine was given: whoever takes over goes on from it
    Column("key_id", String(36)),  # that asked; null: from before keys were noted
    Column("owner", String(64)),  # the front that works on it; its lease keeps the others away
    Column("lease_until", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("joined_events", BigInteger),  # of its log, once it ended and was joined to one row; null: not yet
    Index("responses_by_tenant", "tenant_id", "created_at", "id"),
    Index("responses_in_progress", "status", "lease_until"),
    Index("responses_to_join", "created_at", **only("joined_events IS NULL AND status <> 'in_progress'")),
)

# The log of a response, some entries to a row; once it ended, all in one. No entry is ever changed.
response_events = Table(
    "response_events",
    metadata,
    Column("response_id", String(36), ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
    Column("first_number", BigInteger, primary_key=True, autoincrement=False),
    Column("entries", JSON, nullable=False),
    Column("engine_text", Text, nullable=False),  # what the engine wrote for these entries
    Column("output_tokens", Integer, nullable=False),
)

searches = Table(
    "searches",
    metadata,
    _id(),
    _tenant(),
    Column("request", JSON, nullable=False),
    Column("hits", JSON, nullable=False),  # collection, description, segment and score of each, best first
    Column("created_at", BigInteger, nullable=False),
    Index("searches_by_tenant", "tenant_id", "created_at", "id"),
)

chats = Table(
    "chats",
    metadata,
    _id(),
    _tenant(),
    Column("body", JSON, nullable=False),  # the chat completion as clients see it
    Column("created_at", BigInteger, nullable=False),
    Index("chats_by_tenant", "tenant_id", "created_at", "id"),
)
