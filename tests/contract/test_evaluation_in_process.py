"""The evaluation without Ray: what is described is asked about, and kept for the next run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from loadtests.evaluation.api import ask_all, hold
from loadtests.evaluation.collections import Collection, Question
from loadtests.evaluation.grading import Reply
from loadtests.evaluation.in_process import opened

KITES = Collection(
    "kites",
    "work",
    "",
    {"kites.mp4": {"parts": {"tail": {"title": "Kites", "lines": ["A tail of 12 metres"], "seconds": 3}}}},
    (Question("how many", ("How many metres has the tail?",), facts=("12",), at=(("kites.mp4", "tail"),)),),
)
BIRDS = Collection(
    "birds",
    "work",
    "Birds that were seen",
    {},
    (Question("entities", ("What is the total of owls?",), facts=("7",)),),
    schema={"type": "object", "properties": {"bird": {"type": "string"}, "owls": {"type": "integer"}}},
    records={"evening.mp4": {"bird": "owl", "owls": 7}},
)


async def replies(build: Path) -> list[Reply]:
    async with opened(build) as (http, settings):
        held = await hold(http, settings, [KITES, BIRDS])
        assert not any(each.failed for each in held)
        return await ask_all(http, [(each, question) for each in held for question in each.collection.questions])


def test_what_is_described_once_is_asked_about_again(tmp_path: Path) -> None:
    of_video, of_records = asyncio.run(replies(tmp_path))
    assert of_video.cited[0][0] == "kites.mp4"
    assert any("12 metres" in quote for quote in of_video.quotes)
    assert "7" in of_records.text
    (described,) = tmp_path.rglob("*.pickle")
    written = described.stat().st_mtime_ns
    again, _ = asyncio.run(replies(tmp_path))
    assert again.text == of_video.text
    assert described.stat().st_mtime_ns == written
