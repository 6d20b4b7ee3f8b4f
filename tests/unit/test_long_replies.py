"""A long reply is the JSON that a short one would be, and no piece of it is long."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from services.core.library.members import Member
from services.nimbus.views.files import DescribedFile
from services.rest.errors import reply
from services.rest.long_replies import PART_CHARACTERS, PARTS, Written, long_reply, pieces
from services.rpc import collections
from services.rpc.collections import CollectionService

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda each: st.lists(each, max_size=5) | st.dictionaries(st.text(), each, max_size=4),
    max_leaves=20,
)


def talk(segments: int) -> dict[str, Any]:
    """A described video with the times of its words."""
    words = [{"word": "wörd", "start_time": 0.5, "end_time": 0.75}] * 25
    speech = [{"speaker": "Speaker 1", "text": "so many words", "words": words}] * segments
    return {
        "file_id": "a-file",
        "data": {"title": "Talk", "speech": speech, "scene_text": []},
        "file": {"info": {"a": 1}},
    }


@given(VALUES, st.integers(1, 3 * PARTS))
async def test_it_reads_as_any_other_reply(value: Any, repeated: int):
    for whole in (value, [value] * repeated, {"data": [value] * repeated}):
        sent = await long_reply(whole)
        assert b"".join(sent.parts) == reply(whole).body
        assert sent.headers.items() == reply(whole).headers.items()


def test_its_pieces_are_short_however_many_talks_there_are():
    listed = {"object": "list", "data": [talk(360) for _ in range(10)], "total": 10}
    parts = list(pieces(listed))
    assert "".join(parts) == json.dumps(listed)
    longest = max(map(len, parts))
    assert longest <= len(json.dumps(talk(PARTS))), "a list of a talk is cut"
    assert len(parts) > 10 * 360 // PARTS


async def test_it_is_sent_in_parts_of_which_the_last_is_its_end():
    """With that the next request of who may ask one at a time is let in."""
    listed = {"data": [talk(360) for _ in range(4)]}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    await (await long_reply(listed))({"type": "http"}, receive, send)
    (start, *bodies) = sent
    assert b"".join(message["body"] for message in bodies) == json.dumps(listed).encode()
    assert dict(start["headers"])[b"content-length"] == str(len(json.dumps(listed))).encode()
    assert [message["more_body"] for message in bodies] == [True] * (len(bodies) - 1) + [False]
    assert max(len(message["body"]) for message in bodies) < 2 * PART_CHARACTERS + len(json.dumps(talk(PARTS)))


def test_what_is_written_already_is_the_same_in_its_place():
    for each in (talk(3), talk(3 * PARTS), [], "é"):
        for whole in ({"data": [{"id": 1, "data": each}] * 40}, [each] * 3, {"data": each}):
            written = json.loads("".join(pieces(_replaced(whole, each))))
            assert written == whole


def _replaced(value: Any, each: Any) -> Any:
    """The value with what is written already in place of `each`."""
    if value is each:
        return Written(each)
    if isinstance(value, dict):
        return {name: _replaced(item, each) for name, item in value.items()}
    return [_replaced(item, each) for item in value] if isinstance(value, list) else value


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        list(pieces({"data": [float("nan")] * (PARTS + 1)}))


async def test_messages_of_videos_are_made_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch):
    made_in: set[int] = set()

    def parse(data: dict[str, Any], message: Any) -> Any:
        made_in.add(threading.get_ident())
        return ParseDict(data, message)

    async def files(some: list[Any]) -> list[Any]:
        return [None] * len(some)

    member = Member("c", "f", "t", "d", "s", {}, False, 1, "completed", "done", 1, 1, None)
    service = CollectionService(SimpleNamespace(settings=SimpleNamespace(public_url="")))  # type: ignore[arg-type]
    monkeypatch.setattr(service, "_render", SimpleNamespace(files=files))
    monkeypatch.setattr(collections, "ParseDict", parse)
    (message,) = await service._messages([DescribedFile(member, None, {"title": "Talk"})])  # type: ignore[arg-type]
    assert (message.file_id, message.title) == ("f", "Talk")
    assert made_in and threading.get_ident() not in made_in
