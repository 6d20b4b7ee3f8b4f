"""Answers from entities, by the embedded engine and by one that follows a script, at every door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.generator import EmbeddedGenerator
from tests.acceptance.doors.entity_scenarios import ENTITY_SCENARIOS, SCRIPTED_SCENARIOS
from tests.acceptance.doors.entity_stage import EntityStage, entity_stages
from tests.acceptance.doors.library_scenarios import LIBRARY_SCENARIOS
from tests.acceptance.doors.stage import same_at_all
from tests.acceptance.live_front import Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer


class OfUnknownVectors(EmbeddedGenerator):
    """The server's vectors are those of no model, so that a likeness is read beside the others alone."""

    async def generate(self, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
        request.embedder = ""
        async for chunk in super().generate(request):
            yield chunk


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[EntityStage]]:
    front = Front(front_settings(tmp_path_factory.mktemp("embedded")), ScriptedServer(OfUnknownVectors())).start()
    made = entity_stages(front)
    yield made
    for stage in made:
        stage.door.close()
    front.stop()


@pytest.fixture(scope="module")
def scripted(answering: Front) -> Iterator[list[EntityStage]]:
    made = entity_stages(answering)
    yield made
    for stage in made:
        stage.door.close()


@pytest.mark.parametrize("scenario", ENTITY_SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_every_door_answers_from_entities(embedded: list[EntityStage], scenario: Callable[[EntityStage], Any]):
    same_at_all(embedded, scenario)


@pytest.mark.parametrize("scenario", SCRIPTED_SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_every_door_tells_what_was_planned(scripted: list[EntityStage], scenario: Callable[[EntityStage], Any]):
    same_at_all(scripted, scenario)


@pytest.mark.parametrize("scenario", LIBRARY_SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_every_door_reads_the_same_of_videos(scripted: list[EntityStage], scenario: Callable[[EntityStage], Any]):
    same_at_all(scripted, scenario)
