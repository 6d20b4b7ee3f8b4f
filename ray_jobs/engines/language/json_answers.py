"""Asks a language model for JSON, and accepts nothing else: what does not fit is asked for again, and then refused."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

import structlog
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from ray_jobs.engines.language.cleaning import cleaned_values
from ray_jobs.engines.language.model import LanguageModel, Prompt
from services.core.errors import ArcusError, Reason

# Of each try. The same words again would fail again: later tries draw lots.
TEMPERATURES = (0.0, 0.7, 1.0)
ATTEMPTS = len(TEMPERATURES)
MAX_BLANKS = 200  # that a model may write one after another; a guided one can fill its answer with them
SILENCE_SECONDS = 120.0

log = structlog.get_logger()


class UnusableAnswerError(ArcusError):
    """The model answered, and not with what was asked for."""

    def __init__(self, problem: str) -> None:
        super().__init__(Reason.INTERNAL, f"The model's answer could not be used: {problem}.")

    def __reduce__(self) -> tuple:
        return (ArcusError, (self.reason, self.message))


async def answer_in_json(model: LanguageModel, prompt: Prompt, *, silence_seconds: float = SILENCE_SECONDS) -> Any:
    """A value that fits the prompt's schema, its strings cleaned.

    Raises what the model raises, DEADLINE_EXCEEDED where it falls silent, UnusableAnswerError after ATTEMPTS answers.
    """
    assert prompt.schema is not None
    failure: UnusableAnswerError | None = None
    for attempt, temperature in enumerate(TEMPERATURES):
        asked = replace(prompt, request_id=f"{prompt.request_id}-{attempt}", temperature=temperature)
        try:
            return _parsed(await _written(model, asked, silence_seconds), prompt.schema)
        except UnusableAnswerError as error:
            failure = error
            log.warning("model_answer_unusable", request_id=asked.request_id, problem=error.message)
    assert failure is not None
    raise failure


def object_schema(**properties: Any) -> dict[str, Any]:
    """JSON schema of an object that has all of these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


async def _written(model: LanguageModel, prompt: Prompt, silence_seconds: float) -> str:
    text: list[str] = []
    blanks = 0
    finish_reason = ""
    try:
        async with asyncio.timeout(silence_seconds) as silence, aclosing(cast(Any, model.stream(prompt))) as pieces:
            async for piece in pieces:
                silence.reschedule(asyncio.get_running_loop().time() + silence_seconds)
                text.append(piece.text)
                blanks = blanks + len(piece.text) if not piece.text.strip() else _trailing_blanks(piece.text)
                if blanks > MAX_BLANKS:
                    raise UnusableAnswerError(f"it went on with {MAX_BLANKS} blanks")
                finish_reason = piece.finish_reason
    except TimeoutError as error:
        raise ArcusError(
            Reason.DEADLINE_EXCEEDED, f"The model was silent for {silence_seconds:g} s; it will be asked again."
        ) from error
    if finish_reason == "length":
        raise UnusableAnswerError(f"it was cut off at {prompt.max_output_tokens} tokens")
    return "".join(text)


def _trailing_blanks(text: str) -> int:
    return len(text) - len(text.rstrip())


def _parsed(text: str, schema: dict[str, Any]) -> Any:
    try:
        value = cleaned_values(json.loads(text, strict=False))  # guided decoding lets control characters into strings
    except (ValueError, RecursionError) as error:
        raise UnusableAnswerError(f"it is not JSON ({error})") from error
    misfit = best_match(Draft202012Validator(schema).iter_errors(value))
    if misfit is not None:
        raise UnusableAnswerError(f"{misfit.json_path}: {misfit.message[:200]}")
    return value
