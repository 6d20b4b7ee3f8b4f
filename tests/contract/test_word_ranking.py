"""What is found by words is ranked alike on both databases: by a ranking that is told here once more, in plain Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Any

import pytest

from loadtests.words import fill_segments
from services.core.media import SegmentDescription, Span, Speech, TimedText
from services.core.search.tokens import ends_open, index_tokens, joined, phrase_tokens
from tests.contract.store_steps import WORKER, Store

SEED = 11
SEGMENTS = 12  # of each file
WORDS = (
    *(
        "tide",
        "tides",
        "moon",
        "boat",
        "harbour",
        "president",
        "presidential",
        "e-mail",
        "email",
        "5GHz",
        "2,500",
        "car",
    ),
    *("Straße", "Übung", "élève", "café", "größer", "маяк", "лодка", "كتاب", "병원에서"),
    *("今天的会议推迟", "台风", "会议", "次のバスは雨", "バス", "วันนี้ฝนตก", "เชียงใหม่"),
)
WEIGHTS = [1 / place for place in range(1, len(WORDS) + 1)]
ASKED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "one": (("tide",), ()),
    "several": (("tide", "moon", "boat", "car"), ()),
    "the same twice": (("tides", "tide", "lighthouse", "boat"), ()),
    "hyphens": (("e-mail", "5GHz", "2,500"), ()),
    "beginnings": (("president", "harbo", "boat"), ()),
    "languages": (("straße", "ubung", "eleve", "маяк", "كتاب", "병원", "tide"), ()),
    "no spaces": (("台风", "会议", "バス", "雨", "เชียงใหม่", "ฝนตก", "moon"), ()),
    "many": (WORDS, ()),
    "phrase": ((), ("tide moon",)),
    "phrases and words": (("boat", "harbour", "台风"), ("tide",)),
    "nothing": (("lighthouse",), ()),
    "no word": (("…",), ()),
}


@dataclass(frozen=True)
class Row:
    """A segment as a collection holds it. `number`: of those that were described, from 0."""

    number: int
    segment_id: str
    collection_id: str
    file_id: str
    description_id: str
    tokens: dict[str, list[str]]  # by part


async def corpus(store: Store) -> list[Row]:
    """Three files in two collections, one of them in both, whose words are drawn by Zipf's law."""
    drawn = random.Random(SEED)
    collections = [(await store.collection(f"c{number}")).id for number in range(2)]
    rows: list[Row] = []
    for file_number, holds in enumerate(((0,), (1,), (0, 1))):
        file = await store.ready(f"{file_number}.mp4")
        members = [await store.members.add(store.tenant, collections[place], file.id) for place in holds]
        spans = [Span(place, place + 1) for place in range(SEGMENTS)]
        job, segments = await store.begin(members[0].description_id, spans)
        for segment in segments:
            said, shown = (" ".join(drawn.choices(WORDS, WEIGHTS, k=drawn.randint(0, most))) for most in (30, 4))
            written = f"{said}\n{shown}"
            content = SegmentDescription(speech=(Speech(said, 0.0, 1.0),), scene_text=(TimedText(shown, 0.0, 1.0),))
            await store.descriptions.write_segment(job, WORKER, segment, content, written, [])
            tokens = {"all": index_tokens(written), "speech": index_tokens(said), "scene_text": index_tokens(shown)}
            rows += [
                Row(file_number * SEGMENTS + segment.position, segment.id, collections[place], file.id, *rest)
                for place, member in zip(holds, members, strict=True)
                for rest in [(member.description_id, tokens)]
            ]
        await store.descriptions.finish(job, WORKER, title="t", summary="")
        await store.jobs.finish(job, WORKER)
    assert len({row.segment_id for row in rows}) == 3 * SEGMENTS and len(rows) == 4 * SEGMENTS
    return rows


def forms(said: str, part: str, *, begins: bool) -> frozenset[tuple[tuple[str, ...], bool]]:
    """(tokens in order, whether the last may go on), of which a text holds one."""
    tokens = phrase_tokens(said)
    goes_on = ends_open(said) or (begins and part != "all" and len(tokens) == 1 and len(tokens[0]) >= 5)
    return frozenset(
        [(tuple(tokens), goes_on)] * bool(tokens) + [((whole,), False) for whole in [joined(said)] if whole]
    )


def holds(tokens: Sequence[str], wanted: frozenset[tuple[tuple[str, ...], bool]]) -> bool:
    for sought, goes_on in wanted:
        for start in range(len(tokens) - len(sought) + 1):
            there = tokens[start : start + len(sought)]
            ends = there[-1].startswith(sought[-1]) if goes_on else there[-1] == sought[-1]
            if ends and tuple(there[:-1]) == sought[:-1]:
                return True
    return False


def ranked(rows: Sequence[Row], words: Sequence[str], phrases: Sequence[str], part: str) -> list[tuple[Row, float]]:
    """Those that hold all phrases and one of the words, with the share that they hold of what any of them holds."""
    needed = [forms(said, part, begins=False) for said in phrases]
    items = list(dict.fromkeys(found for said in words if (found := forms(said, part, begins=True)))) or needed[:1]
    fit = [row for row in rows if all(holds(row.tokens[part], phrase) for phrase in needed)]
    held = {id(row): [item for item in items if holds(row.tokens[part], item)] for row in fit}
    hits = [row for row in fit if held[id(row)]]
    counts = {item: sum(item in held[id(row)] for row in hits) for item in items}
    weights = {item: log(1 + len(hits) / count) for item, count in counts.items() if count}
    whole = sum(weights.values())
    scored = [(row, round(sum(weights[item] for item in held[id(row)]) / whole, 6)) for row in hits]
    return sorted(scored, key=lambda hit: (-hit[1], hit[0].number, hit[0].collection_id))


def best_of_each(scored: Sequence[tuple[Row, float]], key: str) -> list[tuple[Row, float]]:
    best: dict[str, tuple[Row, float]] = {}
    for row, score in sorted(scored, key=lambda hit: (-hit[1], hit[0].segment_id, hit[0].collection_id)):
        best.setdefault(getattr(row, key), (row, score))
    return sorted(best.values(), key=lambda hit: (-hit[1], hit[0].segment_id))


def told(row: Any) -> tuple[str, str, str, str]:
    return row.segment_id, row.collection_id, row.file_id, row.description_id


async def test_the_order_and_the_scores_are_those_of_the_plain_ranking_on_both_databases(store):
    rows = await corpus(store)
    collections = sorted({row.collection_id for row in rows})
    files = sorted({row.file_id for row in rows})
    scopes: list[tuple[list[Row], list[str], dict[str, Any]]] = [
        (rows, collections, {}),
        ([row for row in rows if row.collection_id == collections[0]], collections[:1], {}),
        ([row for row in rows if row.file_id == files[0]], collections, {"file_ids": files[:1]}),
        (rows[::3], collections, {"segment_ids": [row.segment_id for row in rows[::3]]}),
    ]
    scopes[3] = ([row for row in rows if row.segment_id in scopes[3][2]["segment_ids"]], *scopes[3][1:])
    found_any = 0
    for name, (words, phrases) in ASKED.items():
        for part in ("all", "speech", "scene_text"):
            for number, (within, ids, narrowed) in enumerate(scopes):
                expected = ranked(within, words, phrases, part)
                for distinct in ("description", "segment", "file"):
                    wanted = expected if distinct == "description" else best_of_each(expected, f"{distinct}_id")
                    hits = await store.full_text.search(
                        store.tenant, ids, words, 100, phrases=phrases, part=part, distinct=distinct, **narrowed
                    )
                    case = (name, part, number, distinct)
                    assert [told(hit) for hit in hits] == [told(row) for row, _ in wanted], case
                    scores = [hit.score for hit in hits]
                    assert scores == pytest.approx([score for _, score in wanted], abs=2e-6), case
                    assert all(better >= worse for better, worse in pairwise(scores)), case
                    few = await store.full_text.search(
                        store.tenant, ids, words, 3, phrases=phrases, part=part, distinct=distinct, **narrowed
                    )
                    assert few == hits[:3], case
                    found_any += bool(hits)
    assert found_any > 200


async def test_hundreds_of_segments_of_another_tenant_change_neither_the_order_nor_the_scores(store):
    own = await fill_segments(store.database, store.tenant, 100)

    async def found() -> list[Any]:
        search = store.full_text.search
        return [
            await search(store.tenant, [own], words, 100, phrases=phrases, part=part)
            for words, phrases in ((["ba", "bo", "bibe"], ()), (["ba", "bo"], ("be",)), ((), ("ba be",)))
            for part in ("all", "speech")
        ]

    before = await found()
    assert all(before) and len({hit.score for hit in before[0]}) > 2
    await fill_segments(store.database, store.other, 600, seed=SEED, words=8)
    assert await found() == before
