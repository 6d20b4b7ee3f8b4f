"""Both databases filter as a plain telling of the rules does: random metadata, random criteria, the same files."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from services.core.search.filters import OPERATORS, SearchFilter
from services.core.store.pages import Page
from services.core.store.schema import files

DATE_FORMS = ("%Y-%m-%d", *(f"%Y-%m-%d{t}%H:%M{s}{z}" for t in "T " for s in ("", ":%S", ":%S.%f") for z in ("", "%z")))


def meaning(text: str) -> tuple[str, Any]:
    """(kind, value) of a text, by other means than Arcus': JSON's own parser and the calendar's."""
    try:
        number = json.loads(text)
        if type(number) in (int, float) and text == text.strip() and math.isfinite(number):  # Python reads NaN, too
            if float(number) == 0 and re.search("[1-9]", text.lower().partition("e")[0]):
                return "text", text
            return "number", float(number)
    except (ValueError, OverflowError):
        pass
    if text.lower() in ("true", "false"):
        return "boolean", text.lower()
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})?)?", text):
        for form in DATE_FORMS:
            try:
                moment = datetime.strptime(text, form)
            except ValueError:
                continue
            shown = moment.isoformat() + ("" if moment.tzinfo else "+00:00")
            return "date", datetime.fromisoformat(shown)
    return "text", text


def shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    digits = format(Decimal(json.dumps(value)), "f")
    return digits if value else digits.lstrip("-")


def flat(values: list[Any]) -> list[Any]:
    return [inner for value in values for inner in (value if isinstance(value, list) else [value])]


def reached(document: Any, path: str) -> list[str]:
    """Of every key that the path begins with, the rest of the path is read in what it holds."""
    found: list[str] = []
    for item in flat([document]):
        if isinstance(item, dict):
            for key, value in item.items():
                if key == path:
                    found += [
                        form(shown(inner)) for inner in flat([value]) if isinstance(inner, str | int | float | bool)
                    ]
                elif path.startswith(f"{key}."):
                    found += reached(value, path.removeprefix(f"{key}."))
    return found


def form(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def keeps(document: Any, path: str, operator: str, wanted: list[str]) -> bool:
    spelt = {path, unicodedata.normalize("NFC", path), unicodedata.normalize("NFD", path)}
    texts, wanted = (
        [text for name in sorted(spelt) for text in reached(document, name)],
        [form(text) for text in wanted],
    )
    values, limits = [meaning(text) for text in texts], [meaning(text) for text in wanted]
    if operator == "NotEqual":
        return limits[0] not in values
    if operator == "ContainsAll":
        return all(limit in values for limit in limits)
    if operator in ("LessThan", "GreaterThan"):
        kind, limit = limits[0]
        ordered = [value for its_kind, value in values if its_kind == kind != "boolean"]
        return any(value < limit if operator == "LessThan" else value > limit for value in ordered)
    if operator == "Like":
        pattern = ".*".join(re.escape(part) for part in wanted[0].upper().split("%"))
        return any(re.fullmatch(pattern, text.upper(), re.DOTALL) for text in texts)
    return any(limit in values for limit in limits)


letters = st.characters(exclude_categories=("Cs", "Cn", "Co"), exclude_characters="\0")
numbers = st.one_of(
    st.integers(-20, 20),
    st.integers(),
    st.sampled_from(
        [2**53, 2**53 + 1, 2**63, -(2**63) - 1, 10**200, 10**15, 1.0, 0.1, 1e22, 1e-7, -0.0, 5e-324, 1e308]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
)
known_texts = st.sampled_from(
    """9|10|1.0|1|1e0|1E+0|-1|-0|0|007|+1|.5|1.|1e999|1e-999|1_000|١|inf|NaN|true|True|FALSE|yes|null|2024-03-01|2024-02-30
    |2024-03-01T00:00:00Z|2024-03-01T02:00:00+02:00|2024-03-01 00:00|2024-03-01T00:00:00.000001|2024-02-29T23:30:00-00:30
    |2024-03-01T24:00:00|2024-03-01T00:00:60Z|2024-3-1|0000-01-01|0001-01-01T00:00:00+14:00|9999-12-31T23:59:59-14:00
    |20240301|2024|a%b|a_b|axb|a\\b|%|%%|_|\\|\\%|a%|%b|A%B|ÉCOLE|école|Straße|STRASSE|stra%e|ΑΣ|ας|ασ|ı|İ|i|I|ǆ|ǅ|ﬁ|FI|Z|a|ä|é|e
    |x'y|"|{}|[]|a\nb|2024-03-01\n|10\n|e\u0301|１０|ﬂ|fl|％""".replace("\n    |", "|").split("|")
)
texts = st.one_of(known_texts, numbers.map(json.dumps), st.text(letters, max_size=6), st.just(""))
scalars = st.one_of(texts, numbers, st.booleans(), st.none())
NAMES = ("a", "b", "a.b", "\u00e9", "e\u0301")
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)),
    max_leaves=8,
).map(lambda value: value if isinstance(value, dict) else {"a": value})
patterns = st.one_of(texts, st.lists(st.one_of(texts, st.just("%")), max_size=4).map("".join))
criteria = st.tuples(
    st.sampled_from(["a", "a", "a.b", "b", "a.a", "\u00e9", "e\u0301.a"]),
    st.sampled_from(OPERATORS),
    st.lists(patterns, min_size=1, max_size=3),
)


# A query costs as much over many files as over few, so each is asked of many.
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(documents, min_size=1, max_size=24), st.lists(criteria, min_size=1, max_size=6))
@example([{"a": "2024-03-01\n"}, {"a": "10\n"}], [("a", "LessThan", ["2025-01-01"]), ("a", "GreaterThan", ["9"])])
@example([{"a": [{"b": 1}, {"b": [2, 3]}]}, {"a": [[{"b": 1}]]}], [("a.b", "ContainsAll", ["1", "3"])])
@example([{"\u00e9": "1"}, {"e\u0301": {"a": "1"}}], [("e\u0301", "Equal", ["1"]), ("\u00e9.a", "NotEqual", ["1"])])
@example([{"a": "STRASSE"}, {"a": "Straße"}, {"a": "ας"}], [("a", "Like", ["straß%"]), ("a", "Like", ["%Σ"])])
@example(
    [{"a": ["5e-3249007199254740992", "0e-3249007199254740992"]}],
    [("a", "In", ["0"]), ("a", "NotEqual", ["5e-3249007199254740992"])],
)
async def test_metadata_is_filtered_as_the_rules_say(store, held, asked):
    rows = {str(uuid4()): document for document in held}
    async with store.database.write() as connection:
        await connection.execute(delete(files))
        await connection.execute(insert(files), [_row(store.tenant, id, document) for id, document in rows.items()])
    for path, operator, wanted in asked:
        is_array = operator in ("In", "ContainsAny", "ContainsAll")
        wanted = wanted if is_array else wanted[:1]
        value = {"valueTextArray": wanted} if is_array else {"valueText": wanted[0]}
        criterion = {"path": path, "operator": operator, **value}
        found = await store.files.list(store.tenant, Page(), filter=SearchFilter.from_json({"metadata": [criterion]}))
        truth = {id for id, document in rows.items() if keeps(document, path, operator, wanted)}
        assert {file.id for file in found.items} == truth, criterion


def _row(tenant: str, id: str, document: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": id,
        "tenant_id": tenant,
        "status": "completed",
        "filename": "talk.mp4",
        "size_bytes": 1,
        "sha256": "",
        "object_key": "",
        "source": "upload",
        "metadata": document,
        "media_info": None,
        "segment_thumbnails": True,
        "created_at": 0,
    }
