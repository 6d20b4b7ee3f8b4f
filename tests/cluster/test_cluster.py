"""The chart's pods on hosts of their own understand a recording, answer and stream."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Cluster, events, question

pytestmark = pytest.mark.timeout(900)


def test_a_question_is_answered_as_a_stream(cluster: Cluster, collection: str) -> None:
    with (
        cluster.client() as client,
        client.stream("POST", "/responses", json=question(collection) | {"stream": True}) as reply,
    ):
        seen = list(events(reply))
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    assert seen[-1]["type"] == "response.completed"
