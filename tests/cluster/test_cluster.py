"""The chart's pods on hosts of their own understand a recording, answer and stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.cluster.cluster import Cluster, question

pytestmark = pytest.mark.timeout(900)


def _events(reply: httpx.Response) -> Iterator[dict[str, Any]]:
    return (json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: {"))


def test_a_question_is_answered_as_a_stream(cluster: Cluster, collection: str) -> None:
    with (
        cluster.client() as client,
        client.stream("POST", "/responses", json=question(collection) | {"stream": True}) as reply,
    ):
        events = list(_events(reply))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
