"""Functions where the embedded engine plays the model: it answers without them, and says what can where one must be called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ray_jobs.engines.embedded.extractive.generator import EmbeddedGenerator
from tests.acceptance.live_front import Front, front_settings
from tests.acceptance.open_responses import WEATHER
from tests.acceptance.scripted_server import ScriptedServer

NAMED = {"type": "function", "name": "get_weather"}
FORCED = ["required", NAMED, {"type": "allowed_tools", "mode": "required", "tools": [NAMED]}]
ASKED = {"model": "nimbus-001", "input": "Is it warm?", "tools": [WEATHER]}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    front = Front(front_settings(tmp_path_factory.mktemp("calls")), ScriptedServer(EmbeddedGenerator())).start()
    headers = {"Authorization": f"Bearer {front.account().key}"}
    with httpx.Client(base_url=f"{front.url}/v1", headers=headers, timeout=60, trust_env=False) as client:
        yield client
    front.stop()


@pytest.mark.parametrize("choice", FORCED, ids=["required", "named", "allowed"])
@pytest.mark.parametrize("stream", [False, True], ids=["at-once", "streamed"])
def test_a_call_that_must_be_made_is_refused_by_what_can_make_it(http: httpx.Client, choice: Any, stream: bool):
    """Of a stream, by its last event."""
    reply = http.post("/responses", json={**ASKED, "tool_choice": choice, "stream": stream})
    if stream:
        *_, last, _done, _end = reply.text.split("\n\n")
        error = json.loads(last.removeprefix("event: error\ndata: "))["error"]
    else:
        assert reply.status_code == 400
        error = reply.json()["error"]
    assert "kind vllm or openai" in error["message"]


@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_an_answer_without_calls_is_given_where_none_must_be_made(http: httpx.Client, choice: Any):
    body = http.post("/responses", json={**ASKED, "tool_choice": choice}).json()
    assert [item["type"] for item in body["output"]] == ["message"]
