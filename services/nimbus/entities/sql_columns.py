"""Which columns a statement may read, by the tree that DuckDB's own parser makes of it (json_serialize_sql of DuckDB 2.0)."""

from __future__ import annotations

from typing import Any


def names_read(tree: dict[str, Any]) -> frozenset[str] | None:
    """Every text of the statement but names of tables, in lower case: a column whose name is not there is not read.

    None where columns are read without being named: by *, COLUMNS, #1, NATURAL JOIN, an alias that renames them in their
    order, or a row that is read as one value.
    """
    texts: set[str] = set()
    relations: set[str] = set()
    references: set[str] = set()
    waiting: list[Any] = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            texts.add(part.lower())
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            if part.get("class") in ("STAR", "POSITIONAL_REFERENCE") or part.get("column_name_alias"):
                return None
            if "NATURAL" in (part.get("ref_type"), part.get("join_type")):
                return None
            if "sample" in part and "alias" in part:
                relations |= {part["alias"].lower(), part.get("table_name", "").lower()}
            if part.get("class") == "COLUMN_REF":
                references.add(part["column_names"][-1].lower())
            if part.get("type") == "BASE_TABLE":
                part = {key: value for key, value in part.items() if key not in ("table_name", "qualified_name")}
            waiting += part.values()
    return None if references & relations else frozenset(texts)
