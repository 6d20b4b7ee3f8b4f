"""What benches of whole systems wrote becomes figures beside the goals of the bench of hot paths."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from loadtests.scale.figures import Figure
from loadtests.scale.rows import OF_SYSTEMS, ONCE, ROWS
from loadtests.scale.sizes import SMALL
from loadtests.scale.systems import index_figures, part_figures, retention_figures, token_figures
from loadtests.soak import Point


def judged(figures: list[Figure]) -> dict[str, tuple[float, float | None, bool]]:
    """(value, goal, whether it is met) by name, of those with a goal."""
    return {each.name: (each.value, each.goal, each.is_met) for each in figures if each.goal is not None}


def searched(**more: Any) -> dict[str, Any]:
    return {"queries_per_second": 50.0, "p50_ms": 10.0, "p99_ms": 30.0, "failed": 0, **more}


def index_result(**shards: Any) -> dict[str, Any]:
    lists = {"bare": {}, "shards": searched(**shards), "ratio": 0.2, "recall": 0.97}
    exact = {"shards": searched(), "identical": True, "ratio": 0.9}
    return {"rows": 1000, "dimensions": 384, "shards": 4, "limit": 10, "exact": exact, "lists": lists}


def test_an_index_is_judged_by_its_share_of_bare_lists_at_enough_recall() -> None:
    assert judged(index_figures(index_result())) == {
        "index, 1000 × 384 over 4 shards, by lists ÷ bare FAISS with the same lists": (0.2, 0.25, False),
        "index, 1000 × 384 over 4 shards, by lists: recall@10": (0.97, 0.95, True),
    }
    with pytest.raises(AssertionError, match="a search failed"):
        index_figures(index_result(failed=1))


def test_tokens_are_judged_by_what_the_direct_call_took_in_the_same_run() -> None:
    direct = {"messages_per_second": 1000, "first_token_ms_at_10_questions_per_second": {"p50": 20.0, "p95": 25.0}}
    door = {"ratio_to_direct": 0.6, "added_ms_at_10_questions_per_second": {"p50": 4.0, "p95": 6.0}}
    told = judged(
        token_figures({"direct": direct, "grpc": door, "http": {**door, "ratio_to_direct": 0.4}, "chat": door})
    )
    assert told["tokens, gRPC: messages/s ÷ direct"] == (0.6, 0.5, True)
    assert told["tokens, responses over SSE: messages/s ÷ direct"] == (0.4, 0.5, False)
    assert told["tokens, gRPC: first token added, p50 ÷ direct p50"] == (0.2, 0.15, False)
    assert told["tokens, gRPC: first token added, p95 ÷ direct p50"] == (0.3, 0.4, True)
    assert len(told) == 9


def test_parts_of_a_first_token_are_told_in_their_order() -> None:
    parts = [{"depth": 0, "name": "a", "milliseconds": 2.0}, {"depth": 1, "name": "b", "milliseconds": 1.0}]
    figures = part_figures({"parts": parts, "profiled_ms": 5.0, "plain_ms": 3.0})
    assert [figure.value for figure in figures] == [2.0, 1.0, 5.0, 3.0]
    assert figures[1].name.endswith("  b")


def test_retention_tells_the_table_that_grew_most_and_files_and_bytes() -> None:
    def point(requests: int, rows: int, files: int, size: int) -> dict[str, Any]:
        return asdict(Point(requests, 1.0, {"flat": 5, "growing": rows}, size, files, 0, 0))

    told = judged(retention_figures({"postgres": [point(1000, 1, 2, 100), point(2000, 4, 2, 110)]}))
    assert list(told.values()) == [(3.0, 1.0, False), (0.0, 1.0, True), (1.1, 1.25, True)]
    assert "rows of growing" in next(iter(told)) and "most of 2 tables" in next(iter(told))


def test_turns_in_an_engines_queue_have_figures_where_no_system_is() -> None:
    assert OF_SYSTEMS < set(ONCE) and not set(ONCE) & set(ROWS)
    figures = ONCE["fairness"](SMALL)
    assert len(figures) == 3 and all(figure.value > 0 for figure in figures)
    turns, line = figures[1].value, figures[2].value
    assert turns < line / 4, "by turns another waits much less than in one line"
