"""Virtual tables of entities: types that hold every value, names that can be asked for, and what the planner is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.core.library.holdings import EntityRecords, MemberFiles
from services.nimbus.entities.sql import SqlTable
from services.nimbus.entities.tables import (
    MAX_PROPERTIES,
    READ_ROWS,
    EntityCollection,
    EntityTables,
    build_tables,
)


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


def tables(*records: dict[str, Any], schemas: tuple[dict[str, Any], ...] = (schema(a=STRING),)) -> EntityTables:
    """Each record is of a file of its own; the n-th is in the n-th collection, the rest in the last."""
    collections = [EntityCollection(f"c{n}", f"collection {n}", schema=item) for n, item in enumerate(schemas)]
    files, rows = [], []
    for number, record in enumerate(records):
        collection_id = f"c{min(number, len(schemas) - 1)}"
        files.append((collection_id, f"f{number}"))
        rows.append((collection_id, f"f{number}", None, None, None, json.dumps(record)))
    return build_tables(collections, members(*files), EntityRecords(*zip(*rows, strict=True)))


def members(*places: tuple[str, str]) -> MemberFiles:
    """By collection and file."""
    files = [(*place, f"{place[1]}.mp4", 10.0, 0, "{}", "completed") for place in places]
    return MemberFiles(*zip(*files, strict=True))


def entities(built: EntityTables) -> SqlTable:
    return next(table for table in built.sql if table.name == "entities")


def type_of(name: str, built: EntityTables) -> str:
    return dict(entities(built).columns)[name]


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [
        (["x", "y"], STRING, "VARCHAR"),
        (["2024-01-02", "2024-03-04"], STRING, "DATE"),
        (["2024-01-02", "soon"], STRING, "VARCHAR"),
        (["2024-01-02T03:04:05Z"], {"type": "string", "format": "date-time"}, "TIMESTAMP"),
        (["2024-01-02"], {"type": "string", "format": "date-time"}, "TIMESTAMP"),
        ([1, 2], INTEGER, "BIGINT"),
        ([1, 2], NUMBER, "DOUBLE"),
        ([1, 2.5], NUMBER, "DOUBLE"),
        ([2**70], INTEGER, "JSON"),
        ([True], {"type": "boolean"}, "BOOLEAN"),
        ([["a"], []], {"type": "array", "items": STRING}, "VARCHAR[]"),
        ([[]], {"type": "array", "items": INTEGER}, "BIGINT[]"),
        ([[{"b": 1}]], {"type": "array", "items": schema(b=INTEGER)}, "JSON[]"),
        ([{"b": 1}], schema(b=INTEGER), "JSON"),
        ([None], INTEGER, "BIGINT"),
        ([1, "x"], STRING, "JSON"),
    ],
)
def test_a_column_holds_every_value(values: list[Any], declared: dict[str, Any], expected: str) -> None:
    assert type_of("a", tables(*({"a": value} for value in values), schemas=(schema(a=declared),))) == expected


@pytest.mark.parametrize(
    ("first", "second", "values", "expected"),
    [
        (INTEGER, NUMBER, (1, 2.5), "DOUBLE"),
        (INTEGER, STRING, (1, "x"), "JSON"),
        (STRING, {"type": "array", "items": STRING}, ("x", ["y"]), "JSON"),
    ],
)
def test_collections_that_disagree_get_the_wider_type(
    first: dict[str, Any], second: dict[str, Any], values: tuple[Any, Any], expected: str
) -> None:
    built = tables({"a": values[0]}, {"a": values[1]}, schemas=(schema(a=first), schema(a=second)))
    assert type_of("a", built) == expected


def test_names_that_are_taken_or_odd_are_told_apart() -> None:
    odd = schema(**{"filename": STRING, "Title": STRING, "title": STRING, 'say "hi"': STRING, "a\nb": STRING})
    names = [name for name, _ in entities(tables({"filename": "x"}, schemas=(odd,))).columns]
    assert names[5:] == ["filename_2", "Title", "title_2", 'say "hi"', "property_5"]
    assert len({name.lower() for name in names}) == len(names)


def test_the_planner_is_told_types_values_and_what_they_mean() -> None:
    described = tables(
        {"a": "red"}, {"a": "red"}, {"a": "blue"}, schemas=(schema(a={**STRING, "description": "The colour"}),)
    ).described
    assert [table.name for table in described] == ["files", "entities"]
    column = next(item for item in described[1].columns if item.name == "a")
    assert (column.type, list(column.examples)) == ("VARCHAR", ["red", "blue"])
    assert column.description == "The colour (2 different values)"


def test_records_of_segments_have_their_time() -> None:
    built = build_tables(
        [EntityCollection("c", "clips", schema=schema(a=STRING), by_segment=True)],
        members(("c", "f")),
        EntityRecords(["c"], ["f"], ["s"], [1.0], [2.0], ['{"a": "x"}']),
    )
    table = next(item for item in built.sql if item.name == "segment_entities")
    row = dict(
        zip(
            [name for name, _ in table.columns],
            [json.loads(column)[0] for column in table.batches[0].columns],
            strict=True,
        )
    )
    assert (row["segment_id"], row["start_time"], row["end_time"], row["a"]) == ("s", 1.0, 2.0, "x")
    assert [item.name for item in built.described] == ["files", "segment_entities"]


def test_records_of_files_that_are_not_given_are_left_out() -> None:
    built = build_tables(
        [EntityCollection("c", "x")], MemberFiles(), EntityRecords(["c"], ["f"], [None], [None], [None], ['{"a": 1}'])
    )
    assert entities(built).batches == ()


def test_what_is_not_json_is_made_so() -> None:
    built = tables({"a": [float("nan"), 1.5]}, {"a": [2.0]}, schemas=(schema(a={"type": "array", "items": NUMBER}),))
    assert entities(built).batches[0].columns[5] == b"[[null,1.5],[2.0]]"


def test_records_are_handed_on_as_they_are_stored_but_for_what_queries_can_not_read() -> None:
    rows = ['{"a":  "x"}', '{"a": NaN}', '{"a": "y\\u0000"}']

    def built(*records: str) -> tuple[bytes, ...]:
        files = members(*(("c", f"f{number}") for number in range(len(records))))
        none = [None] * len(records)
        held = EntityRecords(files.collection_id, files.file_id, none, none, none, records)
        return entities(build_tables([EntityCollection("c", "x")], files, held)).batches[0].columns[4:]

    assert built(rows[0]) == (b'[{"a":  "x"}]', b'["x"]')
    assert built(*rows) == (b'[{"a":"x"},{"a":null},{"a":"y"}]', b'["x",null,"y"]')


def test_a_text_that_all_rows_of_a_batch_have_is_there_once_and_what_only_equals_it_is_not_lost() -> None:
    records = ({"a": "red", "b": 1, "c": 0.0}, {"a": "red", "b": True, "c": -0.0})
    (batch,) = entities(tables(*records, schemas=({},))).batches
    assert batch.rows == 2 and batch.same == (0, 1, 5), "the collection's id and name, and a"
    assert batch.columns[5:] == (b'["red"]', b"[1,true]", b"[0.0,-0.0]")


def test_a_property_that_only_late_records_have_is_null_before_and_the_first_properties_are_columns() -> None:
    late = {f"p{number}": number for number in range(MAX_PROPERTIES)}
    table = entities(tables(*[{"a": "x"}] * READ_ROWS, late, {"p1": 7}))
    (batch,) = table.batches
    names = [name for name, _ in table.columns][5:]
    assert names == ["a", *list(late)[: MAX_PROPERTIES - 1]], "what a schema declares comes first"
    assert json.loads(batch.columns[5 + names.index("p1")]) == [*[None] * READ_ROWS, 1, 7]
    assert json.loads(batch.columns[5]) == [*["x"] * READ_ROWS, None, None]
