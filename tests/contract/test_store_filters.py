import pytest

from services.core.errors import ArcusError, Reason
from services.core.media import MediaInfo
from services.core.search.filters import SearchFilter
from services.core.store.pages import Page

FILES = {
    "a.mp4": {
        "speaker": "Ann_1 O'Neil",
        "year": 2024,
        "score": 2.5,
        "draft": True,
        "tags": ["sea", "Moon", 7],
        "deep": {"date": "2024-03-01", "list": [{"x": 1}]},
    },
    "b.mp4": {
        "speaker": "Bob",
        "year": 10,
        "score": -1,
        "draft": False,
        "tags": ["moon"],
        "deep": {"date": "2023-12-31"},
        "nothing": None,
    },
    "c.mp4": {"year": "2024", "tags": [], "deep": "2024", "a-b": {"c_d": "Zoë"}},
}


def _metadata(path: str, operator: str, value: str | list[str]) -> dict:
    key = "valueTextArray" if isinstance(value, list) else "valueText"
    return {"path": path, "operator": operator, key: value}


async def _names(store, value: dict) -> str:
    page = Page(order="filename", sort="asc")
    found = await store.files.list(store.tenant, page, filter=SearchFilter.from_json(value))
    return "".join(file.filename[0] for file in found.items)


@pytest.fixture
async def filled(store):
    for name, metadata in FILES.items():
        await store.upload(name, metadata=metadata, size=100 * (ord(name[0]) - 96))
    return store


METADATA = [
    ("speaker", "Equal", "Bob", "b"),
    ("speaker", "Equal", "bob", ""),
    ("speaker", "Equal", "Ann_1 O'Neil", "a"),
    ("metadata.speaker", "Equal", "Bob", "b"),
    ("speaker", "NotEqual", "Bob", "ac"),  # a missing field is not equal
    ("year", "Equal", "2024", "ac"),  # a number and its text are one
    ("year", "Equal", "2024.0", "ac"),  # so do two texts of one number
    ("year", "NotEqual", "2024", "b"),
    ("year", "GreaterThan", "9", "abc"),  # as numbers, not as text
    ("year", "LessThan", "2024", "b"),
    ("score", "GreaterThan", "-2", "ab"),
    ("score", "LessThan", "0", "b"),
    ("draft", "Equal", "true", "a"),
    ("draft", "Equal", "True", "a"),
    ("draft", "Equal", "false", "b"),
    ("draft", "NotEqual", "true", "bc"),
    ("draft", "GreaterThan", "0", ""),  # a boolean is no number
    ("tags", "Equal", "moon", "b"),  # an array matches by its elements
    ("tags", "NotEqual", "sea", "bc"),
    ("tags", "ContainsAny", ["sea", "moon"], "ab"),
    ("tags", "ContainsAll", ["sea", "Moon"], "a"),
    ("tags", "ContainsAll", ["sea", "moon"], ""),
    ("tags", "ContainsAny", ["7"], "a"),
    ("tags", "In", ["moon", "sun"], "b"),
    ("tags", "Like", "MOO%", "ab"),
    ("speaker", "In", ["Bob", "Ann_1 O'Neil"], "ab"),
    ("speaker", "ContainsAny", ["Bob"], "b"),
    ("speaker", "Like", "%ob", "b"),
    ("speaker", "Like", "BOB", "b"),
    ("speaker", "Like", "b_b", ""),  # only % is a wildcard
    ("speaker", "Like", "ann_1 o'%", "a"),
    ("deep.date", "Equal", "2024-03-01", "a"),
    ("deep.date", "GreaterThan", "2024-01-01", "a"),  # ISO dates in order of time
    ("deep.date", "LessThan", "2024-01-01", "b"),
    ("deep.date.x", "Equal", "1", ""),
    ("deep", "Equal", "2024", "c"),
    ("deep", "Equal", "2024-03-01", ""),  # an object is no value
    ("deep", "Like", "%", "c"),
    ("deep.list.x", "Equal", "1", "a"),  # a path looks into arrays
    ("deep.list", "Like", "%", ""),
    ("a-b.c_d", "Equal", "Zoë", "c"),
    ("a-b.c_d", "Like", "zo%", "c"),
    ("nothing", "Equal", "null", ""),
    ("nothing", "NotEqual", "x", "abc"),
    ("missing", "Equal", "x", ""),
    ("missing", "NotEqual", "x", "abc"),
    ("missing", "LessThan", "5", ""),
    ("missing", "ContainsAll", ["x"], ""),
    ("missing", "Like", "%", ""),
]


async def test_metadata_is_filtered_by_every_operator(filled):
    results = {
        (path, operator, str(value)): await _names(filled, {"metadata": [_metadata(path, operator, value)]})
        for path, operator, value, _ in METADATA
    }
    assert results == {(path, operator, str(value)): names for path, operator, value, names in METADATA}


FILE = [
    ("bytes", "Equal", "200", "b"),
    ("bytes", "NotEqual", "200", "ac"),
    ("bytes", "GreaterThan", "100", "bc"),
    ("bytes", "LessThan", "200.5", "ab"),
    ("bytes", "In", ["100", "300"], "ac"),
    ("bytes", "Like", "2%", "b"),
    ("filename", "Equal", "a.mp4", "a"),
    ("filename", "Like", "%.MP4", "abc"),
    ("filename", "ContainsAny", ["a.mp4", "c.mp4"], "ac"),
    ("filename", "ContainsAll", ["a.mp4"], "a"),
    ("filename", "ContainsAll", ["a.mp4", "b.mp4"], ""),
    ("filename", "GreaterThan", "b", "bc"),
    ("created_at", "GreaterThan", "2024-01-01", "abc"),
    ("created_at", "LessThan", "2024-01-01T00:00:00Z", ""),
    ("created_at", "Like", "20__-%", ""),
    ("created_at", "Like", "20%-%-%t%:%:%z", "abc"),
    ("uri", "Like", "cloudglue://files/%", "abc"),
    ("uri", "In", ["cloudglue://files/none"], ""),
    ("id", "NotEqual", "none", "abc"),
]


async def test_the_file_itself_is_filtered_by_every_operator(filled):
    results = {
        (path, operator, str(value)): await _names(filled, {"file": [_metadata(path, operator, value)]})
        for path, operator, value, _ in FILE
    }
    assert results == {(path, operator, str(value)): names for path, operator, value, names in FILE}


async def test_measured_properties_are_filtered(filled):
    ids = {file.filename: file.id for file in (await filled.files.list(filled.tenant, Page())).items}
    await filled.files.set_probed(ids["a.mp4"], MediaInfo("video", 90.5, "mp4", has_audio=True))
    await filled.files.set_probed(ids["b.mp4"], MediaInfo("video", 9.0, "mp4", has_audio=False))
    for path, operator, value, names in [
        ("duration_seconds", "GreaterThan", "10", "a"),
        ("duration_seconds", "LessThan", "10", "b"),
        ("duration_seconds", "Equal", "9", "b"),
        ("has_audio", "Equal", "true", "a"),
        ("has_audio", "NotEqual", "true", "bc"),
        ("video_info.has_audio", "Equal", "false", "b"),
    ]:
        assert await _names(filled, {"video_info": [_metadata(path, operator, value)]}) == names, (path, operator)


async def test_no_file_has_metadata_of_a_connector(filled):
    for operator, value, names in [("Equal", "x", ""), ("NotEqual", "x", "abc"), ("In", ["x"], ""), ("Like", "%", "")]:
        assert await _names(filled, {"source_metadata": [_metadata("title", operator, value)]}) == names, operator


async def test_a_name_may_have_any_letters(filled):
    await filled.upload("d.mp4", metadata={"été 1": {'o\'x "y" $': "ok"}})
    for path in ('été 1.o\'x "y" $', 'metadata.été 1.o\'x "y" $'):
        assert await _names(filled, {"metadata": [_metadata(path, "Equal", "ok")]}) == "d"


async def test_all_criteria_must_hold(filled):
    filter = {
        "metadata": [_metadata("tags", "Like", "moon"), _metadata("year", "GreaterThan", "5")],
        "file": [_metadata("bytes", "GreaterThan", "100")],
    }
    assert await _names(filled, filter) == "b"
    assert await _names(filled, {}) == "abc"


async def test_a_value_is_never_read_as_sql(filled):
    for value in ("x' OR '1'='1", '"; DROP TABLE files; --', "\\"):
        for operator in ("Equal", "Like", "LessThan"):
            assert await _names(filled, {"metadata": [_metadata("draft", operator, value)]}) in ("", "ab")
    assert await _names(filled, {}) == "abc"


async def test_an_odd_value_is_refused_or_finds_little_but_never_fails(filled):
    for kind, path, value in [
        ("metadata", "year", "nan"),
        ("metadata", "year", "inf"),
        ("metadata", "year", "1e999"),
        ("file", "bytes", "nan"),
        ("file", "bytes", "1e400"),
        ("file", "bytes", "99999999999999999999999"),
        ("file", "created_at", "9999-12-31"),
        ("file", "created_at", "0001-01-01T00:00:00+14:00"),
        ("video_info", "duration_seconds", "-inf"),
        ("metadata", "speaker", "nul \0"),
        ("metadata", "speaker", "\ud800"),
    ]:
        for operator in ("Equal", "LessThan"):
            try:
                await _names(filled, {kind: [_metadata(path, operator, value)]})
            except ArcusError as error:
                assert error.reason is Reason.INVALID_ARGUMENT


async def test_a_filter_that_is_not_valid_is_refused(store):
    for filter in [
        [],
        {"other": []},
        {"metadata": {}},
        {"metadata": [{"path": "a", "operator": "Near", "valueText": "1"}]},
        {"metadata": [{"path": "a..b", "operator": "Equal", "valueText": "1"}]},
        {"metadata": [{"path": "nul \0", "operator": "Equal", "valueText": "1"}]},
        {"metadata": [{"path": "a.b.c.d.e.f.g.h.i", "operator": "Equal", "valueText": "1"}]},
        {"metadata": [{"path": "a", "operator": "Equal", "valueText": "nul \0"}]},
        {"metadata": [{"path": "a", "operator": "In", "valueTextArray": ["\ud800"]}]},
        {"metadata": [{"path": "a", "operator": "Equal", "valueText": "x" * 5000}]},
        {"metadata": [{"path": "a", "operator": "Equal", "valueText": "1", "scope": "world"}]},
        {"video_info": [{"path": "has_audio", "operator": "Equal", "valueText": "true", "scope": "segment"}]},
        {"video_info": [{"path": "has_audio", "operator": "Equal", "valueText": "yes"}]},
        {"video_info": [{"path": "duration_seconds", "operator": "GreaterThan", "valueText": "long"}]},
        {"file": [{"path": "id", "operator": "Equal", "valueText": "1", "scope": "segment"}]},
        {"metadata": [{"path": "a", "operator": "In", "valueText": "1"}]},
        {"metadata": [{"path": "a", "operator": "Equal", "valueTextArray": ["1"]}]},
        {"file": [{"path": "sha256", "operator": "Equal", "valueText": "1"}]},
        {"source_metadata": [{"path": "a", "operator": "Equal"}]},
        {"source_metadata": [{"path": "a", "operator": "Equal", "valueText": "1", "scope": "segment"}]},
        {"file": [{"path": "bytes", "operator": "Equal", "valueText": "many"}]},
        {"file": [{"path": "created_at", "operator": "Equal", "valueText": "yesterday"}]},
    ]:
        with pytest.raises(ArcusError) as caught:
            await _names(store, filter)
        assert caught.value.reason is Reason.INVALID_ARGUMENT
