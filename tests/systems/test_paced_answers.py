"""Answers of an engine that takes its time, through the whole system."""

from __future__ import annotations

import time
from pathlib import Path

from cloudglue import Cloudglue

from services.core.engine_config import SCRIPTED_ANSWERS
from tests.running_system import start_system


def test_deltas_arrive_while_the_answer_is_being_made(tmp_path: Path) -> None:
    """An engine that speaks every 0.2 s is heard every 0.2 s, by the SDK that reads 4 KiB at a time."""
    slow = '{"messages": 6, "tokens_per_message": 1, "interval_seconds": 0.2}'
    system = start_system(tmp_path / "data", environment={"ARCUS_ROLES": SCRIPTED_ANSWERS})
    try:
        client = Cloudglue(api_key=system.key, host=system.http)
        collection = client.collections.create(name="empty", collection_type="media-descriptions")
        arrivals = []
        for event in client.responses.create(
            input="anything", collections=[collection.id], model="nimbus-001", instructions=slow, stream=True
        ):
            if event["event"] == "response.output_text.delta":
                arrivals.append(time.monotonic())
        assert len(arrivals) == 6
        assert arrivals[-1] - arrivals[0] > 0.5, "they came all at once, at the end"
    finally:
        assert system.stop() == 0
