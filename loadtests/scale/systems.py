"""Figures of benches that start whole systems, or runtimes of engines: each is a process of its own, and writes what it found as
JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtests import index, soak
from loadtests.scale.figures import Figure
from loadtests.scale.sizes import Sizes

LIMIT_SECONDS = 6 * 3600
TOLD_CHARACTERS = 8_000
DOORS = {"grpc": "gRPC", "http": "responses over SSE", "chat": "chats over SSE"}
PACE = "10_questions_per_second"
LEAST_OF_LISTS, LEAST_OF_DIRECT = 0.25, 0.5
FIRST_TOKEN = {"p50": 0.15, "p95": 0.4}  # of the direct call's own p50, added at most


def index_rows(sizes: Sizes) -> list[Figure]:
    result, _ = _found("index", "--rows", str(sizes.indexed), "--shards", str(sizes.shards))
    return index_figures(result)


def index_figures(result: Mapping[str, Any]) -> list[Figure]:
    """Of a result of `loadtests.index`. Raises AssertionError where a search was wrong or failed."""
    exact, lists = result["exact"], result["lists"]
    assert exact["identical"], "an exact search differs from bare FAISS"
    assert exact["shards"]["failed"] == lists["shards"]["failed"] == 0, "a search failed"
    name = f"index, {result['rows']} × {result['dimensions']} over {result['shards']} shards"
    ratio, found = lists["ratio"], lists["shards"]
    return [
        Figure("sqlite", f"{name}, by lists: queries", found["queries_per_second"], "/s"),
        Figure(
            "sqlite", f"{name}, by lists ÷ bare FAISS with the same lists", ratio, "x", LEAST_OF_LISTS, is_least=True
        ),
        Figure(
            "sqlite", f"{name}, by lists: recall@{result['limit']}", lists["recall"], "", index.RECALL, is_least=True
        ),
        Figure("sqlite", f"{name}, by lists: p99", found["p99_ms"], "ms"),
        Figure("sqlite", f"{name}, exactly ÷ bare FAISS", exact["ratio"], "x"),
    ]


def token_rows(_: Sizes) -> list[Figure]:
    result, _ = _found("tokens")
    return token_figures(result)


def part_rows(_: Sizes) -> list[Figure]:
    """What a front works until the first token, part by part."""
    result, _ = _found("first_token")
    return part_figures(result)


def token_figures(result: Mapping[str, Any]) -> list[Figure]:
    """Of a result of `loadtests.tokens`."""
    direct = result["direct"]
    alone = direct[f"first_token_ms_at_{PACE}"]
    figures = [
        Figure("sqlite", "tokens, the engine asked directly: messages", direct["messages_per_second"], "/s"),
        Figure("sqlite", "tokens, the engine asked directly: first token, p50", alone["p50"], "ms"),
    ]
    for door, told in DOORS.items():
        of = result[door]
        figures.append(
            Figure(
                "sqlite",
                f"tokens, {told}: messages/s ÷ direct",
                of["ratio_to_direct"],
                "x",
                LEAST_OF_DIRECT,
                is_least=True,
            )
        )
        for part, most in FIRST_TOKEN.items():
            share = of[f"added_ms_at_{PACE}"][part] / alone["p50"]
            figures.append(
                Figure("sqlite", f"tokens, {told}: first token added, {part} ÷ direct p50", share, "x", most)
            )
    return figures


def part_figures(result: Mapping[str, Any]) -> list[Figure]:
    """Of a result of `loadtests.first_token`: times under the profiler, and all of it without."""
    figures = [
        Figure("sqlite", f"first token, profiled: {'  ' * part['depth']}{part['name']}", part["milliseconds"], "ms")
        for part in result["parts"]
    ]
    figures.append(Figure("sqlite", "first token, profiled: processor time of a question", result["profiled_ms"], "ms"))
    return [*figures, Figure("sqlite", "first token: processor time of a question", result["plain_ms"], "ms")]


def retention_rows(sizes: Sizes) -> list[Figure]:
    result, status = _found("soak", "--requests", str(sizes.soaked))
    figures = retention_figures(result)
    assert status == 0 or not all(figure.is_met for figure in figures), "requests failed"
    return figures


def retention_figures(result: Mapping[str, Any]) -> list[Figure]:
    """Of the points of `loadtests.soak`, by database: the table that grew most, files and the database's bytes."""
    figures = []
    for kind, told in result.items():
        points = [soak.Point(**point) for point in told]
        name = f"retention, {points[-1].requests} requests"
        slopes = soak.slopes(points)
        tables = [slope for slope in slopes if slope.what.startswith("rows of ")]
        rest = [slope for slope in slopes if slope not in tables]
        for slope in (max(tables, key=lambda slope: slope.value), *rest):
            most = f" (the most of {len(tables)} tables)" if slope in tables else ""
            figures.append(Figure(kind, f"{name}: {slope.what}{most}", slope.value, "", slope.goal))
    return figures


def _found(bench: str, *arguments: str) -> tuple[dict[str, Any], int]:
    """(what a bench wrote, its exit status). Where that is 1, as by a miss of its own goals, what it printed is told too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        command = [sys.executable, "-m", f"loadtests.{bench}", *arguments, "--json", str(path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, check=False)
        if done.returncode:
            print(done.stdout[-TOLD_CHARACTERS:], flush=True)
        if not path.exists():
            raise RuntimeError(f"loadtests.{bench} ended with {done.returncode}")
        return json.loads(path.read_text()), done.returncode
