"""The contract suites of the roles, on vLLM: all of them but what only a model with something to say can fulfil."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ray_jobs.engines.engine import Engine, language_engine
from services.core.engines.config import ROLES, TASKS, Role
from tests.contract import (
    test_role_describer,
    test_role_embedder,
    test_role_extractor,
    test_role_generator,
    test_role_transcriber,
)
from tests.contract.engines import Tried
from tests.vllm.contract_cases import cases

PARTS = ("vlm", "whisper", "vectors")  # of the fixture
# These read the answer's words. What they hold vLLM to is in test_language_model.py, in a form that random words pass.
SENSE = frozenset(
    {
        "test_an_answer_comes_in_pieces_and_the_last_one_tells_why_and_counts",
        "test_many_answers_at_once_do_not_mix",
        "test_an_answer_that_broke_off_goes_on_where_it_was",
        "test_cancelling_who_reads_a_stream_frees_the_engine",
        "test_a_function_is_called_where_one_must_be",
    }
)
# A model that may answer null to this schema does so by chance.
CHANCE = frozenset({"test_a_record_fits_the_schema_and_its_sources_lie_in_the_passages"})
SUITES = [
    *cases(test_role_describer),
    *cases(test_role_embedder),
    *cases(test_role_extractor, CHANCE),
    *cases(test_role_generator, SENSE),
    *cases(test_role_transcriber),
]


@pytest.mark.parametrize(("contract", "arguments"), SUITES)
async def test_the_contract_of_a_role(parts: dict[str, Any], contract: Any, arguments: dict[str, Any]) -> None:
    @asynccontextmanager
    async def opened(role: Role) -> AsyncIterator[Tried]:
        part = parts[{"language": "vlm", "speech": "whisper", "vectors": "vectors"}[TASKS[role]]]
        engine = {
            "language": lambda: language_engine(part, ROLES),
            "speech": lambda: Engine((part,), transcriber=part),
            "vectors": lambda: Engine((part,), embedder=part),
        }[TASKS[role]]()
        yield Tried(engine, lambda: part.running)

    await contract(opened, **arguments)
