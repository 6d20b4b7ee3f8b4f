"""A language model that does what it is told, for tests: JSON that fits, calls that are asked for, garbage on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from ray_jobs.engines.language.model import Call, Piece, Prompt
from services.core.errors import ArcusError, Reason, invalid

Answer = Iterable[Piece | BaseException]
WORDS = ("The", " tide", " rises", " sixteen", " metres", " [1]", ".")


class ScriptedModel:
    """`answer` makes the pieces for a prompt; an exception among them is raised there. Prompts are kept in `prompts`.

    A token is a word, as it stands between blanks.
    """

    def __init__(
        self,
        answer: Callable[[Prompt], Answer] | None = None,
        *,
        context_tokens: int = 8_192,
        max_images: int = 16,
        max_running: int = 64,
        interval_seconds: float = 0.0,
    ) -> None:
        self._answer = answer or plain_answer
        self._interval_seconds = interval_seconds
        self._max_running = max_running
        self.context_tokens = context_tokens
        self.max_images = max_images
        self.image_tokens = 64
        self.running = 0
        self.prompts: list[Prompt] = []

    async def setup(self) -> None:
        return None

    def check(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    async def stream(self, prompt: Prompt) -> AsyncIterator[Piece]:
        read = sum(self.count_tokens(turn.text) for turn in prompt.turns) + len(prompt.images) * self.image_tokens
        if read + prompt.max_output_tokens > self.context_tokens:
            raise invalid(f"{read} tokens and {prompt.max_output_tokens} of an answer are too many.")
        if self.running >= self._max_running:
            raise ArcusError(Reason.LIMIT_EXCEEDED)
        self.prompts.append(prompt)
        self.running += 1
        try:
            written, reason = 0, "stop"
            for piece in self._answer(prompt):
                await asyncio.sleep(self._interval_seconds)
                if isinstance(piece, BaseException):
                    raise piece
                if written + piece.output_tokens > prompt.max_output_tokens:
                    reason = "length"
                    break
                written += piece.output_tokens
                reason = "tool_calls" if piece.tool_call else reason
                yield piece
            yield Piece(finish_reason=reason, input_tokens=read)
        finally:
            self.running -= 1


def plain_answer(prompt: Prompt) -> Answer:
    """JSON where a schema is given, a call where one is required, else a sentence; less what is written already."""
    if prompt.schema is not None:
        return pieces(json.dumps(example(prompt.schema), separators=(",", ":")))
    names = [tool.name for tool in prompt.tools]
    if names and prompt.tool_choice in ("required", *names):
        name = prompt.tool_choice if prompt.tool_choice in names else names[0]
        tool = next(tool for tool in prompt.tools if tool.name == name)
        arguments = json.dumps(example(tool.parameters))
        half = len(arguments) // 2
        return [
            Piece(tool_call=Call("call_1", name, part), output_tokens=1)
            for part in (arguments[:half], arguments[half:])
        ]
    return pieces("".join(WORDS).removeprefix(prompt.written))


def pieces(text: str) -> Sequence[Piece]:
    """A text in pieces of a few characters, each of one token."""
    return [Piece(text[start : start + 6], output_tokens=1) for start in range(0, len(text), 6)]


def example(schema: dict[str, Any]) -> Any:
    """A small value that fits the schema, of those that this file's users make."""
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if "enum" in schema:
        return schema["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return example(schema[name][0])
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: example(properties[name]) for name in schema.get("required", properties)}
    if kind == "array":
        if "prefixItems" in schema:
            return [example(item) for item in schema["prefixItems"]]
        return [example(schema["items"])] * max(1, schema.get("minItems", 1))
    if kind == "string":
        return "words of an example"[: schema.get("maxLength", 100)]
    return {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1.5), "boolean": False}.get(kind)
