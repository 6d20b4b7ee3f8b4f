"""What the comparisons with peers hold both sides to: no word is lost, doubled or out of order, and no stream breaks off."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests.peers import stores, streams, upstream
from loadtests.peers.__main__ import main, missed

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def reply(*texts: str, end: str = "stop", done: bool = True) -> bytes:
    deltas: list[tuple[dict[str, Any], str | None]] = [({"content": text}, None) for text in texts]
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": why}]} for delta, why in [*deltas, ({}, end)]]
    events = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    return HEAD + events + (b"data: [DONE]\n\n" if done else b"")


def test_a_whole_stream_passes():
    streams.check(streams.words_of(reply("w0", " w1", " w2")), 3)


@pytest.mark.parametrize(
    "texts",
    [
        ("w0", " w2"),
        ("w0", " w1"),
        ("w0", " w1", " w1", " w2"),
        ("w0", " w2", " w1"),
        ("w0 w1", " w2"),
        ("w0", " w1", " x2"),
    ],
    ids=["lost", "lost at the end", "doubled", "out of order", "two in one event", "other words"],
)
def test_a_stream_that_is_not_what_was_sent_is_found(texts: tuple[str, ...]):
    with pytest.raises(ValueError, match="differ from word"):
        streams.check(streams.words_of(reply(*texts)), 3)


@pytest.mark.parametrize(
    "received",
    [reply("w0", done=False), reply("w0", end="length"), HEAD, b"HTTP/1.1 500 Oh\r\n\r\ndata: [DONE]\n\n"],
    ids=["broken off", "cut short", "empty", "failed"],
)
def test_a_reply_that_is_no_whole_stream_is_found(received: bytes):
    with pytest.raises(ValueError):
        streams.words_of(received)


async def test_the_server_behind_both_says_each_word_that_is_asked_for():
    server = await asyncio.start_server(upstream.WordServer().serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        direct = streams.Server("direct", url, upstream.MODEL, "none", 1)
        first, received = await streams.ask(direct, 20)
        asked = await asyncio.to_thread(streams.asked, direct)
    assert first > 0
    streams.check(streams.words_of(received), 20)
    assert asked == 1


async def test_a_server_that_asks_behind_itself_more_often_than_once_is_found():
    with pytest.raises(ValueError, match="asked 3 times for 2 questions"):
        streams.check_asked(3, 2, "arcus")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (["streams"], "first make build/peers/litellm\n"),
        ([], "first make build/peers/litellm build/peers/pgvector build/peers/lancedb\n"),
        (["nothing"], "there is no part ['nothing']"),
    ],
)
def test_what_is_not_there_is_told_before_anything_starts(
    parts: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(stores, "PEERS", tmp_path)
    monkeypatch.setattr("sys.argv", ["peers", *parts])
    with pytest.raises(SystemExit):
        main()
    assert told in capsys.readouterr().err


def test_goals_that_are_missed_are_told():
    ratios = {"events_per_second": {1: 3.9, 20: 4.0}, "added_first_word": {1: 0.5, 20: 0.51}}
    of_stores = {
        "ratios": {"pgvector": {"tenth": 1.4}, "lancedb": {"tenth": 1.5}},
        "arcus": {"tenth": {"recall": 0.95}, "hundredth": {"recall": 0.94}},
    }
    told = missed({"streams": {"ratios": ratios}, "stores": of_stores})
    assert [line.rpartition(",")[0] for line in told] == [
        "events/s, 1 streams: 3.9 of LiteLLM",
        "added first word, 20 streams: 0.51 of LiteLLM",
        "queries/s, tenth: 1.4 of pgvector",
        "recall, hundredth: 0.94",
    ]


@pytest.fixture(scope="module")
def world() -> stores.World:
    return stores.World.of(stores.Sizes(rows=2_000, queries=5))


def test_the_truth_is_the_nearest_of_the_collection_alone(world: stores.World):
    for collection, count in (("hundredth", 20), ("tenth", 200)):
        assert (world.collections == collection).sum() == count
        truth = world.truth(collection)
        assert stores.recall(truth, truth, collection, world.collections) == 1
        kept = {row for row in range(2_000) if world.collections[row] == collection}
        for query, nearest in zip(world.queries, truth, strict=True):
            scores = {row: float(world.vectors[row] @ query) for row in kept}
            assert nearest == sorted(kept, key=lambda row: -scores[row])[: stores.LIMIT]


def test_a_wrong_neighbour_costs_recall(world: stores.World):
    truth = world.truth("tenth")
    other = next(row for row in np.flatnonzero(world.collections == "tenth").tolist() if row not in truth[0])
    found = [[other, *truth[0][1:]], *truth[1:]]
    assert stores.recall(found, truth, "tenth", world.collections) == 0.98
    assert stores.recall([[], *truth[1:]], truth, "tenth", world.collections) == 0.8


def test_a_row_of_another_collection_or_one_found_twice_ends_the_run(world: stores.World):
    truth = world.truth("tenth")
    stranger = int(np.flatnonzero(world.collections == "hundredth")[0])
    for wrong in (stranger, truth[0][1]):
        with pytest.raises(ValueError, match="a search of tenth found"):
            stores.recall([[wrong, *truth[0][1:]], *truth[1:]], truth, "tenth", world.collections)


def test_of_the_ways_of_a_store_the_fastest_that_finds_enough_counts():
    ways = {
        "quick": {"queries_per_second": 900.0, "recall": 0.94},
        "good": {"queries_per_second": 500.0, "recall": 0.95},
        "slow": {"queries_per_second": 50.0, "recall": 1.0},
    }
    assert stores.best(ways)["way"] == "good"
    with pytest.raises(ValueError, match="no way"):
        stores.best({"quick": ways["quick"]})
