"""The chart's pods on hosts of their own understand a recording, answer and stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.cluster.cluster import Cluster
from tests.running_system import LECTURE, create_collection, ingest

QUESTION = "How many turbines are in the dam in France?"
pytestmark = pytest.mark.timeout(900)


def _question(collection: str) -> dict[str, Any]:
    return {"model": "nimbus-001", "input": QUESTION, "knowledge_base": {"collections": [collection]}}


def _events(reply: httpx.Response) -> Iterator[dict[str, Any]]:
    return (json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: {"))


@pytest.fixture(scope="module")
def collection(cluster: Cluster) -> str:
    """Of one recording, asked about once."""
    with cluster.client() as client:
        collection = create_collection(client, "first")
        ingest(client, LECTURE, collection)
        answer = client.post("/responses", json=_question(collection)).raise_for_status().json()
        assert "24 turbines" in answer["output"][0]["content"][0]["text"]
        return collection


def test_a_question_is_answered_as_a_stream(cluster: Cluster, collection: str) -> None:
    with (
        cluster.client() as client,
        client.stream("POST", "/responses", json=_question(collection) | {"stream": True}) as reply,
    ):
        events = list(_events(reply))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
