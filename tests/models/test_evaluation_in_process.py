"""The evaluation without Ray: what is described is asked about, and kept for the next run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb

from loadtests.evaluation.api import ask_all, hold
from loadtests.evaluation.collections import Collection, Question
from loadtests.evaluation.grading import Reply
from loadtests.evaluation.in_process import Edge, opened
from ray_jobs.engines.roles import Embedded

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


async def test_a_question_is_embedded_as_a_question_as_the_engines_do() -> None:
    """Models such as E5 put it elsewhere than a text that is found; weights are learned from what comes of it here."""
    asked: list[bool] = []

    async def embed(texts: list[str], *, queries: bool = False) -> Embedded:
        asked.append(queries)
        return Embedded(np.ones((len(texts), 2), np.float32), 1)

    players: dict[str, Any] = {"embed": SimpleNamespace(seer=None, embedder=SimpleNamespace(embed=embed))}
    metadata = (("application", "embed"), ("x-arcus-secret", "a-secret"))
    context = SimpleNamespace(invocation_metadata=lambda: metadata)
    made = await Edge("a-secret", players).Embed(pb.EmbedRequest(texts=["What?"]), context)
    assert asked == [True] and made.dimensions == 2
