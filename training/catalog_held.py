"""Judges what was learned of questions about files, by the questions of catalog_held.yaml, of which nothing is learned.

    python -m training.catalog_held [--show]

Each is planned as the front has it planned, and its query is run on files invented here: what it finds must be what the call that
is written beside it finds, and questions about what is in a video must not be planned. --show tells those that are not.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.planner import plan
from ray_jobs.engines.embedded.extractive.slots.calls import FLAGS
from services.core.library.catalog import CatalogFile
from services.core.media import MediaInfo
from services.nimbus.entities.catalog import catalog_tables, empty_catalog

HELD = Path(__file__).with_name("catalog_held.yaml")


@dataclass(frozen=True)
class File:
    name: str
    length: float
    date: str
    speech: bool
    text: bool
    subtitles: bool
    sound: bool


FILES = (
    File("harbour_walk.mp4", 95.5, "2024-03-04", True, False, False, True),
    File("loom.mov", 612.0, "2023-06-11", True, True, True, True),
    File("night_sky.mp4", 21.0, "2025-02-02", False, False, False, False),
    File("IMG_0417.mov", 48.0, "2024-03-19", False, True, False, True),
    File("lecture_3.mkv", 1815.0, "2022-12-30", True, True, True, True),
    File("ferry.mp4", 184.0, "2024-11-08", False, False, False, True),
    File("clip 7.mp4", 12.5, "2025-05-27", True, False, True, True),
    File("glassblowing.webm", 305.0, "2024-01-15", True, False, False, True),
    File("slides.mp4", 77.0, "2023-09-09", False, True, False, False),
    File("market_day.mp4", 58.0, "2025-06-01", False, False, True, True),
    File("interview_b.mp4", 931.0, "2024-07-21", True, False, False, True),
    File("timelapse.mp4", 29.0, "2023-03-03", False, False, False, False),
)


@dataclass(frozen=True)
class Judged:
    language: str
    writer: str
    call: str
    text: str
    verdict: str  # right, wrong or refused


def of_catalog() -> list[CatalogFile]:
    return [
        CatalogFile(
            f"file-{place}",
            file.name,
            "completed",
            int(datetime.fromisoformat(f"{file.date}T09:30:00").replace(tzinfo=UTC).timestamp() * 1000),
            {},
            MediaInfo("video", file.length, "mp4", file.sound, 640, 480, has_subtitles=file.subtitles),
            "",
            ("Things",),
            file.speech,
            file.text,
        )
        for place, file in enumerate(FILES)
    ]


def wanted(call: str) -> Any:
    """A number, the set or list of the files' names, or what is told of each."""
    tool, *parts = call.split()
    told = dict(part.split("=") for part in parts if "=" in part)
    by = next((part for part in parts if part in ("length", "date", "name")), "name")
    flags = [(name, told[name] == "yes") for name in FLAGS if name in told]
    enough = any if told.get("join") == "or" else all
    found = [file for file in FILES if not flags or enough(getattr(file, name) == value for name, value in flags)]
    found = [file for file in found if float(told.get("over", 0)) < file.length < float(told.get("under", "inf"))]
    found = [
        file
        for file in found
        if file.date.startswith(told.get("within", "")) and told.get("file", file.name) == file.name
    ]
    ordered = sorted(found, key=lambda file: getattr(file, by), reverse="most" in parts)
    rank, limit = int(told.get("rank", 1)), int(told.get("limit", 1))
    match tool:
        case "count":
            return len(found)
        case "sum" | "average":
            return sum(file.length for file in found) / (len(found) if tool == "average" else 1)
        case "first":
            return {file.name for file in ordered[rank - 1 : rank - 1 + limit]}
        case "order":
            return [file.name for file in ordered]
        case "tell":
            return {file.name: str(getattr(file, by)) for file in found}
    return {file.name for file in found}


class Judge:
    def __init__(self) -> None:
        self.tables = list(catalog_tables(of_catalog()).described)
        self.connection = duckdb.connect()
        # As the front has it.
        self.connection.execute(
            "CREATE TABLE files (file_id VARCHAR, filename VARCHAR, title VARCHAR, duration_seconds DOUBLE, "
            "created_at TIMESTAMP, status VARCHAR, width BIGINT, height BIGINT, collection_names VARCHAR[], "
            "has_speech BOOLEAN, has_text BOOLEAN, has_subtitles BOOLEAN, has_audio BOOLEAN, has_video BOOLEAN)"
        )
        for place, file in enumerate(FILES):
            row = (
                f"file-{place}",
                file.name,
                None,
                file.length,
                f"{file.date} 09:30:00",
                "completed",
                640,
                480,
                ["Things"],
            )
            values = [*row, file.speech, file.text, file.subtitles, file.sound, True]
            self.connection.execute(f"INSERT INTO files VALUES ({', '.join('?' * len(values))})", values)

    def query(self, text: str) -> str:
        """ "" where none is planned."""
        messages = [pb.Message(role="user", text=text)]
        made = plan(pb.PlanRequest(messages=messages, tables=[empty_catalog()]))
        if not made.queries and made.form == "catalog":
            made = plan(pb.PlanRequest(messages=messages, tables=self.tables))
        return made.queries[0].sql if made.queries else ""

    def verdict(self, call: str, text: str) -> str:
        sql = self.query(text)
        if call == "none":
            return "wrong" if sql else "right"
        if not sql:
            return "refused"
        found = self.connection.execute(sql)
        names = [column[0] for column in found.description or ()]
        return "right" if _is_told(call, names, found.fetchall()) else "wrong"


def _is_told(call: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
    expected = wanted(call)
    if isinstance(expected, int | float):
        return len(rows) == 1 and isinstance(rows[0][0], int | float) and abs(rows[0][0] - expected) < 0.01
    if "video" not in names:
        return False
    videos = [row[names.index("video")] for row in rows]
    if isinstance(expected, dict):
        told = {video: str(row[-1]).removesuffix(" 09:30:00") for video, row in zip(videos, rows, strict=True)}
        return len(names) > 1 and told == expected
    return set(videos) == expected if isinstance(expected, set) else videos == expected


def judged() -> list[Judged]:
    judge = Judge()
    return [
        Judged(language, writer, call, text, judge.verdict(call, text))
        for language, writers in yaml.safe_load(HELD.read_text(encoding="utf-8")).items()
        for writer, calls in writers.items()
        for call, texts in calls.items()
        for text in texts
    ]


def _print(items: Sequence[Judged], by: Callable[[Judged], str]) -> None:
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        groups[by(item)][item.verdict] += 1
    for name, found in groups.items():
        shares = "  ".join(
            f"{verdict} {found[verdict] / found.total():.2f}" for verdict in ("right", "wrong", "refused")
        )
        print(f"  {name:<8} {shares}  of {found.total()}")


def main() -> None:
    items = judged()
    of_files = [item for item in items if item.call != "none"]
    for what, found in (
        ("about files", of_files),
        ("about what is in a video", [i for i in items if i.call == "none"]),
    ):
        print(f"questions {what}")
        _print(found, lambda item: "all")
        _print(found, lambda item: item.language)
    _print(of_files, lambda item: item.call.split()[0])
    _print(of_files, lambda item: item.writer)
    if "--show" in sys.argv:
        for item in items:
            if item.verdict != "right":
                print(f"{item.verdict}  {item.language}  {item.call}: {item.text}")


if __name__ == "__main__":
    main()
