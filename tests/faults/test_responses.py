"""kill -9 of the fronts that write background responses, at random moments: another goes on, and no reader can tell."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.acceptance.folding import fold
from tests.faults.fronts import Fronts
from tests.front_process import FrontProcess
from tests.waiting import until

KILLS, AT_ONCE = 25, 5  # on each database
RESUME_SECONDS = 30


def read_until_killed(client: httpx.Client, lot: random.Random, begun: Future[str]) -> list[dict[str, Any]]:
    """Asks for a response in the background and reads its events until the front is gone. The last line may be cut off."""
    script = {"seed": lot.randrange(10**6), "messages": 60, "tokens_per_message": 3, "interval_seconds": 0.02}
    body = {"model": "nimbus-001", "input": "What?", "instructions": json.dumps(script)}
    seen: list[dict[str, Any]] = []
    try:
        with client.stream("POST", "/responses", json={**body, "background": True, "stream": True}) as reply:
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    seen.append(json.loads(line[6:]))
                    if not begun.done():
                        begun.set_result(seen[0]["response"]["id"])
    except (httpx.HTTPError, json.JSONDecodeError):
        pass
    return seen


def one_kill(fronts: Fronts, survivor: FrontProcess, seed: int) -> None:
    lot = random.Random(seed)
    victim = fronts.start()
    begun: Future[str] = Future()
    with ThreadPoolExecutor(1) as reader, fronts.client(victim) as client, fronts.client(survivor) as other:
        reading = reader.submit(read_until_killed, client, lot, begun)
        id = begun.result(timeout=20)
        time.sleep(lot.uniform(0, 1.4))  # the whole answer takes about as long
        victim.kill()
        seen = reading.result(timeout=20)
        killed_at = time.monotonic()
        after = seen[-1]["sequence_number"]
        with other.stream("GET", f"/responses/{id}?stream=true&starting_after={after}") as reply:
            rest = [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: {")]
        assert time.monotonic() - killed_at < RESUME_SECONDS
        whole = [*seen, *rest]
        stored = other.get(f"/responses/{id}").raise_for_status().json()
        assert fold(whole) == stored and stored["status"] == "completed", (seed, after)
        with other.stream("GET", f"/responses/{id}?stream=true") as reply:
            again = [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: {")]
        assert again == whole, (seed, after)


@pytest.mark.timeout(600)
def test_readers_of_killed_fronts_see_one_consistent_stream(fronts: Fronts) -> None:
    survivor = fronts.start()
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for kill in [pool.submit(one_kill, fronts, survivor, seed) for seed in range(KILLS)]:
                kill.result()
        assert fronts.engine.engine.running == 0
    finally:
        survivor.kill()


def stream_of(client: httpx.Client, messages: int, begun: threading.Event) -> list[dict[str, Any]]:
    """The events of a foreground stream, as far as they come."""
    script = {"seed": 1, "messages": messages, "tokens_per_message": 3, "interval_seconds": 0.02}
    body = {"model": "nimbus-001", "input": "What?", "instructions": json.dumps(script), "stream": True}
    seen: list[dict[str, Any]] = []
    try:
        with client.stream("POST", "/responses", json=body) as reply:
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    seen.append(json.loads(line[6:]))
                    begun.set()
    except httpx.HTTPError:
        pass
    return seen


@pytest.mark.parametrize(("signals", "messages"), [(1, 60), (2, 6000)], ids=["once", "twice"])
def test_a_front_that_is_told_to_stop_ends_its_streams_first_and_told_again_ends_at_once(
    fronts: Fronts, signals: int, messages: int
) -> None:
    front, begun = fronts.start(), threading.Event()
    with ThreadPoolExecutor(1) as reader, fronts.client(front) as client:
        reading = reader.submit(stream_of, client, messages, begun)
        assert begun.wait(RESUME_SECONDS)
        front.process.send_signal(signal.SIGTERM)

        def refuses() -> bool:
            with fronts.client(front) as other:
                try:
                    return other.get("/files").status_code >= 500
                except httpx.HTTPError:
                    return True

        until(refuses, "nothing new is taken")
        if signals == 2:
            front.process.send_signal(signal.SIGTERM)
        events = reading.result(timeout=60)
        assert front.process.wait(30) == 0
    assert (events[-1]["type"] == "response.completed") == (signals == 1), events[-1]


def test_a_stream_outlasts_a_restart_of_the_database(
    fronts: Fronts, database_url: str, request: pytest.FixtureRequest
) -> None:
    if database_url.startswith("sqlite"):
        return  # it has no server to restart
    front, begun = fronts.start(), threading.Event()
    with ThreadPoolExecutor(1) as reader, fronts.client(front) as client:
        reading = reader.submit(stream_of, client, 60, begun)
        assert begun.wait(RESUME_SECONDS)
        request.getfixturevalue("postgres").restart()
        events = reading.result(timeout=60)
        assert events[-1]["type"] == "response.completed", events[-1]
        kept = client.get(f"/responses/{events[-1]['response']['id']}").raise_for_status().json()
        assert kept["status"] == "completed" and kept["output"] == events[-1]["response"]["output"]
    front.kill()
