from arcus.v1 import files_pb2, lists_pb2

from services.core.store.pages import Page
from services.rpc.render import collection_type_name
from services.rpc.values import filter_json, page_of, range_of, struct_json


def test_an_empty_page_is_the_first():
    assert page_of(lists_pb2.Page()) == Page(limit=50, offset=0, order="", sort="desc")
    assert page_of(lists_pb2.Page(), sort="asc").sort == "asc"
    assert page_of(lists_pb2.Page(sort=lists_pb2.SORT_DESC), sort="asc").sort == "desc"


def test_a_time_of_zero_is_a_limit_and_an_absent_one_is_none():
    moments = range_of(lists_pb2.TimeRange(after=0))
    assert (moments.after, moments.before) == (0, None)


def test_whole_numbers_of_a_struct_are_integers_again():
    header = files_pb2.UploadHeader(metadata={"a": 1, "b": 1.5, "c": [2, {"d": 3}], "e": True, "f": None, "g": 1e300})
    value = struct_json(header, "metadata")
    assert value == {"a": 1, "b": 1.5, "c": [2, {"d": 3}], "e": True, "f": None, "g": 1e300}
    assert type(value["a"]) is int and type(value["c"][1]["d"]) is int and type(value["g"]) is float
    assert struct_json(files_pb2.UploadHeader(), "metadata") is None


def test_a_filter_has_the_form_of_the_http_api():
    filter = lists_pb2.SearchFilter(
        metadata=[lists_pb2.Criterion(path="a", operator="Equal", value_text="")],
        file=[lists_pb2.Criterion(path="id", operator="In", value_text_array=["x"])],
    )
    assert filter_json(filter) == {
        "metadata": [{"path": "a", "operator": "Equal", "scope": "file", "valueText": ""}],
        "video_info": [],
        "file": [{"path": "id", "operator": "In", "scope": "file", "valueTextArray": ["x"]}],
        "source_metadata": [],
    }


def test_a_collection_type_of_a_later_version_has_no_name():
    assert [collection_type_name(value) for value in (0, 1, 99)] == ["", "media-descriptions", ""]
