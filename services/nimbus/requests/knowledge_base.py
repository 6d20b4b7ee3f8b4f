"""What a request may be answered from: collections, files or everything, narrowed by a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from services.core.errors import ArcusError, Reason, invalid
from services.core.library.references import FETCHES_NO_URLS, file_id_of
from services.core.search.filters import SearchFilter

MAX_COLLECTIONS = 100
MAX_FILES = 1_000
MAX_ENTITY_COLLECTIONS = 20
MAX_DESCRIPTION = 2_000
MAX_NAME = 200
ENTITY_FIELD = "knowledge_base.entity_backed_knowledge_config"


@dataclass(frozen=True)
class NamedCollection:
    """A collection of entities as the request names it; what is empty falls back to the collection's own."""

    collection_id: str
    name: str = ""
    description: str = ""


@dataclass(frozen=True)
class EntityKnowledgeConfig:
    """`entity_backed_knowledge_config` of a request."""

    collections: tuple[NamedCollection, ...]
    description: str = ""

    @classmethod
    def from_json(cls, value: Any, *, field: str = ENTITY_FIELD) -> EntityKnowledgeConfig:
        """Raises INVALID_ARGUMENT that names the field."""
        if not isinstance(value, dict):
            raise invalid(f"{field} must be an object with entity_collections", field=field)
        items = value.get("entity_collections")
        if not isinstance(items, list) or not 1 <= len(items) <= MAX_ENTITY_COLLECTIONS:
            raise invalid(
                f"{field}.entity_collections must be an array of 1 to {MAX_ENTITY_COLLECTIONS} objects with collection_id",
                field=f"{field}.entity_collections",
            )
        named = [_named(item, f"{field}.entity_collections[{index}]") for index, item in enumerate(items)]
        unique = {item.collection_id: item for item in reversed(named)}
        return cls(tuple(reversed(unique.values())), _text(value, "description", field, MAX_DESCRIPTION))


@dataclass(frozen=True)
class KnowledgeBase:
    source: Literal["collections", "files", "default"] = "default"
    collections: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    filter: SearchFilter | None = None
    entities: EntityKnowledgeConfig | None = None  # without collections beside it, no segments are searched


def read_knowledge_base(value: Any) -> KnowledgeBase:
    """Reads `knowledge_base` of a request; without one, everything of the tenant. Raises INVALID_ARGUMENT naming the field."""
    if value is None:
        return KnowledgeBase()
    if not isinstance(value, dict):
        raise invalid("knowledge_base must be an object", field="knowledge_base")
    source = "collections" if value.get("source") is None else value["source"]
    kind = "general_question_answering" if value.get("type") is None else value["type"]
    if kind not in ("general_question_answering", "entity_backed_knowledge"):
        raise invalid(
            "knowledge_base.type must be general_question_answering or entity_backed_knowledge",
            field="knowledge_base.type",
        )
    entities = None
    if kind == "entity_backed_knowledge":
        if source != "collections":
            raise invalid("entity_backed_knowledge needs source: collections", field="knowledge_base.source")
        entities = EntityKnowledgeConfig.from_json(value.get("entity_backed_knowledge_config"))
    filter = None
    if value.get("filter") is not None:
        filter = SearchFilter.from_json(value["filter"], field="knowledge_base.filter")
    match source:
        case "default":
            return KnowledgeBase("default", filter=filter)
        case "files":
            references = _ids(value.get("files"), "knowledge_base.files", MAX_FILES)
            return KnowledgeBase(
                "files",
                files=tuple(_file_id(item) for item in references),
                filter=filter,
            )
        case "collections":
            if value.get("files") and not value.get("collections"):
                raise invalid("knowledge_base.files needs source: files", field="knowledge_base.source")
            ids: tuple[str, ...] = ()
            if value.get("collections") is not None or entities is None:
                ids = _ids(value.get("collections"), "knowledge_base.collections", MAX_COLLECTIONS)
            return KnowledgeBase("collections", ids, (), filter, entities)
    raise invalid("knowledge_base.source must be collections, files or default", field="knowledge_base.source")


def _file_id(reference: str) -> str:
    """A URL would name a file that was fetched from it, and none is."""
    if "://" in reference and not reference.startswith("cloudglue://"):
        message = f"File not found: {reference[:100]}. {FETCHES_NO_URLS}"
        raise ArcusError(Reason.NOT_FOUND, message, field="knowledge_base.files")
    return file_id_of(reference, field="knowledge_base.files")


def _ids(value: Any, field: str, most: int) -> tuple[str, ...]:
    good = isinstance(value, list) and 1 <= len(value) <= most and all(isinstance(item, str) and item for item in value)
    if not good:
        raise invalid(f"{field} must be an array of 1 to {most} ids", field=field)
    return tuple(dict.fromkeys(value))


def _named(item: Any, field: str) -> NamedCollection:
    if not isinstance(item, dict) or not isinstance(item.get("collection_id"), str) or not item["collection_id"]:
        raise invalid(f"{field}.collection_id must be the id of a collection", field=f"{field}.collection_id")
    return NamedCollection(
        item["collection_id"], _text(item, "name", field, MAX_NAME), _text(item, "description", field, MAX_DESCRIPTION)
    )


def _text(value: dict[str, Any], name: str, field: str, most: int) -> str:
    text = value.get(name)
    if text is not None and (not isinstance(text, str) or len(text) > most):
        raise invalid(f"{field}.{name} must be a string of at most {most} characters", field=f"{field}.{name}")
    return text or ""
