"""What the HTTP transport reads and writes, without a socket."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given, settings
from hypothesis import strategies as some

from services.core.errors import ArcusError, Reason
from services.core.library.media_kinds import refuse_other_kinds
from services.core.media import timecode
from services.nimbus.views.descriptions import View
from services.rest.bodies import parse_json
from services.rest.gate import clean_path
from services.rest.parameters import milliseconds
from services.rest.uploads import UploadForm

CONTENT = bytes(range(256)) * 9 + b"\r\n--b\r\n--boundaryx\r\n--"
FORM = (
    b'--boundary\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"n": 1}\r\n'
    b'--boundary\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n' + CONTENT + b"\r\n"
    b'--boundary\r\nContent-Disposition: form-data; name="enable_segment_thumbnails"\r\n\r\nFalse\r\n'
    b"--boundary--\r\n"
)


def request_of(chunks: list[bytes]) -> Request:
    headers = [(b"content-type", b"multipart/form-data; boundary=boundary")]
    left = iter(chunks)

    async def receive() -> dict[str, Any]:
        chunk = next(left, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    return Request({"type": "http", "headers": headers}, receive)


@settings(deadline=None, max_examples=50)
@given(some.lists(some.integers(0, len(FORM)), max_size=30))
def test_a_form_reads_the_same_however_it_is_cut(cuts: list[int]):
    places = [0, *sorted(cuts), len(FORM)]
    chunks = [FORM[start:end] for start, end in pairwise(places) if end > start]

    async def read() -> tuple[str, bytes, dict[str, Any]]:
        form = UploadForm(request_of(chunks), max_upload_bytes=10**6)
        name = await form.open_file()
        content = b"".join([piece async for piece in form.pieces()])
        return name, content, form.fields

    expected = ("a.mp4", CONTENT, {"metadata": {"n": 1}, "segment_thumbnails": False})
    assert asyncio.run(read()) == expected


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-03", datetime(2026, 2, 3, tzinfo=UTC)),
        ("2026-02-03T04:05:06Z", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03T04:05:06", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03T04:05:06 01:00", datetime(2026, 2, 3, 3, 5, 6, tzinfo=UTC)),  # its '+' came as a space
    ],
)
def test_dates_are_read_as_utc_milliseconds(text: str, moment: datetime):
    assert milliseconds("created_after", text) == int(moment.timestamp() * 1000)


@pytest.mark.parametrize("text", ["soon", "2026-02-30", "2026-02-03T25:00:00", "2026"])
def test_what_is_no_date_names_its_parameter(text: str):
    with pytest.raises(ArcusError, match="created_after must be"):
        milliseconds("created_after", text)


@pytest.mark.parametrize("text", [b"{", b"NaN", b'"\\u0000"', b'"\\ud800"', b"[" * 100_000, b"\xff"])
def test_json_that_nothing_could_store_is_refused(text: bytes):
    with pytest.raises(ArcusError) as refused:
        parse_json(text, "The body")
    assert refused.value.reason is Reason.INVALID_ARGUMENT


def test_a_backslash_before_u0000_is_not_a_null_character():
    assert parse_json(rb'{"path": "C:\\u0000"}', "The body") == {"path": r"C:\u0000"}


@pytest.mark.parametrize(
    ("name", "content_type", "start"),
    [
        ("a.mp4", "application/octet-stream", b"random bytes"),
        ("a.txt", "application/octet-stream", b"random bytes"),
        ("a", "text/plain", b"random bytes"),
        ("a.ts", "text/vnd.trolltech.linguist", b"G@\x11"),
    ],
)
def test_what_is_not_clearly_something_else_is_let_through(name: str, content_type: str, start: bytes):
    refuse_other_kinds(name, content_type, start)


@pytest.mark.parametrize(
    ("name", "content_type", "start"),
    [
        ("a.mp4", "video/mp4", b"\xef\xbb\xbf\n <!doctype HTML>"),
        ("a.srt", "text/plain", b"1\n00:00:01"),
        ("a.mov", "video/quicktime", b"%PDF-1.4"),
    ],
)
def test_what_is_clearly_no_media_is_refused(name: str, content_type: str, start: bytes):
    with pytest.raises(ArcusError) as refused:
        refuse_other_kinds(name, content_type, start)
    assert refused.value.reason is Reason.UNSUPPORTED_MEDIA


def test_a_path_loses_doubled_and_closing_slashes():
    scope = {"path": "/v1//files/é/", "raw_path": b"", "query_string": b""}
    assert clean_path(scope) == "/v1/files/é" == scope["path"]
    assert scope["raw_path"] == b"/v1/files/%C3%A9"
    assert clean_path({"path": "/", "query_string": b""}) == "/"


def test_a_view_shows_what_overlaps_its_range():
    view = View.of("media-descriptions", [], response_format="json", start_time=10, end_time=20)
    shown = [view.shows(start, end) for start, end in ((0, 10), (0, 11), (10, 10), (19.9, 30), (20, 30))]
    assert shown == [False, True, True, True, False]


def test_timecodes_have_hours_only_when_needed():
    assert [timecode(seconds) for seconds in (0, 59.9, 61, 3599, 3661)] == [
        "00:00",
        "00:59",
        "01:01",
        "59:59",
        "1:01:01",
    ]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "nested too deeply"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"a": 1e999}', "too large a number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "more than 4000 digits"),
        (b'{"a": NaN}', "NaN is not"),
    ],
)
def test_json_that_can_not_be_kept_is_refused(text: bytes, word: str):
    with pytest.raises(ArcusError, match=word) as refused:
        parse_json(text, "The body")
    assert refused.value.reason is Reason.INVALID_ARGUMENT


def test_json_with_many_objects_that_are_not_deep_is_read():
    assert parse_json(b"[" + b"{}," * 1000 + b"[[[]]]]", "The body")[-1] == [[[]]]
