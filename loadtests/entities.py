"""Questions about entities, from the planner through DuckDB to the answer: python -m loadtests.entities

The records and the questions are in files beside this one. The tuned questions were there while an earlier planner was made; the
held-out ones were written after it and never led to a change. The fresh ones ask in seven languages about collections with
described properties; those of them that are held out were written beside them, those after when the planner had been
made for these; both are told by their totals alone.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.slots.planner import queries
from ray_jobs.engines.embedded.extractive.slots.results import sentences
from services.core.library.holdings import EntityRecords, MemberFiles
from services.nimbus.entities.knowledge import Knowledge, run_queries
from services.nimbus.entities.sql import EntitySql
from services.nimbus.entities.tables import EntityCollection, build_tables

HERE = Path(__file__).parent
RECORDS = [
    *json.loads((HERE / "entity_records.json").read_text()),
    *json.loads((HERE / "entity_records_fresh.json").read_text()),
]
QUESTIONS = {
    **json.loads((HERE / "entity_questions.json").read_text()),
    **json.loads((HERE / "entity_questions_fresh.json").read_text()),
}
_UNSEEN = ("fresh_held_out", "fresh_after")  # told by their totals alone
_ANY = re.compile("video|recording|aufnahme|enregistrement|grabaciones", re.IGNORECASE)  # what every collection holds
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Score:
    exact: int
    unanswered: int
    wrong: int
    of: int


def knowledge(names: list[str]) -> Knowledge:
    """The tables of the named collections, as they would be for a request."""
    collections, files, rows = [], [], []
    for collection in RECORDS:
        id = collection["name"]
        if id not in names:
            continue
        collections.append(
            EntityCollection(id, id, collection["description"], collection["schema"], collection["by_segment"])
        )
        for file in collection["files"]:
            created = int(datetime.fromisoformat(file["created_at"]).timestamp() * 1000)
            files.append((id, file["filename"], file["filename"], file["duration_seconds"], created, "{}", "completed"))
            if "entities" in file:
                rows.append((id, file["filename"], None, None, None, json.dumps(file["entities"])))
            for number, part in enumerate(file.get("segments", ())):
                place = (id, file["filename"], f"{file['filename']}-{number}", part["start_time"], part["end_time"])
                rows.append((*place, json.dumps(part["entities"])))
    return Knowledge(
        build_tables(collections, MemberFiles(*zip(*files, strict=True)), EntityRecords(*zip(*rows, strict=True))), ""
    )


async def answer(sql: EntitySql, question: str, base: Knowledge, language: str = "en") -> str | None:
    """None where no query was planned."""
    planned, _ = queries(question, language, base.tables.described)
    if not planned:
        return None
    calls = await run_queries(sql, base, planned)
    told = sentences(pb.GenerateRequest(results=[call.result for call in calls]), "en")
    return "\n".join(told or ())


def verdict(item: Mapping[str, Any], text: str | None) -> str:
    """exact, unanswered or wrong."""
    if text is None:
        return "exact" if item.get("refuse") else "unanswered"
    if "the query failed" in text:
        return "unanswered"
    if item.get("refuse"):
        return "wrong"
    if "number" in item:
        return "exact" if _first_number(text) == item["number"] else "wrong"
    if "groups" in item:
        lines = dict(line.removeprefix("- ").rsplit(": ", 1) for line in text.split("\n") if line.startswith("- "))
        return "exact" if {name: float(value) for name, value in lines.items()} == item["groups"] else "wrong"
    listed, told = _told(text), set()
    for value in sorted(_candidates(item), key=len, reverse=True):  # "Nova 3 Pro" is not "Nova 3"
        listed, count = re.subn(rf"(?<!\w){re.escape(value)}(?!\w)", " ", listed)
        told |= {value} if count else set()
    return "exact" if told == set(item["items"]) else "wrong"


def _told(text: str) -> str:
    """What an answer lists or states, without the words that say what it is."""
    head, _, rest = text.partition(":\n")
    return rest or head.rsplit(" (", 1)[0]


def _first_number(text: str) -> float:
    """The number that an answer states: a count first, a value behind what it is of. NaN where there is none."""
    told = text if re.match(r"^-?\d", text) else _told(text).rsplit(": ", 1)[-1]
    found = _NUMBER.findall(told)
    return float(found[0].replace(",", "")) if found else math.nan


def _candidates(item: Mapping[str, Any]) -> set[str]:
    """Everything that could be listed: every file, or every value of the property."""
    values: set[str] = set(item["items"])
    for collection in RECORDS:
        if collection["name"] not in item["base"]:
            continue
        for file in collection["files"]:
            records = [file.get("entities") or {}, *(part["entities"] for part in file.get("segments", ()))]
            if item["of"] == "filename":
                values.add(file["filename"])
            for record in records:
                value = record.get(item["of"])
                values.update(value if isinstance(value, list) else [value] if isinstance(value, str) else [])
    return values


async def score(kind: str, *, tell: bool = True) -> Score:
    sql = EntitySql()
    verdicts = []
    try:
        for item in QUESTIONS[kind]:
            text = await answer(sql, item["question"], knowledge(item["base"]), item.get("language", "en"))
            verdicts.append(verdict(item, text))
            if tell and kind not in _UNSEEN and verdicts[-1] != "exact":
                print(f"  {verdicts[-1]:<10} {item['question']} -> {text}")
    finally:
        await sql.close()
    return Score(verdicts.count("exact"), verdicts.count("unanswered"), verdicts.count("wrong"), len(verdicts))


def misplaced() -> tuple[int, int]:
    """(questions planned, questions asked) where they are asked of a collection that they are not about."""
    asked = planned = 0
    bases = {item["name"]: knowledge([item["name"]]).tables.described for item in RECORDS}
    for item in (item for items in QUESTIONS.values() for item in items if not _ANY.search(item["question"])):
        for name, tables in bases.items():
            if name not in item["base"]:
                asked += 1
                made, _ = queries(item["question"], item.get("language", "en"), tables)
                if made:
                    planned += 1
                    print(f"  asked of {name}: {item['question']} -> {made[0].purpose}")
    return planned, asked


def main() -> int:
    scores = {kind: asyncio.run(score(kind)) for kind in QUESTIONS}
    for kind, found in scores.items():
        print(f"{kind}: {found}")
    planned, asked = misplaced()
    print(f"asked of the wrong collection: {asked}, of which answered: {planned}")
    return (
        0
        if planned == 0 and all(found.wrong == 0 and found.exact >= 0.8 * found.of for found in scores.values())
        else 1
    )


if __name__ == "__main__":
    sys.exit(main())
