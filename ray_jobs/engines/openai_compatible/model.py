"""A language model behind OpenAI's Chat Completions."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from ray_jobs.engines.language.cleaning import without_tokens
from ray_jobs.engines.language.model import Call, Piece, Prompt, Turn
from ray_jobs.engines.openai_compatible.client import OpenaiClient
from services.core.engines.config import OpenaiOptions
from services.core.errors import ArcusError, Reason

if TYPE_CHECKING:
    import numpy as np

JPEG_QUALITY = 85


class OpenaiModel:
    def __init__(self, options: OpenaiOptions) -> None:
        self._options = options
        self._client = OpenaiClient(options)
        self.context_tokens = options.context_tokens
        self.max_images = options.max_images
        self.image_tokens = options.image_tokens

    @property
    def running(self) -> int:
        return self._client.running

    async def setup(self) -> None:
        await self._client.setup()

    def check(self) -> None:
        self._client.check()

    async def close(self) -> None:
        await self._client.close()

    def count_tokens(self, text: str) -> int:
        return int(len(text.encode(errors="replace")) / self._options.bytes_per_token) + 1

    async def stream(self, prompt: Prompt) -> AsyncIterator[Piece]:
        if prompt.written and not self._options.is_vllm:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The answer that was begun can't be continued; ask again.")
        images = await asyncio.to_thread(lambda: [data_url(image) for image in prompt.images])
        reading = _Reading()
        events = self._client.events("chat/completions", self._body(prompt, images))
        async with aclosing(cast(Any, events)) as events:
            async for event in events:
                for piece in reading.pieces(event):
                    yield piece
        yield reading.last(sum(self.count_tokens(turn.text) for turn in prompt.turns))

    def _body(self, prompt: Prompt, images: Sequence[str]) -> dict[str, Any]:
        options = self._options
        body: dict[str, Any] = {
            "model": options.model,
            "messages": _messages(prompt, images),
            options.output_limit_name: prompt.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if prompt.temperature is not None:
            body["temperature"] = prompt.temperature
        if prompt.top_p is not None:
            body["top_p"] = prompt.top_p
        if prompt.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": prompt.schema},
            }
        if prompt.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
                }
                for tool in prompt.tools
            ]
            choice = prompt.tool_choice
            named = {"type": "function", "function": {"name": choice}}
            body["tool_choice"] = choice if choice in ("auto", "none", "required") else named
        if options.is_vllm:
            body["cache_salt"] = hashlib.sha256(prompt.tenant_id.encode()).hexdigest()
            if prompt.written:
                body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body


def _messages(prompt: Prompt, images: Sequence[str]) -> list[dict[str, Any]]:
    last = max((index for index, turn in enumerate(prompt.turns) if turn.role == "user"), default=-1)
    messages = [_message(turn) for turn in prompt.turns]
    if images:
        messages[last]["content"] = [
            *({"type": "image_url", "image_url": {"url": url}} for url in images),
            {"type": "text", "text": without_tokens(prompt.turns[last].text)},
        ]
    if prompt.written:
        messages.append({"role": "assistant", "content": prompt.written})
    return messages


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": without_tokens(turn.text)}
    if turn.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in turn.tool_calls
        ]
    if turn.tool_call_id:
        message["tool_call_id"] = turn.tool_call_id
    return message


def data_url(image: np.ndarray) -> str:
    """A JPEG of uint8 [height, width, 3] RGB."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


class _Reading:
    """Makes pieces of the events. One with text counts as a token, until the usage at the end says how many there were."""

    def __init__(self) -> None:
        self._finish_reason = ""
        self._counted = 0
        self._usage: dict[str, Any] = {}
        self._calls: dict[int, tuple[str, str]] = {}

    def pieces(self, event: dict[str, Any]) -> list[Piece]:
        self._usage = event.get("usage") or self._usage
        made: list[Piece] = []
        try:
            for choice in event.get("choices") or ():
                delta = choice.get("delta") or {}
                if text := delta.get("content"):
                    made.append(Piece(str(text), output_tokens=1))
                for part in delta.get("tool_calls") or ():
                    made.append(Piece(tool_call=self._call(part), output_tokens=1))
                self._finish_reason = choice.get("finish_reason") or self._finish_reason
        except (AttributeError, TypeError) as error:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine's server does not speak OpenAI's API.") from error
        self._counted += len(made)
        return made

    def last(self, input_tokens: int) -> Piece:
        """`input_tokens`: an estimate, for servers that do not count."""
        if not self._finish_reason:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine's server stopped before the end; ask again.")
        reason = self._finish_reason if self._finish_reason in ("length", "tool_calls") else "stop"
        written = _count(self._usage.get("completion_tokens"), self._counted)
        return Piece(
            finish_reason=reason,
            output_tokens=max(0, written - self._counted),
            input_tokens=_count(self._usage.get("prompt_tokens"), input_tokens),
        )

    def _call(self, part: dict[str, Any]) -> Call:
        function = part.get("function") or {}
        index = int(part.get("index") or 0)
        if index not in self._calls:
            self._calls[index] = (str(part.get("id") or f"call_{index}"), str(function.get("name") or ""))
        id, name = self._calls[index]
        return Call(id, name, str(function.get("arguments") or ""))


def _count(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and value >= 0 else otherwise
