"""What the embedded extractor finds, and that it adds nothing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_jobs.engines.embedded.extraction.extractor import EmbeddedExtractor
from ray_jobs.stages.extract import Extracted, ExtractRequest, Passage
from services.core.entities.schemas import misfit
from services.core.words import stem

TEXT, INTEGER, NUMBER, FLAG = ({"type": kind} for kind in ("string", "integer", "number", "boolean"))
Json = dict[str, Any]


def of(*required: str, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


def a(kind: str, **rules: Any) -> Json:
    return {"type": kind, **rules}


def many(items: Json, **rules: Any) -> Json:
    return {"type": "array", "items": items, **rules}


def said(text: str) -> Passage:
    return Passage("speech", text, 1.0, 4.0)


def shown(*lines: str) -> Passage:
    return Passage("scene_text", "\n".join(lines), 5.0, 9.0)


def extract(schema: Json, *passages: Passage) -> Extracted:
    return EmbeddedExtractor().extract_now(ExtractRequest(schema, "", passages))


DATE, MOMENT, EMAIL, LINK, PHONE = (a("string", format=name) for name in ("date", "date-time", "email", "uri", "phone"))
DAM = shown("Power from the Tide", "La Rance, France: opened 1966", "24 turbines, 240 megawatts")
SPOKEN = said("the station was opened in france in nineteen sixty six it has twenty four turbines inside a dam")


@pytest.mark.parametrize(
    ("name", "place", "passage", "value"),
    [
        ("turbine_count", INTEGER, DAM, 24),
        ("turbine_count", INTEGER, SPOKEN, 24),
        ("numberOfTurbines", INTEGER, SPOKEN, 24),
        ("n", a("integer", description="How many turbines there are"), SPOKEN, 24),
        ("turbine_count", a("integer", maximum=20), DAM, None),
        ("boat_count", INTEGER, DAM, None),
        ("year_opened", INTEGER, DAM, 1966),
        ("opening_year", INTEGER, SPOKEN, 1966),
        ("year_closed", INTEGER, DAM, None),
        ("power_megawatts", NUMBER, DAM, 240),
        ("width_meters", NUMBER, DAM, None),
        ("country", TEXT, DAM, "France"),
        ("country", TEXT, SPOKEN, "France"),
        ("share_percent", NUMBER, shown("Share of the sun: 46%"), 46),
        ("distance_km", NUMBER, said("a distance of three hundred and eighty four thousand kilometers"), 384_000),
        ("temperature", NUMBER, said("The temperature is 21.5 degrees."), 21.5),
        ("price", NUMBER, said("The price is $3.5 million."), 3_500_000),
        ("price", TEXT, said("The price is $3.5 million."), "$3.5 million"),
        ("ticket_price", NUMBER, said("A ticket costs 20 dollars and a beer 5 dollars."), 20),
        ("price", NUMBER, said("One pays 20 dollars, another 5 dollars."), None),
        ("date", DATE, said("It was recorded on March 5th, 2024 in Oslo."), "2024-03-05"),
        ("date", DATE, said("on the fifth of march twenty twenty four"), "2024-03-05"),
        ("date", DATE, said("on 3/5/2024"), None),
        ("date", DATE, said("in March 2024"), None),
        ("date", TEXT, said("in March 2024"), "March 2024"),
        ("birth_date", DATE, said("It was recorded on March 5th, 2024."), None),
        ("recording_date", DATE, said("It was recorded on March 5th, 2024."), "2024-03-05"),
        ("starts_at", MOMENT, said("It starts on 5 March 2024 at 2:30 pm."), "2024-03-05T14:30:00Z"),
        ("starts_at", MOMENT, said("It starts on 5 March 2024."), None),
        ("email", EMAIL, shown("Write to ann.smith@example.org."), "ann.smith@example.org"),
        ("website", LINK, shown("More at www.example.org/talks"), "https://www.example.org/talks"),
        ("website", TEXT, shown("More at www.example.org/talks"), "www.example.org/talks"),
        ("phone", PHONE, shown("Call +1 555-123-4567"), "+1 555-123-4567"),
        ("speaker", TEXT, said("Hello, my name is Ann Smith and I teach."), "Ann Smith"),
        ("speaker", TEXT, said("hello my name is ann smith and i teach"), "Ann Smith"),
        ("speaker_name", TEXT, said("I am Dr. Jane O'Neill, welcome."), "Jane O'Neill"),
        ("presenter", TEXT, shown("Tides", "Presented by Jane Doe"), "Jane Doe"),
        ("speaker", TEXT, shown("Jane Doe", "Chief Engineer"), "Jane Doe"),
        ("author", TEXT, shown("Presented by Jane Doe"), None),
        ("speaker", TEXT, shown("Spring Tides", "New Moon"), None),
        ("speaker", TEXT, said("I am happy to be here, this is a tide."), None),
        ("role", TEXT, shown("Jane Doe, Chief Engineer"), "Chief Engineer"),
        ("university", TEXT, said("She works at Stanford University now."), "Stanford University"),
        ("location", TEXT, shown("Location: Oslo"), "Oslo"),
        ("colour", TEXT, shown("A red car"), None),
        ("title", TEXT, DAM, "Power from the Tide"),
        (
            "kind",
            a("string", enum=["neap tide", "spring_tide", "other"]),
            said("This is a spring tide."),
            "spring_tide",
        ),
        ("kind", a("string", enum=["neap tide", "other"]), said("This is another thing."), None),
        ("level", a("integer", enum=[1, 2]), shown("Level: 3"), None),
        ("level", a("integer", enum=[1, 2]), shown("Level: 2"), 2),
        ("mentions_turbines", FLAG, DAM, True),
        ("mentions_whales", FLAG, DAM, False),
        ("has_subtitles", FLAG, said("There are no subtitles here."), False),
        ("mentions_subtitles", FLAG, said("There are no subtitles here."), True),
        ("countries", many(TEXT), DAM, ["France"]),
        ("years", many(INTEGER), DAM, [1966]),
        ("emails", many(EMAIL, maxItems=1), shown("a@example.org, b@example.org"), ["a@example.org"]),
        ("dates", many(DATE), said("On 2024-03-05 and on 2024-03-06, then 2024-03-05."), ["2024-03-05", "2024-03-06"]),
        ("ingredients", many(TEXT), shown("Ingredients", "- flour", "- sugar"), ["flour", "sugar"]),
        ("tags", many(TEXT), shown("Tags: sea, moon"), ["sea", "moon"]),
        (
            "places",
            many(of(name=TEXT, height_meters=NUMBER)),
            shown("The Highest Tides", "Bay of Fundy, Canada: 16 meters", "Sea: 0.3 meters", "The coast decides"),
            [{"name": "Bay of Fundy, Canada", "height_meters": 16}, {"name": "Sea", "height_meters": 0.3}],
        ),
        ("dam", of(turbine_count=INTEGER, year_opened=INTEGER), DAM, {"turbine_count": 24, "year_opened": 1966}),
        ("dam", of("boat_count", boat_count=INTEGER, year_opened=INTEGER), DAM, None),
    ],
)
def test_a_property_is_read_from_what_supports_it(name: str, place: Json, passage: Passage, value: Any) -> None:
    found = extract(of(**{name: place}), passage)
    assert found.entities == ({} if value is None else {name: value})
    times = {(source.start_time, source.end_time) for source in found.sources}
    assert times == ({(passage.start_time, passage.end_time)} if value not in (None, False) else set())


def test_topics_are_phrases_of_the_text() -> None:
    found = extract(of(topics=many(TEXT)), said("Spring tides are high."), said("A spring tide comes at full moon."))
    assert found.entities and found.entities["topics"][0].lower() in ("spring tides", "spring tide")


def test_what_is_not_supported_is_null_empty_or_left_out() -> None:
    schema = of("boats", "list", boats={"type": ["integer", "null"]}, list=many(EMAIL), maybe=TEXT)
    assert extract(schema, DAM).entities == {"boats": None, "list": []}
    assert extract(of("speaker", speaker=TEXT), DAM).entities is None, "required, and nothing supports it"
    assert extract(of("emails", emails=many(EMAIL, minItems=1)), DAM).entities is None
    assert extract(of(speaker=TEXT)).entities == {}


def test_the_picture_supports_booleans_and_choices_alone() -> None:
    seen = Passage("visual", "The picture is dark. There are 3 faces.", 0.0, 5.0)
    schema = of(is_dark=FLAG, face_count=INTEGER, light=a("string", enum=["bright", "dark"]))
    assert extract(schema, seen).entities == {"is_dark": True, "light": "dark"}


def test_a_value_that_is_said_elsewhere_first_is_found_where_it_is_named() -> None:
    spoken = said("the moon is three hundred and eighty four thousand kilometers away")
    found = extract(of(distance_km=NUMBER), spoken, shown("The Moon", "Distance: 384,000 km"))
    assert found.entities == {"distance_km": 384_000} and found.sources[0].start_time == 5.0
    assert extract(of(distance_km=NUMBER), spoken).entities == {}, "nothing says that it is the distance"


def test_each_value_tells_where_it_was_found() -> None:
    found = extract(of(speakers=many(TEXT), turbine_count=INTEGER), said("My name is Ann Smith."), DAM)
    assert [(source.path, source.start_time) for source in found.sources] == [
        ("speakers[0]", 1.0),
        ("turbine_count", 5.0),
    ]


names = st.sampled_from(
    "speaker speakers price turbine_count year dates email topics title country is_open mentions_tide height_m kind "
    "when value x notes quote location role phone url percent_of_sun places ingredients".split()
)
leaves = st.one_of(
    st.just(TEXT),
    st.just(INTEGER),
    st.just(NUMBER),
    st.just(FLAG),
    st.just({"type": ["string", "null"]}),
    st.just({"anyOf": [INTEGER, {"type": "null"}]}),
    st.builds(
        lambda name: a("string", format=name), st.sampled_from(["date", "date-time", "time", "email", "uri", "phone"])
    ),
    st.builds(lambda low: a("string", minLength=low, maxLength=low + 20), st.integers(0, 10)),
    st.builds(lambda low: a("integer", minimum=low, maximum=low + 50), st.integers(-5, 2000)),
    st.just(a("string", enum=["spring tide", "neap tide", "open"])),
)


def objects(inner: st.SearchStrategy) -> st.SearchStrategy:
    def build(properties: dict, required: set) -> Json:
        return of(*(name for name in properties if name in required), **properties)

    return st.builds(build, st.dictionaries(names, inner, min_size=1, max_size=5), st.sets(names, max_size=3))


lists = st.builds(
    lambda items, low, high: many(items, minItems=low, maxItems=low + high),
    st.one_of(leaves, objects(leaves)),
    st.integers(0, 2),
    st.integers(0, 3),
)
unions = st.builds(lambda options: {"anyOf": options}, st.lists(leaves, min_size=1, max_size=3))
maps = st.builds(lambda values: a("object", additionalProperties=values), st.one_of(leaves, unions))
tuples = st.builds(lambda prefix: a("array", prefixItems=prefix), st.lists(leaves, min_size=1, max_size=3))
mixed = st.one_of(unions, maps, tuples, st.builds(many, tuples))
schemas = objects(st.one_of(leaves, lists, mixed, objects(st.one_of(leaves, lists, mixed))))
pieces = st.sampled_from(
    [
        *("My name is Ann Smith", "my name is ben", "Presented by Jane Doe", "Jane Doe, CEO", "Dr. Watson"),
        *("24 turbines", "twenty four turbines", "384,000 km", "16 m", "46%", "$3.5 million", "20 euros", "1966"),
        *("nineteen sixty six", "March 5, 2024", "2024-03-05", "at 2:30 pm", "3/5/2024", "the fifth of march"),
        *("ann@example.org", "www.example.org", "https://example.org/a", "+1 555-123-4567", "spring tide", "not open"),
        *("Title:", "price:", "Location: Oslo", "in France", "height", "year", "is", "and", ".", ",", ":", "- ", "é ß"),
        *("Ingredients", "two", "hundred", "thousand", "1.2.3", "x" * 30, "(", "@", "//", "\t", "\x00", "😀"),
    ]
)
texts = st.one_of(st.lists(st.one_of(pieces, st.just("\n")), max_size=12).map(" ".join), st.text(max_size=80))
passages = st.lists(
    st.builds(Passage, st.sampled_from(["speech", "scene_text", "visual"]), texts, st.just(0.0), st.just(5.0)),
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(schemas, passages)
def test_a_record_fits_its_schema_and_comes_from_the_text(schema: Json, passages: list[Passage]) -> None:
    found = extract(schema, *passages)
    assert json.loads(json.dumps(found.entities)) == found.entities
    if found.entities is None:
        assert found.sources == ()
        return
    assert misfit(schema, found.entities) == ""
    text = " ".join(passage.text for passage in passages)
    folded = {stem(word) for word in re.findall(r"[^\W_]+", text)}
    for value in leaves_of(found.entities):
        if isinstance(value, str):
            assert is_told(value, text, folded), (value, text)
        elif value is True or (isinstance(value, int | float) and not isinstance(value, bool)):
            assert text.strip(), "nothing was said"


def leaves_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves_of(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves_of(item)]
    return [value]


def is_told(value: str, text: str, folded: set[str]) -> bool:
    """Its words stand in the text; of a date or time, its form tells that it is one."""
    if re.fullmatch(r"(\d{4}-\d\d-\d\d)?T?(\d\d:\d\d:\d\dZ?)?", value):
        return any(character.isdigit() for character in text) or "march" in text.lower()
    words = re.findall(r"[^\W_]+", value.removeprefix("https://"))
    return all(stem(word) in folded for word in words)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="a.-@/: 1(\n", min_size=200, max_size=3000))
def test_no_text_takes_long_or_fails(text: str) -> None:
    everything = of(
        emails=many(EMAIL), urls=many(LINK), phones=many(PHONE), dates=many(DATE), people=many(TEXT), numbers=many(TEXT)
    )
    assert extract(everything, said(text), shown(text)).entities is not None
